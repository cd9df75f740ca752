package prober

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// fleet is a prober of several targets that runs on, in a synctest bubble. Each
// address has a reflector, but for those of nobody.
type fleet struct {
	*testing.T
	*bench
	prober *Prober
	log    *syncBuffer
	ended  map[string][]string  // why sessions ended, by target and address
	when   map[string]time.Time // the last one ended
	done   chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newFleet makes one whose targets are set by the caller.
func newFleet(t *testing.T, b *bench) *fleet {
	f := &fleet{T: t, bench: b, log: new(syncBuffer), ended: make(map[string][]string), when: make(map[string]time.Time)}
	b.cfg.Continuous = true
	b.cfg.ResolveInterval = 30 * time.Second
	b.cfg.Log = slog.New(slog.NewTextHandler(f.log, nil))
	b.cfg.Report = func(e *events.RTT, ended string) {
		b.reports = append(b.reports, e)
		if ended != "" {
			key := fmt.Sprintf("%s %v", e.Target.Name, e.Target.Address.Addr())
			f.ended[key], f.when[key] = append(f.ended[key], ended), time.Now()
		}
	}
	return f
}

// begin runs the prober; stop ends it.
func (f *fleet) begin() (stop func()) {
	f.Helper()
	go f.reflector.serve()
	f.prober = New(f.cfg)
	ctx, cancel := context.WithCancel(f.Context())
	f.done = make(chan struct{})
	var err error
	go func() {
		defer close(f.done)
		f.outcome, err = f.prober.Run(ctx)
	}()
	return func() {
		cancel()
		<-f.done
		f.reflector.conn.Close()
		if err != nil {
			f.Error(err)
		}
	}
}

// target is one by address, with the bench's settings.
func (f *fleet) target(name, host string) Target {
	return Target{Name: name, Host: host, Port: 862, Test: f.test}
}

// reports of a target.
func (f *fleet) of(target string) (all []*events.RTT) {
	for _, e := range f.reports {
		if e.Target.Name == target {
			all = append(all, e)
		}
	}
	return all
}

// A session whose target did not change misses no packet, however often and
// however badly the others change.
func TestReload(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		f := newFleet(t, b)
		b.test.Interval, b.test.Timeout, b.test.SSID = 7*ms, 500*ms, 0
		stays := f.target("stays", reflectorAddr.Addr().String())
		stays.Test.SSID = 1
		b.cfg.Targets = []Target{stays, f.target("b", "2001:db8::b")}
		stop := f.begin()
		for i := range 100 {
			time.Sleep(53 * ms)
			list := []Target{stays}
			changing := f.target("b", "2001:db8::b")
			changing.Test.DSCP = stamp.DSCP(i % 64)
			switch i % 4 {
			case 0:
				list = append(list, changing)
			case 1:
				list = append(list, changing, f.target("c", "2001:db8::c"))
			case 2: // without b and c
			case 3: // cannot be built: nothing changes
				broken := f.target("broken", "2001:db8::d")
				broken.Test.Source = Source{netip.MustParseAddrPort("192.0.2.1:0")}
				list = append(list, broken, f.target("c", "2001:db8::c"))
			}
			f.prober.Reload(list)
		}
		time.Sleep(time.Second)
		stop()
		var numbers []uint32
		for _, r := range b.reflector.reflected {
			numbers = append(numbers, r.sender)
		}
		for i, n := range numbers {
			if n != uint32(i) || b.reflector.reflected[i].sequence != n {
				t.Fatalf("packet %d has number %d", i, n)
			}
			if i > 0 && b.reflector.reflected[i].at.Sub(b.reflector.reflected[i-1].at) != 7*ms {
				t.Fatalf("packet %d came %v after the one before", i, b.reflector.reflected[i].at.Sub(b.reflector.reflected[i-1].at))
			}
		}
		if want := 6300 / 7; len(numbers) < want-1 || len(numbers) > want+1 {
			t.Errorf("%d packets, want %d", len(numbers), want)
		}
		if got := f.ended["stays 2001:db8::1"]; !slices.Equal(got, []string{whySignal}) {
			t.Errorf("the session that stays ended %q", got)
		}
		refused, taken := f.prober.counters.refused.Load(), f.prober.counters.reloaded.Load()
		if refused != 25 || taken != 75 || strings.Count(f.log.String(), "targets refused, the test goes on as before") != 25 {
			t.Errorf("%d lists refused, %d taken over", refused, taken)
		}
		if got := f.ended["c 2001:db8::c"]; len(got) != 25 || got[0] != whyRemoved {
			t.Errorf("c ended %q", got)
		}
		if n := len(f.of("broken")); n != 0 {
			t.Errorf("%d reports of a target that cannot be tested", n)
		}
	})
}

