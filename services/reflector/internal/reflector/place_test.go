package reflector

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/udp"
)

// on is a session of a sender's port at one of the reflector's.
func on(sender, receiver uint16) control.Terms {
	t := terms()
	t.Sender = netip.AddrPortFrom(t.Sender.Addr(), sender)
	t.Receiver = netip.AddrPortFrom(t.Receiver.Addr(), receiver)
	return t
}

// The port that is asked for is granted where it can be, else one of the range.
func TestPorts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil)
		taken, err := g.net.Listen(udp.Config{Local: netip.MustParseAddrPort("[2001:db8::2]:6000")})
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		for i, tt := range []struct{ asked, want uint16 }{
			{5000, 5000},
			{65535, 65535},
			{1024, 1024},
			{862, 862},
			{6000, 18760}, // in use by another process
			{1023, 18761}, // not for us to take
			{18762, 18762},
		} {
			if got := g.open(on(uint16(50000+i), tt.asked)).Port(); got != tt.want {
				t.Errorf("asked for %d it grants %d, want %d", tt.asked, got, tt.want)
			}
		}
		// All of the range is open, and can be shared by another sender.
		if got := g.open(on(50100, 0)).Port(); got != 18762 {
			t.Errorf("for any port it grants %d", got)
		}
		g.r.sessions.close("")
		if n := len(g.r.sessions.sockets); n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}

// One sender's port can have each port once; when all of the range are in use no
// port is left, until a session has ended.
func TestNoPortIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil)
		var all []*negotiatedRig
		for range 3 {
			all = append(all, g.open(on(40000, 0)))
		}
		if _, err := g.r.Open(on(40000, 862), func() {}); err != nil {
			t.Errorf("a session on the reflector's own port: %v", err)
		}
		if _, err := g.r.Open(on(40000, 862), func() {}); !errors.Is(err, control.ErrNoPort) {
			t.Errorf("a session too many: %v", err)
		}
		all[1].Stop()
		if got := g.open(on(40000, 862)).Port(); got != all[1].Port() {
			t.Errorf("the port is %d, want %d", got, all[1].Port())
		}
	})
}

// Two senders share the socket of a port, each with a sequence of its own; the
// buffers grow to the larger of what they negotiated, and the socket is there
// until the last of both has ended.
func TestSharedPort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		first := g.open(on(40000, 5000))
		synctest.Wait() // its buffers are made
		large := on(40001, 5000)
		large.Padding = 60000
		second := g.open(large)
		if len(g.r.sessions.sockets) != 1 || second.Port() != 5000 {
			t.Fatalf("%d sockets, port %d", len(g.r.sessions.sockets), second.Port())
		}
		first.Start(time.Time{})
		second.Start(time.Time{})
		one, other := g.sender(client), g.sender("[2001:db8::1]:40001")
		if m, p, ok := second.answered(other, 7); !ok || p.Sequence != 0 || m.N != 60014 {
			t.Errorf("the second session: %v, %d octets, %+v", ok, m.N, p)
		}
		for i := range uint32(3) {
			if _, p, ok := first.answered(one, i); !ok || p.Sequence != i {
				t.Errorf("the first session: %v, %+v", ok, p)
			}
		}
		first.Stop()
		time.Sleep(2*time.Second + time.Nanosecond)
		if _, _, ok := first.answered(one, 8); ok {
			t.Error("the first session is answered after its end")
		}
		if _, p, ok := second.answered(other, 8); !ok || p.Sequence != 1 {
			t.Errorf("the second session goes on as %v, %+v", ok, p)
		}
		if g.drops()[noSession] != 1 {
			t.Errorf("drops are %v", g.drops())
		}
		second.Stop()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		c, err := g.net.Listen(udp.Config{Local: netip.MustParseAddrPort("[2001:db8::2]:5000")})
		if err != nil {
			t.Fatalf("the port is not free: %v", err)
		}
		c.Close()
	})
}

// A session that takes the addresses of one that is just ending keeps them.
func TestAddressesTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		before := g.open(terms()).Session.(*negotiated)
		before.mu.Lock()
		before.over = true
		before.mu.Unlock()
		s := g.open(terms())
		g.r.sessions.remove(before)
		s.Start(time.Time{})
		if _, _, ok := s.answered(g.sender(client), 0); !ok || s.Port() != 5000 {
			t.Errorf("answered %v on port %d", ok, s.Port())
		}
	})
}

// Two sockets of one reflector never talk to each other, and none is opened for
// an address that is not this host's.
func TestSessionsThatCannotBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil)
		own := netip.MustParseAddr("2001:db8::2")
		tm := terms()
		tm.Receiver = netip.MustParseAddrPort("[2001:db8::3]:5000")
		if _, err := g.r.Open(tm, nil); !errors.Is(err, control.ErrAddress) {
			t.Errorf("another host's address: %v", err)
		}
		tm = terms()
		tm.Sender = netip.MustParseAddrPort(server)
		if _, err := g.r.Open(tm, nil); !errors.Is(err, control.ErrLoop) {
			t.Errorf("the reflector as the sender: %v", err)
		}
		tm.Sender = netip.AddrPortFrom(own, 5001)
		s := g.open(tm)
		tm.Sender, tm.Receiver = tm.Receiver, tm.Sender
		if _, err := g.r.Open(tm, nil); !errors.Is(err, control.ErrLoop) {
			t.Errorf("a session's port as the sender: %v", err)
		}
		s.Stop()
		g.open(tm)
		if live, opened := g.r.sessions.counts(); live != 1 || opened != 2 {
			t.Errorf("%d sessions of %d, want 1 of 2", live, opened)
		}
	})
}

// A socket that cannot be opened is an error of this host's, which another port
// would not mend.
func TestSocketFails(t *testing.T) {
	t.Parallel()
	g := newRig(t, server, nil)
	broken := errors.New("no memory")
	tries := 0
	g.r.listen = func(udp.Config) (conn, error) {
		tries++
		return nil, broken
	}
	if _, err := g.r.Open(terms(), nil); !errors.Is(err, broken) || tries != 1 {
		t.Errorf("after %d tries the error is %v", tries, err)
	}
}

func TestPortRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]PortRange{"1-65535": {1, 65535}, "18760-19960": {18760, 19960}, "5": {5, 5}} {
		var got PortRange
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s is %v (%v)", text, got, err)
		}
	}
	for _, text := range []string{"", "0-5", "6-5", "1-65536", "a-b", "1-2-3", "-5", "5-"} {
		var got PortRange
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// On a real host: a port that another socket has is not granted, and one that is
// granted is free again when its session has ended.
func TestRealPorts(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "::1"} {
		at := netip.MustParseAddr(host)
		taken, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(at, 0)})
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		cfg := (&recorder{}).config()
		cfg.TestPorts = PortRange{20000, 30000}
		r := assemble(cfg, nil)
		tm := terms()
		tm.Sender, tm.Receiver = netip.AddrPortFrom(at, 1), taken.LocalAddr()
		ended := make(chan struct{})
		s, err := r.Open(tm, func() { close(ended) })
		if err != nil {
			t.Fatal(err)
		}
		port := s.Port()
		if port == taken.LocalAddr().Port() || !cfg.TestPorts.has(port) {
			t.Errorf("port %d is granted where %v is taken", port, taken.LocalAddr())
		}
		s.Stop()
		<-ended
		again, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(at, port)})
		if err != nil {
			t.Fatalf("the port is not free: %v", err)
		}
		again.Close()
	}
}
