package reflector

import (
	"context"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

func TestLoggingSetting(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Logging{"off": LogOff, "sampled": LogSampled, "all": LogAll} {
		var l Logging
		if err := l.UnmarshalText([]byte(text)); err != nil || l != want {
			t.Errorf("%s is %d (%v)", text, l, err)
		}
	}
	var l Logging
	if err := l.UnmarshalText([]byte("some")); err == nil || err.Error() != "must be off, sampled or all" {
		t.Errorf("some: %v", err)
	}
}

// The readable log of one exchange, line by line.
func TestReadableLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		s := g.sender(client)
		s.send(server, request(7, 0x1234, []byte("TWAMP \x1b[31mtest\x00")...))
		s.replies()
		time.Sleep(time.Second)
		g.stop()
		want := []string{
			"Session opened with [2001:db8::1]",
			`Received test packet from [2001:db8::1]: "TWAMP \x1b[31mtest"`,
			"Sent response to [2001:db8::1]",
			"Session with [2001:db8::1] ended: reflector stopped (1 packet)",
		}
		if got := g.told(); !slices.Equal(got, want) {
			t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What the records of one exchange hold.
func TestRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Logging = LogAll }).start()
		s := g.sender(client)
		start := time.Now().UTC()
		s.send(server, request(7, 0x1234, []byte("hello\x00")...))
		s.replies()
		s.send(server, request(9, 0x1234))
		s.replies()
		time.Sleep(time.Second)
		g.stop()
		records, omitted := g.sent()
		number := func(n uint32) *uint32 { return &n }
		peer, local := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
		want := []events.Record{
			{Kind: events.SessionOpened},
			{Kind: events.PacketReceived, Sequence: number(7), Size: 50, Message: "hello"},
			{Kind: events.ResponseSent, Sequence: number(0), Size: 50},
			{Kind: events.PacketReceived, Sequence: number(9), Size: 44},
			{Kind: events.ResponseSent, Sequence: number(1), Size: 44},
			{Kind: events.SessionEnded, Reason: "reflector stopped", Count: 2},
		}
		if len(records) != len(want) || omitted != 0 {
			t.Fatalf("%d records, %d omitted; want %d", len(records), omitted, len(want))
		}
		for i, r := range records {
			w := want[i]
			w.Peer, w.Local, w.SSID, w.Time = peer, local, 0x1234, start
			if r.Kind == events.SessionEnded {
				w.Time = start.Add(time.Second)
			}
			if r.Sequence != nil && w.Sequence != nil && *r.Sequence == *w.Sequence {
				r.Sequence, w.Sequence = nil, nil
			}
			if r != w {
				t.Errorf("record %d is %+v, want %+v", i, r, w)
			}
		}
	})
}

// How much of 250 packets, one every 10 ms, of each of two sessions is logged.
func TestLogPackets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		logging   Logging
		stateless bool
		opened    int
		followed  int
		omitted   uint64
	}{
		{name: "off", logging: LogOff, opened: 2},
		{name: "sampled", logging: LogSampled, opened: 2, followed: 2 * 3, omitted: 2 * (2*250 - 2*3)},
		{name: "all", logging: LogAll, opened: 2, followed: 2 * 250},
		{name: "sampled, stateless", logging: LogSampled, stateless: true, followed: 3, omitted: 2 * (2*250 - 3)},
		{name: "off, stateless", logging: LogOff, stateless: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, server, func(cfg *Config) { cfg.Logging, cfg.Stateless = c.logging, c.stateless }).start()
				s := g.sender(client)
				for i := range 250 {
					s.send(server, request(uint32(i), 1), request(uint32(i), 2))
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				records, omitted := g.sent()
				opened, received, sent := count(records, events.SessionOpened), count(records, events.PacketReceived), count(records, events.ResponseSent)
				if opened != c.opened || received != c.followed || sent != c.followed || omitted != c.omitted {
					t.Errorf("%d opened, %d received, %d sent, %d omitted; want %d, %d, %d, %d",
						opened, received, sent, omitted, c.opened, c.followed, c.followed, c.omitted)
				}
			})
		})
	}
}