// What cannot be built leaves no socket behind, which nobody would close.
func TestNoSocketForWhatCannotBeBuilt(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		f := newFleet(t, b)
		b.test.SSID = 0
		listen, opened := b.cfg.Listen, 0
		b.cfg.Listen = func(c udp.Config) (conn, error) { opened++; return listen(c) }
		b.cfg.Targets = []Target{f.target("a", reflectorAddr.Addr().String())}
		stop := f.begin()
		keyless := f.target("b", "2001:db8::b")
		keyless.Test.Auth, keyless.Test.SourcePorts = Authenticated, Ports{50000, 50001}
		f.prober.Reload([]Target{b.cfg.Targets[0], keyless})
		time.Sleep(time.Second)
		stop()
		if refused := f.prober.counters.refused.Load(); refused != 1 || opened != 1 {
			t.Errorf("%d sockets for one session, %d lists refused", opened, refused)
		}
	})
}

// A target whose settings change has another session; what was on its way is
// reported as far as it came.
func TestChangedTarget(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		f := newFleet(t, b)
		b.test.SSID = 0
		b.cfg.Targets = []Target{f.target("a", reflectorAddr.Addr().String())}
		stop := f.begin()
		time.Sleep(time.Second + 50*ms)
		changed := b.cfg.Targets[0]
		changed.Test.Interval = 50 * ms
		f.prober.Reload([]Target{changed})
		time.Sleep(time.Second)
		stop()
		all := f.of("a")
		var sent, received uint64
		sessions := make(map[uint16]int64)
		for _, e := range all {
			sent, received = sent+e.Sent, received+e.Received
			sessions[e.Session.SSID] = e.Session.IntervalNs
		}
		if len(sessions) != 2 || sent != 11+20 && sent != 11+21 || received != sent || int(sent) != len(b.reflector.reflected) {
			t.Errorf("%d sent, %d received, the reflector had %d; sessions %v", sent, received, len(b.reflector.reflected), sessions)
		}
		if got := f.ended["a 2001:db8::1"]; !slices.Equal(got, []string{whyChanged, whySignal}) {
			t.Errorf("ended %q", got)
		}
		for _, e := range all {
			if e.LostBackward != nil && *e.LostBackward > 0 {
				t.Errorf("lost backward: %d", *e.LostBackward)
			}
		}
	})
}

// Each own port of a target is a session; together they are reported as well.
func TestPaths(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.SourcePorts = Ports{50000, 50001, 50002}
		b.reflector.stateful = false
		b.reflector.behave = func(_ int, a *answering) { a.silent = a.reply.SenderSequence == 3 }
		took := func(port uint16) time.Duration { return time.Duration(port-49999) * ms }
		b.back(func(p udptest.Packet) []udptest.Delivery {
			return []udptest.Delivery{{Delay: took(p.To.Port()), TTL: 250, TOS: p.TOS}}
		})
		b.run(t, 0)
		if len(b.reports) != 4 || b.outcome != (Outcome{Sessions: 3, Answered: 3}) {
			t.Fatalf("%d reports, %+v", len(b.reports), b.outcome)
		}
		var sum events.RTT
		for _, e := range b.reports[:3] {
			port := e.Session.Source.Port()
			if e.Session.Paths != nil || e.Sent != 10 || e.Received != 9 || e.RTT.MaxNs != int64(took(port)) {
				t.Errorf("port %d: %d sent, %d received, %+v", port, e.Sent, e.Received, e.RTT)
			}
			sum.Sent, sum.Lost = sum.Sent+e.Sent, sum.Lost+e.Lost
		}
		e := b.reports[3]
		if !slices.Equal(e.Session.Paths, b.test.SourcePorts) || e.Session.SSID != 0 || e.Session.Source.Port() != 0 {
			t.Errorf("the sum is of %+v", e.Session)
		}
		if e.Sent != sum.Sent || e.Lost != sum.Lost || e.RTT.N != 27 || e.RTT.MinNs != int64(ms) || e.RTT.P50Ns != int64(2*ms) || e.RTT.MaxNs != int64(3*ms) || e.RTT.MeanNs != int64(2*ms) {
			t.Errorf("the sum is %d sent, %d lost, %+v", e.Sent, e.Lost, e.RTT.Distribution)
		}
		if e.LossPeriods == nil || e.LossPeriods.Count != 3 || e.LossPeriods.Longest != 1 || e.RTT.IPDV.N != 3*7 || e.RTT.IPDV.MaxNs != 0 {
			t.Errorf("losses %+v, IPDV %+v", e.LossPeriods, e.RTT.IPDV)
		}
	})
}

