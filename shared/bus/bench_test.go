package bus

import (
	"fmt"
	"testing"

	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// reportSize is about that of a report of a session.
const reportSize = 4700

// What an emitter pays for an event: the outbox's part, without a server.
func BenchmarkAdd(b *testing.B) {
	for name, dir := range map[string]string{"memory": "", "disk": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			o, err := openOutbox(dir, 64<<20, quiet)
			if err != nil {
				b.Fatal(err)
			}
			defer o.close()
			e := testEvent(0, reportSize)
			b.SetBytes(reportSize)
			b.ReportAllocs()
			for b.Loop() {
				o.add(e)
			}
		})
	}
}

// Events from the emitter into the stream of a server in the same process, all
// acknowledged.
func BenchmarkPublish(b *testing.B) {
	for name, disk := range map[string]bool{"memory": false, "disk": true} {
		b.Run(name, func(b *testing.B) {
			s := Settings{URL: service.URL(bustest.NewServer(b).URL()), OutboxSize: 1 << 30}
			if disk {
				s.Outbox = b.TempDir()
			}
			c, err := Connect(s, "p1", quiet)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			if err := c.Init(b.Context(), StreamConfig{MaxBytes: 64 << 20}, ConsumerConfig{Durable: "logger"}); err != nil {
				b.Fatal(err)
			}
			p, err := NewPublisher(c, s, quiet)
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			body := make([]byte, reportSize)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N { // and not b.Loop, which would leave the draining out
				p.Publish(events.Encoded{ID: fmt.Sprint("id-", i), Subject: "twamp.v1.log.p1", Body: body})
			}
			if left := p.Drain(b.Context()); left > 0 {
				b.Fatalf("%d left", left)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
