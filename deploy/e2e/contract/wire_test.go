package contract

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

const deadline = 30 * time.Second

// What the bus puts on the wire, on a first and on a second try, is what schemas
// and AsyncAPI document say. The test stands in for the stream, and refuses each
// event once.
func TestWire(t *testing.T) {
	srv := bustest.NewServer(t, func(o *server.Options) { o.JetStream = false })
	nc, err := nats.Connect(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	published := make(chan *nats.Msg, 10)
	if _, err := nc.ChanSubscribe(events.StreamSubjects, published); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	client, err := bus.Open(bus.Settings{URL: service.URL(srv.URL()), OutboxSize: 1 << 20}, "prober", "probe-1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(deadline) })

	now := time.Now()
	for _, e := range []struct {
		data      events.Data
		eventType string
	}{
		{&events.RTT{
			Target:  events.Target{Name: "core", Address: netip.MustParseAddrPort("192.0.2.7:862")},
			Session: events.Session{Mode: "light", Auth: "none", Schedule: "periodic", Timestamp: "ntp"},
			Report:  events.Report{Kind: events.ReportRun, Start: now, End: now},
		}, events.TypeRTT},
		{&events.Log{Service: "prober"}, events.TypeLog},
		{&events.DeadLetter{Reason: "empty"}, events.TypeDeadLetter},
	} {
		client.Emit(now, e.data)
		first := next(t, published)
		answer(t, first, `{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`)
		second := next(t, published)
		answer(t, second, `{"stream":"TWAMP","seq":1}`)
		if a, b := first.Header.Get(bus.HeaderAttempt), second.Header.Get(bus.HeaderAttempt); a != "" || b != "2" {
			t.Errorf("%s: attempts %q and %q", e.eventType, a, b)
		}
		if a, b := first.Header.Get(nats.MsgIdHdr), second.Header.Get(nats.MsgIdHdr); a != b {
			t.Errorf("%s: ids %q and %q", e.eventType, a, b)
		}
		for _, m := range []*nats.Msg{first, second} {
			fits(t, m.Header)
			if err := compile(t, e.eventType, nil).Validate(value(t, m.Data)); err != nil {
				t.Errorf("%s\n%s", err, m.Data)
			}
		}
	}
}

func next(t *testing.T, published chan *nats.Msg) *nats.Msg {
	t.Helper()
	select {
	case m := <-published:
		return m
	case <-time.After(deadline):
		t.Fatal("nothing is published")
		return nil
	}
}

func answer(t *testing.T, m *nats.Msg, ack string) {
	t.Helper()
	if err := m.Respond([]byte(ack)); err != nil {
		t.Fatal(err)
	}
}