// Paths of a continuous test are summed up interval by interval.
func TestPathsOverIntervals(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous = true
		b.test.SourcePorts = Ports{50000, 50001}
		b.test.Timeout = 300 * ms
		b.reflector.stateful = false
		b.run(t, 3500*ms)
		sums := make(map[uint64]uint64)
		parts := make(map[uint64]uint64)
		for _, e := range b.reports {
			if e.Session.Paths != nil {
				sums[e.Report.Index] += e.Sent
			} else {
				parts[e.Report.Index] += e.Sent
			}
		}
		if len(sums) != 4 || fmt.Sprint(sums) != fmt.Sprint(parts) {
			t.Errorf("sent by interval: %v in all, %v by path", sums, parts)
		}
	})
}

// A path that cannot be opened is left out of the sum, which says so. Opened
// later it is reported by itself: its intervals are others.
func TestPathThatCannotBeOpened(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		var dns resolver
		f := newFleet(t, b)
		b.test.SourcePorts = Ports{50000, 50001, 50002}
		b.test.Timeout, b.test.SSID = 300*ms, 0
		b.cfg.Resolve = dns.lookUp
		dns.set("n.example", reflectorAddr.Addr().String())
		b.cfg.Targets = []Target{f.target("n", "n.example")}
		listen, tries := b.cfg.Listen, 0
		b.cfg.Listen = func(c udp.Config) (conn, error) {
			if c.Local.Port() == 50001 {
				if tries++; tries == 1 {
					return nil, udp.ErrInUse
				}
			}
			return listen(c)
		}
		stop := f.begin()
		time.Sleep(45 * time.Second)
		stop()
		sums, alone := 0, 0
		for _, e := range b.reports {
			switch {
			case e.Session.Paths != nil:
				sums++
				if !slices.Equal(e.Session.Paths, []uint16{50000, 50002}) {
					t.Fatalf("the sum is of %v", e.Session.Paths)
				}
			case e.Session.Source.Port() == 50001:
				alone++
			}
		}
		if sums < 45 || sums > 46 || alone < 14 || alone > 16 {
			t.Errorf("%d sums in 45 s, and %d reports of the path that was opened after 30 s", sums, alone)
		}
		if got := f.ended["n 2001:db8::1"]; len(got) != 4 {
			t.Errorf("three paths and their sum ended: %q", got)
		}
	})
}

// A path that ends early does not hold up the sums of the others, and the last
// sum says why the test ended, also where one path is an interval further.
func TestPathThatEnds(t *testing.T) {
	for _, runs := range []time.Duration{5 * time.Second, 5*time.Second + 50*ms} {
		bubble(t, func(t *testing.T, b *bench) {
			f := newFleet(t, b)
			b.test.SourcePorts = Ports{50000, 50001, 50002}
			b.test.Timeout, b.test.SSID, b.test.ZeroSSID = 300*ms, 1, StopOnZeroSSID
			b.cfg.Targets = []Target{f.target("n", reflectorAddr.Addr().String())}
			b.reflector.behave = func(_ int, a *answering) {
				if a.reply.SSID == 2 && a.reply.SenderSequence == 25 {
					a.reply.SSID = 0
				}
			}
			stop := f.begin()
			time.Sleep(runs)
			stop()
			sums, parts := make(map[uint64]uint64), make(map[uint64]uint64)
			for _, e := range b.reports {
				if e.Session.Paths != nil {
					sums[e.Report.Index] += e.Sent
				} else {
					parts[e.Report.Index] += e.Sent
				}
			}
			if len(sums) < 5 || fmt.Sprint(sums) != fmt.Sprint(parts) {
				t.Errorf("sent by interval: %v in all, %v by path", sums, parts)
			}
			if got := f.ended["n 2001:db8::1"]; len(got) != 4 || got[0] != whyNoSSID || got[3] != whySignal {
				t.Errorf("after %v: three paths and their sum ended: %q", runs, got)
			}
		})
	}
}