// However much happens, there is one event a second, and what it cannot hold
// is counted.
func TestLogCap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Logging = LogAll }).start()
		s := g.sender(client)
		const packets = 5000
		for i := range packets {
			s.send(server, request(uint32(i), 1))
			if i%10 == 9 {
				time.Sleep(5 * time.Millisecond) // 2,000 packets/s
				synctest.Wait()
			}
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		records, omitted := g.sent()
		if total := uint64(len(records)) + omitted; total != 2*packets+1 {
			t.Errorf("%d records and %d omitted, %d in all; want %d", len(records), omitted, total, 2*packets+1)
		}
		want := 1 + 3*(share(events.PacketReceived)+share(events.ResponseSent))
		if len(g.logs) != 3 || len(records) != want {
			t.Errorf("%d events with %d records, want 3 with %d", len(g.logs), len(records), want)
		}
		for i, l := range g.logs {
			if i > 0 && l.at.Sub(g.logs[i-1].at) < time.Second {
				t.Errorf("event %d comes %v after the one before", i, l.at.Sub(g.logs[i-1].at))
			}
		}
		if lines := len(g.told()); lines != len(records) {
			t.Errorf("%d readable lines, %d records", lines, len(records))
		}
	})
}

// A log that nobody takes anything from holds no packet up.
func TestStuckLogHoldsNothingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		g := newRig(t, server, func(c *Config) {
			c.Logging = LogAll
			c.Line = func(time.Time, string, string) { <-stuck }
		}).start()
		defer close(stuck)
		s := g.sender(client)
		for i := range 2 * noteQueue {
			s.send(server, request(uint32(i), 1))
		}
		for range 2 * noteQueue {
			g.r.log.record(events.Record{})
		}
		if got := len(s.replies()); got != 2*noteQueue {
			t.Errorf("%d of %d requests are answered while the log is stuck", got, 2*noteQueue)
		}
		if g.r.log.omitted.Load() == 0 {
			t.Error("nothing is counted as omitted")
		}
	})
}

// A flood of new sessions makes a line and a record of some of them, and leaves
// the log its room for the rest of what happens.
func TestFloodOfSessionsInTheLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const table, flood = 1000, 5000
		g := newRig(t, server, func(c *Config) { c.SessionTable = table }).start()
		s := g.sender(client)
		for i := range 2 * flood {
			s.send(server, request(0, uint16(i)))
			if i == flood {
				time.Sleep(idleUnproven + time.Second/2) // from here on they displace those before
			}
		}
		s.send(server, []byte("junk"))
		time.Sleep(time.Second)
		synctest.Wait()
		records, omitted := g.sent()
		for _, kind := range []events.RecordKind{events.SessionOpened, events.PacketReceived, events.ResponseSent} {
			if n := count(records, kind); n != 2*share(events.SessionOpened) {
				t.Errorf("%d records %v of two floods, want %d", n, kind, 2*share(events.SessionOpened))
			}
		}
		if n := count(records, events.SessionEnded); n != share(events.SessionEnded) || displacements(g.r.table) != table {
			t.Errorf("%d ends of sessions are told of %d, want %d of %d", n, displacements(g.r.table), share(events.SessionEnded), table)
		}
		if n := count(records, events.PacketDropped); n != 1 {
			t.Errorf("%d records tell of the drop", n)
		}
		opened, replies, drops := 2*table, 2*flood, 1
		if want := opened + 2*replies + table + drops; uint64(len(records))+omitted != uint64(want) {
			t.Errorf("%d records and %d omitted, want %d in all", len(records), omitted, want)
		}
		g.stop()
	})
}

