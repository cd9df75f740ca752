package reflector

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

// Drops show in the test log once a second, by reason, each counted once.
func TestDropRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		s := g.sender(client)
		junk := []byte("junk")
		var want []string
		for _, n := range []int{3, 0, 1} {
			for range n {
				s.send(server, junk)
			}
			switch n {
			case 1:
				want = append(want, "Dropped 1 packet from [2001:db8::1]: too_short")
			case 3:
				want = append(want, "Dropped 3 packets from [2001:db8::1]: too_short")
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		s.send(server, junk)
		synctest.Wait()
		g.stop() // the last second's are told, too
		want = append(want, "Dropped 1 packet from [2001:db8::1]: too_short")
		if got := g.told(); !slices.Equal(got, want) {
			t.Errorf("the log says %q, want %q", got, want)
		}
		records, _ := g.sent()
		if r := records[0]; r.Kind != events.PacketDropped || r.Count != 3 || r.Reason != "too_short" || r.Peer.String() != client {
			t.Errorf("the record is %+v", r)
		}
	})
}

// What the kernel drops is told like the reflector's own drops.
func TestKernelDrops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &rig{recorder: &recorder{}, t: t}
		drops := &dropping{}
		g.r = assemble(g.config(), []conn{drops, drops})
		summarize := func() (got []events.Record) {
			g.r.summarize(time.Now(), func(r events.Record) { got = append(got, r) })
			return got
		}
		drops.n = 5
		if got := summarize(); len(got) != 1 || got[0].Count != 10 || got[0].Reason != "kernel_receive_buffer_full" {
			t.Errorf("told %+v", got)
		}
		if got := summarize(); len(got) != 0 {
			t.Errorf("told again %+v", got)
		}
		drops.n = 6
		if got := summarize(); len(got) != 1 || got[0].Count != 2 || got[0].Peer.IsValid() {
			t.Errorf("told %+v", got)
		}
	})
}

// dropping is a socket with a count of drops.
type dropping struct {
	sink
	n uint64
}

func (d *dropping) Drops() uint64 { return d.n }

func TestIdleSessionsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Logging = LogOff }).start()
		s, other := g.sender(client), g.sender("[2001:db8::9]:40000")
		s.send(server, request(0, 1), request(1, 1))
		other.send(server, request(0, 1))
		time.Sleep(idle / 2)
		other.send(server, request(0, 1))
		time.Sleep(idle/2 + 2*time.Second)
		g.stop()
		want := []string{
			"Session opened with [2001:db8::1]",
			"Session opened with [2001:db8::9]",
			"Session with [2001:db8::1] ended: idle (2 packets)",
			"Session with [2001:db8::9] ended: reflector stopped (2 packets)",
		}
		if got := g.told(); !slices.Equal(got, want) {
			t.Errorf("the log says %q, want %q", got, want)
		}
		records, _ := g.sent()
		if r := records[2]; r.Count != 2 || r.Reason != "idle" || r.Peer.String() != client || r.Local.String() != server || r.SSID != 1 {
			t.Errorf("the record is %+v", r)
		}
	})
}

// A full table is told to the operator with what to do: at once, and then once
// a minute.
func TestFullTableWarns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		g := newRig(t, server, func(c *Config) {
			c.SessionTable = 1
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
		}).start()
		s := g.sender(client)
		s.send(server, request(0, 1), request(0, 2), request(0, 3))
		time.Sleep(7 * time.Second) // the one session falls silent
		for range 100 {
			s.send(server, request(0, 2), request(0, 3))
			time.Sleep(time.Second)
		}
		g.stop()
		said := log.String()
		if n := strings.Count(said, "raise -session-table"); n != 2 {
			t.Errorf("%d warnings in 107 seconds, want 2:\n%s", n, said)
		}
		if !strings.Contains(said, "stateless_packets=2 displaced_sessions=0") || !strings.Contains(said, "displaced_sessions=1\n") {
			t.Errorf("the warnings do not count:\n%s", said)
		}
	})
}

// running is a reflector on real sockets.
type running struct {
	*recorder
	r     *Reflector
	ready chan error // as often as it is set
	stop  func()
}

func run(t *testing.T, change func(*Config)) *running {
	t.Helper()
	u := &running{recorder: &recorder{}, ready: make(chan error, 100)}
	cfg := u.config()
	cfg.Listen, cfg.Named = []netip.AddrPort{netip.MustParseAddrPort("[::1]:0"), netip.MustParseAddrPort("127.0.0.1:0")}, true
	ready := cfg.Ready
	cfg.Ready = func(name string, err error) {
		ready(name, err)
		u.ready <- err
	}
	if change != nil {
		change(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	u.r = r
	for range r.Addresses() {
		if err := <-u.ready; err == nil {
			t.Error("ready before it has answered anything")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	u.stop = func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			ended <- nil
		case <-time.After(10 * time.Second):
			t.Fatal("Run does not end")
		}
	}
	t.Cleanup(u.stop)
	return u
}

// exchange sends a request over a socket of its own and waits for the reply.
func exchange(t *testing.T, to netip.AddrPort, payload []byte) udp.Message {
	t.Helper()
	c, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(to.Addr(), 0)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	timeout := time.AfterFunc(10*time.Second, func() { c.Close() })
	defer timeout.Stop()
	if _, err := c.Write([]udp.Message{{Buf: payload, N: len(payload), Peer: to, TOS: 46<<2 | 1}}); err != nil {
		t.Fatal(err)
	}
	ms := []udp.Message{{Buf: make([]byte, 2048)}}
	if _, _, err := c.Read(ms, nil); err != nil {
		t.Fatalf("no reply from %v: %v", to, err)
	}
	return ms[0]
}

func TestRealSockets(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2} {
		u := run(t, func(c *Config) { c.Workers = workers })
		if n := len(u.r.Addresses()); n != 2 {
			t.Fatalf("%d addresses with %d workers, want 2", n, workers)
		}
		for _, a := range u.r.Addresses() {
			before := time.Now().UnixNano()
			m := exchange(t, a, request(77, 5, make([]byte, 100)...))
			after := time.Now().UnixNano()
			p := decoded(t, m.Buf[:m.N])
			if m.N != 144 || p.SSID != 5 || p.SenderSequence != 77 || p.Sequence != 0 || m.Peer != a {
				t.Errorf("the reply from %v is %d octets: %+v", m.Peer, m.N, p)
			}
			if p.SenderTTL != 255 || m.TTL != 255 || m.TOS != 46<<2 {
				t.Errorf("TTL %d there and %d back, TOS %#x", p.SenderTTL, m.TTL, m.TOS)
			}
			t2, _ := p.ReceiveTimestamp.UnixNano(p.ErrorEstimate.Format())
			t3, _ := p.Timestamp.UnixNano(p.ErrorEstimate.Format())
			if t2 < before || t3 < t2 || t3 > after {
				t.Errorf("T2 and T3 are %d and %d ns after T1, the reply came after %d", t2-before, t3-before, after-before)
			}
		}
		u.stop()
		if told := u.told(); len(told) == 0 || !strings.HasPrefix(told[len(told)-1], "Session with") {
			t.Errorf("the log does not end with the end of the sessions: %q", told)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	u := run(t, nil)
	cfg := (&recorder{}).config()
	cfg.Named = true
	cfg.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), u.r.Addresses()[0]}
	_, err := New(cfg)
	if err == nil || !strings.Contains(err.Error(), "another process holds it") || !strings.Contains(err.Error(), u.r.Addresses()[0].String()) {
		t.Errorf("listening on a port in use: %v", err)
	}
}
