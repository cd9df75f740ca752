package reflector

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

// report is a result of a test against target by the prober p1.
func report(target, source string, ssid uint16, rtt *events.Delay) *events.RTT {
	return &events.RTT{
		Prober: "p1", Sent: 10, Received: 9, Lost: 1, RTT: rtt,
		Target:  events.Target{Name: "r1", Address: netip.MustParseAddrPort(target)},
		Session: events.Session{SSID: ssid, Source: netip.MustParseAddrPort(source)},
	}
}

func median(d time.Duration) *events.Delay {
	return &events.Delay{Distribution: events.Distribution{P50Ns: int64(d), N: 9}}
}

// The result of a test reaches the log of the reflector that was tested.
func TestResultsOverTheBus(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	nats := bustest.NewServer(t)
	log := slog.New(slog.DiscardHandler)
	connect := func(name string) *bus.Conn {
		var s bus.Settings
		s.OutboxSize = 1 << 20
		if err := s.URL.UnmarshalText([]byte(nats.URL())); err != nil {
			t.Fatal(err)
		}
		c, err := bus.Connect(s, name, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	heard := make(chan string, 10)
	l := newTestLog(func(_ time.Time, _, text string) { heard <- text }, func(time.Time, *events.Log) {})
	res := &results{
		sessions: new(sessions),
		bus:      connect("reflector1"), log: l, slog: log, table: newTable(10),
		listening: []netip.AddrPort{netip.MustParseAddrPort("[::1]:862")},
		advertise: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.7:862")},
	}
	res.table.touch(key{peer: netip.MustParseAddrPort("[2001:db8::99]:40000"), ssid: 7}, 0, 0)
	var all sync.WaitGroup
	defer all.Wait()
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	all.Go(func() { res.run(runCtx) })
	all.Go(func() { l.run(runCtx, func(time.Time, func(events.Record)) {}) })

	// The prober publishes as it always does. What comes before the reflector
	// has subscribed is missed: a first one is repeated until it is heard.
	prober := connect("p1")
	source := events.NewSource("prober", "p1")
	publisher, err := bus.NewPublisher(prober, bus.Settings{OutboxSize: 1 << 20}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(publisher.Close)
	if err := connect("init").Init(ctx, bus.StreamConfig{Replicas: 1}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	publish := func(r *events.RTT) {
		e, err := source.Encode(time.Now(), r)
		if err != nil {
			t.Fatal(err)
		}
		publisher.Publish(e)
	}
	first := report("[::1]:862", "[::1]:1", 1, nil)
	for subscribed := false; !subscribed; {
		publish(first)
		select {
		case <-heard:
			subscribed = true
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("no result is heard")
		}
	}
	const from = "[fd7a:115c:a1e0::1801:7746]:40000" // behind NAT the source is not what we saw
	for _, r := range []*events.RTT{
		report("[::1]:862", from, 7, median(20*time.Millisecond)),
		report("[::1]:862", from, 8, median(20*time.Millisecond)),
		report("[::1]:863", from, 7, median(time.Second)), // another reflector's
		report("198.51.100.7:862", from, 7, nil),
	} {
		publish(r)
	}
	want := []string{ // in any order
		"Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: Round-trip time: 20ms",
		"Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: Round-trip time: 20ms (unverified)",
		"Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: no reply",
	}
	for len(want) > 0 {
		select {
		case got := <-heard:
			i := slices.Index(want, got)
			if i >= 0 {
				want = slices.Delete(want, i, i+1)
			} else if !strings.Contains(got, "client [::1]") { // repetitions of the first
				t.Fatalf("heard %q, want of %q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("waited in vain for %q", want)
		}
	}
}

func TestResultRecord(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddrPort("[2001:db8::2]:862")
	at := time.Date(2026, 3, 29, 14, 9, 1, 0, time.UTC)
	encode := func(name string, d events.Data) (body []byte) {
		e, err := events.NewSource("prober", name).Encode(at, d)
		if err != nil {
			t.Fatal(err)
		}
		return e.Body
	}
	good := report(address.String(), "[2001:db8::1]:40000", 7, median(time.Millisecond))
	subject := events.RTTSubject("p1", "r1", address)
	for _, c := range []struct {
		name      string
		subject   string
		body      []byte
		stateless bool
		heard     bool
		verified  bool
	}{
		{name: "known session", subject: subject, body: encode("p1", good), heard: true, verified: true},
		{name: "other SSID", subject: subject, body: encode("p1", report(address.String(), "[2001:db8::1]:40000", 8, nil)), heard: true},
		{name: "other port", subject: subject, body: encode("p1", report(address.String(), "[2001:db8::1]:40001", 7, nil)), heard: true},
		{name: "stateless", subject: subject, body: encode("p1", good), stateless: true, heard: true},
		{name: "source of another prober", subject: subject, body: encode("p2", good)},
		{name: "subject of another form", subject: "twamp.v1.rtt.p1", body: encode("p1", good)},
		{name: "another type", subject: subject, body: encode("p1", &events.Log{})},
		{name: "no event", subject: subject, body: []byte("{}")},
		{name: "no JSON", subject: subject, body: []byte("\x00")},
		{name: "empty", subject: subject},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			cfg := rec.config()
			r := &results{log: newTestLog(cfg.Line, cfg.Publish), slog: cfg.Log, table: newTable(1), sessions: new(sessions)}
			r.table.touch(key{peer: netip.MustParseAddrPort("[2001:db8::1]:40000"), ssid: 7}, 0, 0)
			if c.stateless {
				r.table = nil
			}
			r.handle(c.subject, c.body)
			r.log.takeAll()
			r.log.flush(at)
			records, _ := rec.sent()
			if len(records) != 1 || !c.heard {
				if c.heard || len(records) > 0 {
					t.Fatalf("heard %+v", records)
				}
				return
			}
			got := records[0]
			if got.Kind != events.ResultReceived || got.Result.Verified != c.verified || !got.Time.Equal(at) || got.Local != address {
				t.Errorf("heard %+v, %+v", got, got.Result)
			}
			if got.Result.Prober != "p1" || got.Result.Target != "r1" || got.Result.Sent != 10 || got.Result.Received != 9 || got.Result.Lost != 1 || got.Result.Event == "" {
				t.Errorf("heard the result %+v", got.Result)
			}
		})
	}
}

// fakeBus notes what is subscribed to.
type fakeBus struct {
	mu       sync.Mutex
	subjects []string
	failures int // of the next subscriptions
}

func (b *fakeBus) Subscribe(subject string, _ func(string, []byte)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures > 0 {
		b.failures--
		return nil, errors.New("not now")
	}
	b.subjects = append(b.subjects, subject)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.subjects = slices.DeleteFunc(b.subjects, func(s string) bool { return s == subject })
	}, nil
}

func (b *fakeBus) has(addr string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.subjects, events.ResultSubject(netip.MustParseAddrPort(addr)))
}

func (b *fakeBus) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.subjects)
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBus{failures: 1}
		rec := &recorder{}
		r := &results{bus: b, slog: rec.config().Log, listening: []netip.AddrPort{
			netip.MustParseAddrPort("0.0.0.0:862"), netip.MustParseAddrPort("[2001:db8::2]:1862"),
		}, advertise: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.7:2862")}}
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { r.run(ctx) })
		synctest.Wait()
		first := b.len()
		time.Sleep(2 * interfacesEvery) // one that failed is tried again
		synctest.Wait()
		if b.len() != first+1 {
			t.Errorf("%d subscriptions at first, %d later; want one more", first, b.len())
		}
		for addr, want := range map[string]bool{
			"127.0.0.1:862": true, "127.0.0.1:1862": false, // a wildcard is all addresses of its family
			"[::1]:862": false, "0.0.0.0:862": false,
			"[2001:db8::2]:1862": true, "198.51.100.7:2862": true,
		} {
			if b.has(addr) != want {
				t.Errorf("hears results for %s: %v", addr, !want)
			}
		}
		cancel()
		ended.Wait()
		if n := b.len(); n > 0 {
			t.Errorf("%d subscriptions are left at the end", n)
		}
	})
}

// A prober that publishes under another's name is warned of at once, and then
// once a minute, however much it publishes.
func TestForeignResultsWarnSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		address := netip.MustParseAddrPort("[2001:db8::2]:862")
		e, err := events.NewSource("prober", "mallory").Encode(time.Now(), report(address.String(), "[2001:db8::1]:40000", 7, nil))
		if err != nil {
			t.Fatal(err)
		}
		res := &results{slog: slog.New(slog.NewTextHandler(&log, nil))}
		for range 100 {
			res.handle(events.RTTSubject("p1", "r1", address), e.Body)
			time.Sleep(time.Second)
		}
		if said := log.String(); strings.Count(said, "level=WARN") != 2 || !strings.Contains(said, "results=1\n") || !strings.Contains(said, "results=60\n") {
			t.Errorf("the log says\n%s", said)
		}
	})
}