// Many tests of one address share few sockets, and each reply finds its
// session.
//
// RFC 8972 3-6, 3-8
func TestManySessionsToOneAddress(t *testing.T) {
	for _, knowsSSID := range []bool{true, false} {
		bubble(t, func(t *testing.T, b *bench) {
			const sessions = 100
			b.test.SSID = 0
			first := b.cfg.Targets[0]
			b.cfg.Targets = nil
			for i := range sessions {
				first.Name = fmt.Sprint("t", i)
				b.cfg.Targets = append(b.cfg.Targets, first)
			}
			b.forward(udptest.Lose(5))
			b.reflector.behave = func(_ int, a *answering) {
				if !knowsSSID {
					a.reply.SSID = 0
				}
			}
			b.run(t, 0)
			from := make(map[netip.AddrPort]map[uint16]bool)
			for _, r := range b.reflector.reflected {
				if from[r.from] == nil {
					from[r.from] = make(map[uint16]bool)
				}
				from[r.from][r.ssid] = true
			}
			ids := 0
			for _, x := range from {
				ids += len(x)
			}
			if len(from) != ownSockets || ids != sessions {
				t.Errorf("%d sockets, %d identities on them", len(from), ids)
			}
			told := 0
			for _, e := range b.reports {
				if e.Sent != 10 || e.Unexpected != 0 || e.Received < 9 {
					t.Errorf("%s: %d sent, %d received, %d unexpected", e.Target.Name, e.Sent, e.Received, e.Unexpected)
				}
				if e.LostForward != nil {
					told++
				}
			}
			if !knowsSSID && told != 0 {
				t.Errorf("%d sessions tell the direction of losses by numbers that are of all of them", told)
			}
		})
	}
}

// Without an SSID nothing but the port tells sessions apart.
//
// RFC 8762 4.6-2
func TestLightSessionsToOneAddress(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.Mode = ModeLight
		second := b.cfg.Targets[0]
		for i := range 11 {
			second.Name = fmt.Sprint("t", i)
			b.cfg.Targets = append(b.cfg.Targets, second)
		}
		b.run(t, 0)
		from := make(map[netip.AddrPort]bool)
		for _, r := range b.reflector.reflected {
			from[r.from] = true
		}
		if len(from) != 12 || b.outcome.Answered != 12 {
			t.Errorf("%d sockets, %+v", len(from), b.outcome)
		}
	})
	bubble(t, func(t *testing.T, b *bench) {
		f := newFleet(t, b)
		b.cfg.Continuous = false
		b.test.Mode, b.test.Source = ModeLight, Source{netip.MustParseAddrPort("[::]:862")}
		second := b.cfg.Targets[0]
		second.Name = "second"
		b.cfg.Targets = append(b.cfg.Targets, second)
		b.run(t, 0)
		if b.outcome.Sessions != 1 || !strings.Contains(f.log.String(), "give each another source port") {
			t.Errorf("%+v, log %s", b.outcome, f.log)
		}
	})
}

// An ICMP error is counted where its packet was sent, also if many sessions
// share the address.
func TestICMPErrorsOfManySessions(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.SSID = 0
		b.cfg.Targets[0].Port = 863
		first := b.cfg.Targets[0]
		for i := range 19 {
			first.Name = fmt.Sprint("t", i)
			b.cfg.Targets = append(b.cfg.Targets, first)
		}
		b.run(t, 0)
		for _, e := range b.reports {
			if len(e.ICMP) != 1 || e.ICMP[0].Count != 10 {
				t.Errorf("%s: ICMP %+v", e.Target.Name, e.ICMP)
			}
		}
	})
}

// A socket that is not needed any more is closed, and its port free.
func TestSocketsAreClosed(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		f := newFleet(t, b)
		b.test.Source = Source{netip.MustParseAddrPort("[::]:5000")}
		b.cfg.Targets = []Target{f.target("a", reflectorAddr.Addr().String())}
		stop := f.begin()
		time.Sleep(time.Second)
		other := f.target("a", reflectorAddr.Addr().String())
		other.Test.Source = Source{netip.MustParseAddrPort("[::]:5001")}
		f.prober.Reload([]Target{other})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		c, err := b.network.Listen(udp.Config{Local: netip.MustParseAddrPort("[::]:5000")})
		if err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
		stop()
	})
}
