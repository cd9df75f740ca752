package udptest

import (
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/udp"
)

const ms = time.Millisecond

var (
	here  = netip.MustParseAddr("2001:db8::1")
	there = netip.MustParseAddr("2001:db8::2")
)

// pair is two sockets with a path from a to b, and the start of the bubble's time.
type pair struct {
	*testing.T
	net   *Network
	a, b  *Conn
	start time.Time
}

func newPair(t *testing.T, path Path) *pair {
	p := &pair{T: t, net: New(), start: time.Now()}
	p.net.SetPath(here, there, path)
	p.a = p.listen(udp.Config{Local: netip.AddrPortFrom(here, 0), TxTimestamps: true, Errors: true})
	p.b = p.listen(udp.Config{Local: netip.AddrPortFrom(there, 862)})
	return p
}

func (p *pair) listen(cfg udp.Config) *Conn {
	p.Helper()
	c, err := p.net.Listen(cfg)
	if err != nil {
		p.Fatal(err)
	}
	return c
}

func (p *pair) send(payloads ...string) {
	p.Helper()
	for _, s := range payloads {
		if _, err := p.a.Write([]udp.Message{message(p.b.local, s)}); err != nil {
			p.Fatal(err)
		}
	}
}

// read reads count datagrams and says when each arrived, since the start.
func (p *pair) read(count int) (payloads []string, at []time.Duration) {
	p.Helper()
	for range count {
		in := []udp.Message{{Buf: make([]byte, 100)}}
		if _, _, err := p.b.Read(in, nil); err != nil {
			p.Fatal(err)
		}
		if stamp, now := in[0].Time, time.Now().UnixNano(); stamp > now {
			p.Fatalf("read at %d what arrives at %d", now, stamp)
		}
		payloads = append(payloads, string(in[0].Buf[:in[0].N]))
		at = append(at, time.Duration(in[0].Time-p.start.UnixNano()))
	}
	return payloads, at
}

func (p *pair) expect(count int, payloads []string, at []time.Duration) {
	p.Helper()
	gotPayloads, gotAt := p.read(count)
	if !slices.Equal(gotPayloads, payloads) || !slices.Equal(gotAt, at) {
		p.Errorf("got %q at %v, want %q at %v", gotPayloads, gotAt, payloads, at)
	}
}

func message(to netip.AddrPort, payload string) udp.Message {
	return udp.Message{Buf: []byte(payload), N: len(payload), Peer: to}
}

func TestPaths(t *testing.T) {
	for _, test := range []struct {
		name     string
		path     Path
		payloads []string
		at       []time.Duration
	}{
		{"instant", Instant, []string{"0", "1", "2", "3"}, []time.Duration{0, 0, 0, 0}},
		{"delay", Delay(5 * ms), []string{"0", "1", "2", "3"}, []time.Duration{5 * ms, 5 * ms, 5 * ms, 5 * ms}},
		{"loss", LoseEvery(2), []string{"0", "2"}, []time.Duration{0, 0}},
		{"chosen loss", Lose(0, 3), []string{"1", "2"}, []time.Duration{0, 0}},
		{"duplicate", On(Duplicate(ms), 3), []string{"0", "1", "2", "3", "3"}, []time.Duration{0, 0, 0, 0, ms}},
		{"reorder", On(Delay(3*ms), 1), []string{"0", "2", "3", "1"}, []time.Duration{0, 0, 0, 3 * ms}},
		{
			"all", Delay(ms).Then(Lose(1)).Then(On(Delay(2*ms), 2)).Then(On(Duplicate(4*ms), 0)),
			[]string{"0", "3", "2", "0"},
			[]time.Duration{ms, ms, 3 * ms, 5 * ms},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, test.path)
				p.send("0", "1", "2", "3")
				p.expect(len(test.payloads), test.payloads, test.at)
				time.Sleep(time.Second)
				p.send("end") // nothing else had come
				if got, _ := p.read(1); got[0] != "end" {
					t.Errorf("also got %q", got)
				}
			})
		})
	}
}

// A reader that waits is woken at the very time, also for what was sent later
// and arrives earlier.
func TestReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, On(Delay(10*ms), 0))
		go func() {
			p.send("slow")
			time.Sleep(2 * ms)
			p.send("fast")
		}()
		p.expect(1, []string{"fast"}, []time.Duration{2 * ms})
		if since := time.Since(p.start); since != 2*ms {
			t.Errorf("read after %v", since)
		}
		p.expect(1, []string{"slow"}, []time.Duration{10 * ms})
	})
}

func TestWhatADatagramCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Hops(3))
		out := []udp.Message{message(p.b.local, "12345")}
		out[0].TOS = 0xb8
		if n, err := p.a.Write(out); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		in := []udp.Message{{Buf: make([]byte, 4)}}
		if _, _, err := p.b.Read(in, nil); err != nil {
			t.Fatal(err)
		}
		m := in[0]
		if m.TTL != 252 || m.TOS != 0xb8 || m.Peer != p.a.local || m.Local != there || !m.Kernel || !m.Truncated || m.N != 4 {
			t.Errorf("%+v", m)
		}
		p.net.SetPath(here, there, Remark(0x28))
		p.send("x")
		if _, _, err := p.b.Read(in, nil); err != nil || in[0].TOS != 0x28 || in[0].TTL != 255 || in[0].Truncated {
			t.Errorf("%+v, %v", in[0], err)
		}
	})
}

func TestTransmitStamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Blackhole)
		time.Sleep(7 * ms)
		out := []udp.Message{message(p.b.local, "x"), message(p.b.local, "y")}
		if _, err := p.a.Write(out); err != nil {
			t.Fatal(err)
		}
		evs := make([]udp.Event, 4)
		n, e, err := p.a.Read(nil, evs)
		if n != 0 || e != 2 || err != nil {
			t.Fatal(n, e, err)
		}
		for i, ev := range evs[:e] {
			if ev.Kind != udp.TxStamp || ev.TxID != out[i].TxID || ev.Time != p.start.Add(7*ms).UnixNano() {
				t.Errorf("%+v, want id %d", ev, out[i].TxID)
			}
		}
	})
}

func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Delay(4*ms))
		p.b.Close()
		p.send("x")
		evs := make([]udp.Event, 4)
		if _, e, _ := p.a.Read(nil, evs); e != 1 || evs[0].Kind != udp.TxStamp {
			t.Fatalf("%+v", evs[:e])
		}
		if _, e, _ := p.a.Read(nil, evs); e != 1 {
			t.Fatalf("%d events", e)
		}
		ev := evs[0]
		if ev.Kind != udp.ICMPError || ev.Peer != p.b.local || ev.From != there || ev.Text() != "port unreachable" {
			t.Errorf("%+v", ev)
		}
		if since := time.Since(p.start); since != 4*ms {
			t.Errorf("after %v", since)
		}
	})
}

func TestFailWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Instant)
		p.a.FailWrites(nil, syscall.EPERM)
		out := []udp.Message{message(p.b.local, "0"), message(p.b.local, "1"), message(p.b.local, "2")}
		if n, err := p.a.Write(out); n != 1 || err != syscall.EPERM {
			t.Fatal(n, err)
		}
		if n, err := p.a.Write(out[2:]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		p.expect(2, []string{"0", "2"}, []time.Duration{0, 0})
		if _, err := p.a.Write([]udp.Message{message(netip.MustParseAddrPort("192.0.2.1:1"), "")}); err != udp.ErrPeer {
			t.Error(err)
		}
		if _, err := p.a.Write([]udp.Message{message(p.b.local, string(make([]byte, 70000)))}); err != syscall.EMSGSIZE {
			t.Error(err)
		}
	})
}

func TestFullBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Delay(ms))
		p.b = p.listen(udp.Config{Local: netip.AddrPortFrom(there, 0), ReadBuffer: 10})
		p.send("12345", "67890", "x", "y")
		if p.b.Drops() != 0 {
			t.Error("dropped before arrival")
		}
		time.Sleep(2 * ms)
		if p.b.Drops() != 2 {
			t.Errorf("%d dropped, want 2", p.b.Drops())
		}
		p.expect(2, []string{"12345", "67890"}, []time.Duration{ms, ms})
		p.send("x")
		p.expect(1, []string{"x"}, []time.Duration{3 * ms})
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Instant)
		done := make(chan error)
		go func() {
			_, _, err := p.a.Read(make([]udp.Message, 1), nil)
			done <- err
		}()
		synctest.Wait()
		if p.a.Close() != nil || p.a.Close() != net.ErrClosed {
			t.Error("Close")
		}
		if err := <-done; err != net.ErrClosed {
			t.Errorf("Read: %v", err)
		}
		if _, err := p.a.Write([]udp.Message{message(p.b.local, "x")}); err != net.ErrClosed {
			t.Errorf("Write: %v", err)
		}
		p.listen(udp.Config{Local: p.a.local}) // the port is free again
	})
}
