package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

const deadline = 30 * time.Second

// The consumer prints what the stream had before it came, passes over what is
// no event, prints what comes while it runs and, when it is started again, only
// what it had not acknowledged.
func TestConsume(t *testing.T) {
	server := bustest.NewServer(t)
	client, err := bus.Open(bus.Settings{URL: service.URL(server.URL()), OutboxSize: 1 << 20}, "prober", "probe-1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(deadline) })
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if err := client.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	report := func(target string, lost uint64, rtt *events.Delay) {
		client.Emit(time.Now(), &events.RTT{
			Target: events.Target{Name: target, Address: netip.MustParseAddrPort("192.0.2.7:862")}, Sent: 10, Lost: lost, RTT: rtt,
		})
	}
	client.Emit(time.Now(), &events.Log{Service: "prober"}) // not asked for
	publish(t, server.URL(), "twamp.v1.rtt.x.y.z", "no event")
	report("core", 1, &events.Delay{Distribution: events.Distribution{P50Ns: 20_000_000}})

	next, stop := start(t, server.URL())
	if got, want := next(), " core: 1 of 10 lost, round trip 20000000 ns"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	report("gone", 10, nil)
	if got, want := next(), " gone: 10 of 10 lost"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	report("edge", 0, nil)
	if got, want := next(), " edge: 0 of 10 lost"; got != want { // so "gone" is acknowledged
		t.Errorf("%q, want %q", got, want)
	}
	stop()
	idle(t, server.URL())

	report("last", 0, nil)
	next, _ = start(t, server.URL())
	if got := next(); got != " last: 0 of 10 lost" {
		t.Errorf("after its restart it printed %q", got)
	}
}

// publish puts a message into the stream.
func publish(t *testing.T, url, subject, body string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request(subject, []byte(body), deadline); err != nil {
		t.Fatal(err)
	}
}

// idle waits until the server has all acknowledgements, and knows that the
// consumer is gone: what it hands to one that is going comes again 30 s later.
func idle(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	for {
		consumer, err := js.Consumer(ctx, "TWAMP", "example")
		if err != nil {
			t.Fatal(err)
		}
		if info := consumer.CachedInfo(); info.NumWaiting == 0 && info.NumAckPending == 0 {
			return
		}
	}
}

// start runs the consumer. next returns its next line, without the id.
func start(t *testing.T, url string) (next func() string, stop func()) {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := consume(ctx, url, w)
		w.CloseWithError(err)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	lines := bufio.NewReader(r)
	return func() string {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		const id = 26 + len("-1") // the sequence stays below 10
		return line[id : len(line)-1]
	}, stop
}