// The end of the log loses nothing that waits for it.
func TestLogTakesWhatIsLeft(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	cfg := rec.config()
	l := newTestLog(cfg.Line, cfg.Publish)
	for range 100 {
		l.packet(events.ResponseSent, testT2, testKey(0), 0, nil, 0)
		l.record(events.Record{Kind: events.ResultReceived})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	l.run(ended, func(time.Time, func(events.Record)) {})
	l.flush(time.Now())
	if records, omitted := rec.sent(); len(records) != 200 || omitted != 0 {
		t.Errorf("%d of 200 records, %d omitted", len(records), omitted)
	}
}

// Not even the largest event is more than a NATS server takes by default.
func TestLargestEventFits(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	cfg := rec.config()
	l := newTestLog(cfg.Line, cfg.Publish)
	address := netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")
	k := key{peer: address, local: address, ssid: 65535}
	pkt := request(1<<32-1, 0, []byte(strings.Repeat("\x01", stamp.MaxMessage)+"\x00")...)
	result := &events.Result{
		Prober: strings.Repeat("p", 63), Target: strings.Repeat("\x01", maxName), Event: strings.Repeat("\x01", maxID),
		RTTNs: new(int64(math.MaxInt64)),
	}
	negotiated := []events.RecordKind{
		events.SessionOpened, events.SessionEnded, events.ControlOpened, events.ControlRefused, events.ControlClosed, events.SessionRefused,
	}
	const each = 1000 // more than the share of any kind
	for range each {
		l.session(testT2+1, k)
		l.packet(events.PacketReceived, testT2+1, k, 1<<32-1, pkt, baseSize(k.authenticated))
		l.packet(events.ResponseSent, testT2+1, k, 1<<32-1, pkt, baseSize(k.authenticated))
		l.takeAll()
		l.add(ended(session{key: k, packets: 1<<32 - 1}, time.Now(), "reflector stopped"))
		for _, kind := range negotiated {
			l.add(events.Record{
				Time: time.Now(), Kind: kind, Peer: address, Local: address, Reason: "too_many_connections_of_source",
				Mode: "authenticated+reflect-octets+symmetrical-size", KeyID: strings.Repeat("\x01", 80), SID: strings.Repeat("f", 32),
			})
		}
		l.add(events.Record{Time: time.Now(), Kind: events.PacketDropped, Peer: address, Reason: kernelBuffer.String(), Count: math.MaxUint64})
		l.add(events.Record{Time: time.Now(), Kind: events.ResultReceived, Peer: address, Local: address, Result: result})
	}
	l.flush(time.Now())
	largest := rec.logs[0]
	for _, kind := range []events.RecordKind{
		events.SessionOpened, events.PacketReceived, events.ResponseSent, events.SessionEnded, events.PacketDropped, events.ResultReceived,
		events.ControlOpened, events.ControlRefused, events.ControlClosed, events.SessionRefused,
	} {
		if n := count(largest.Records, kind); n != share(kind) {
			t.Errorf("%d records %v, want %d", n, kind, share(kind))
		}
	}
	if total := uint64(len(largest.Records)) + largest.Omitted; total != 12*each {
		t.Errorf("%d records are accounted for, want %d", total, 12*each)
	}
	e, err := events.NewSource("reflector", strings.Repeat("r", 63)).Encode(time.Now(), &largest.Log)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Body) > 1<<20 {
		t.Errorf("an event has %d octets, beyond max_payload's default of 1 MiB", len(e.Body))
	}
}

// An event without records has an empty list, not null.
func TestOnlyOmitted(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	cfg := rec.config()
	l := newTestLog(cfg.Line, cfg.Publish)
	l.flush(time.Now())
	if len(rec.logs) != 0 {
		t.Errorf("nothing happened, and %+v is sent", rec.logs)
	}
	l.skipped()
	l.flush(time.Now())
	e, err := events.NewSource("reflector", "r").Encode(time.Now(), &rec.logs[0].Log)
	if err != nil || !strings.Contains(string(e.Body), `"data":{"service":"reflector","records":[],"omitted":2}`) {
		t.Errorf("the event is %s (%v)", e.Body, err)
	}
}
