package udptest

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/udp"
)

func TestListen(t *testing.T) {
	p := newPair(t, Instant)
	if _, err := p.net.Listen(udp.Config{Local: p.b.local}); !errors.Is(err, udp.ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	if _, err := p.net.Listen(udp.Config{}); err == nil {
		t.Error("no address: no error")
	}
	other := p.listen(udp.Config{Local: netip.AddrPortFrom(here, 0)})
	if other.LocalAddr() == p.a.LocalAddr() || other.LocalAddr().Port() < firstEphemeral {
		t.Errorf("ephemeral: %v, %v", p.a.LocalAddr(), other.LocalAddr())
	}
}

// A socket on all addresses gets what no other has, and answers from there.
func TestWildcard(t *testing.T) {
	p := newPair(t, Instant)
	all := p.listen(udp.Config{Local: netip.AddrPortFrom(netip.IPv6Unspecified(), 5000)})
	third := netip.MustParseAddr("2001:db8::3")
	if _, err := p.a.Write([]udp.Message{message(netip.AddrPortFrom(third, 5000), "x")}); err != nil {
		t.Fatal(err)
	}
	in := []udp.Message{{Buf: make([]byte, 10)}}
	if _, _, err := all.Read(in, nil); err != nil || in[0].Local != third {
		t.Fatalf("%+v, %v", in[0], err)
	}
	if _, err := all.Write(in); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.a.Read(in, nil); err != nil || in[0].Peer != netip.AddrPortFrom(third, 5000) {
		t.Errorf("reply from %v, %v", in[0].Peer, err)
	}
}

// The workers of a reflector share a port; a peer stays with one of them.
func TestReusePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Instant)
		cfg := udp.Config{Local: netip.AddrPortFrom(there, 5000), ReusePort: true}
		workers := []*Conn{p.listen(cfg), p.listen(cfg)}
		for _, from := range []*Conn{p.a, p.listen(udp.Config{Local: netip.AddrPortFrom(here, 0)})} {
			for range 3 {
				if _, err := from.Write([]udp.Message{message(cfg.Local, "x")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, w := range workers {
			in := make([]udp.Message, 10)
			if n, _, err := w.Read(in, nil); n != 3 || err != nil || in[0].Peer != in[2].Peer {
				t.Errorf("worker %d: %d, %v", i, n, err)
			}
		}
	})
}

func TestWithoutFeatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Instant)
		p.net.SetFeatures(udp.Features{})
		p.b = p.listen(udp.Config{Local: netip.AddrPortFrom(there, 0), TxTimestamps: true})
		if p.b.Features() != (udp.Features{}) {
			t.Errorf("%+v", p.b.Features())
		}
		p.send("x")
		time.Sleep(ms)
		in := []udp.Message{{Buf: make([]byte, 10)}}
		if _, _, err := p.b.Read(in, nil); err != nil {
			t.Fatal(err)
		}
		m := in[0]
		if m.Kernel || m.Time != p.start.Add(ms).UnixNano() || m.TTL != -1 || m.TOS != -1 || m.Local.IsValid() {
			t.Errorf("%+v", m)
		}
		m.Peer = p.a.LocalAddr()
		if _, err := p.b.Write([]udp.Message{m}); err != nil || m.TxID != 0 {
			t.Error(err, m.TxID)
		}
	})
}
