package udp

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// allStamps is what a sender opens that wants to know all.
var allStamps = Config{TxTimestamps: true, Errors: true}

// eachIDMethod runs a test with ids that go with the datagrams (Linux 6.13)
// and with the kernel's own counting.
func eachIDMethod(t *testing.T, cfg Config, test func(t *testing.T, loopback netip.Addr, a *Conn)) {
	eachFamily(t, func(t *testing.T, loopback netip.Addr) {
		cfg.Local = at(loopback)
		t.Run("explicit", func(t *testing.T) {
			a := listen(t, cfg)
			if !a.ids.explicit {
				t.Skip("NOT RUN: this kernel is older than 6.13")
			}
			test(t, loopback, a)
		})
		t.Run("counting", func(t *testing.T) {
			a := listen(t, cfg)
			a.ids.explicit = false
			a.ids.next = 1000 // so that the kernel's ids and ours differ
			a.ids.base = 1000
			test(t, loopback, a)
		})
	})
}

// window is the time in which a datagram left: from just before its send to
// its arrival.
type window struct{ from, to int64 }

// ledger matches stamps with datagrams.
type ledger struct {
	windows map[uint32]window
	stamped map[uint32]bool
}

func newLedger() *ledger { return &ledger{map[uint32]window{}, map[uint32]bool{}} }

// send sends one datagram and reads it at the other end.
func (l *ledger) send(t *testing.T, a, b *Conn) uint32 {
	t.Helper()
	ms := []Message{message(b.LocalAddr(), "x")}
	ms[0].WantTx = true
	from := time.Now().UnixNano()
	if _, err := a.Write(ms); err != nil {
		t.Fatal(err)
	}
	got := readMessages(t, b, 1)[0]
	if _, ok := l.windows[ms[0].TxID]; ok {
		t.Fatalf("id %d came twice", ms[0].TxID)
	}
	l.windows[ms[0].TxID] = window{from, got.Time}
	return ms[0].TxID
}

// check takes the events that are stamps; each must fall into the window of
// its datagram, of which no two overlap.
func (l *ledger) check(t *testing.T, evs []Event) {
	t.Helper()
	for _, e := range evs {
		if e.Kind != TxStamp {
			continue
		}
		w, ok := l.windows[e.TxID]
		if !ok || l.stamped[e.TxID] || e.Time < w.from || e.Time > w.to {
			t.Fatalf("stamp %d of id %d: window %v, known %t, stamped before %t", e.Time, e.TxID, w, ok, l.stamped[e.TxID])
		}
		l.stamped[e.TxID] = true
	}
}

func TestEachTransmitStampIsOfItsDatagram(t *testing.T) {
	eachIDMethod(t, allStamps, func(t *testing.T, loopback netip.Addr, a *Conn) {
		const rounds, each = 50, 20
		b, l := listen(t, Config{Local: at(loopback)}), newLedger()
		for range rounds {
			for range each {
				l.send(t, a, b)
			}
			l.check(t, readEvents(t, a, each))
		}
		if len(l.stamped) != rounds*each {
			t.Errorf("%d stamps for %d datagrams", len(l.stamped), rounds*each)
		}
	})
}

// Batches, too, and the stamps come in the order of the datagrams.
func TestTransmitStampsOfABatch(t *testing.T) {
	eachIDMethod(t, allStamps, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b := listen(t, Config{Local: at(loopback)})
		ms := make([]Message, 100)
		for i := range ms {
			ms[i] = message(b.LocalAddr(), "x")
		}
		write(t, a, ms...)
		last := int64(0)
		for i, e := range readEvents(t, a, len(ms)) {
			if e.TxID != ms[i].TxID || e.Time < last {
				t.Fatalf("stamp %d has id %d and time %d, want %d, not before %d", i, e.TxID, e.Time, ms[i].TxID, last)
			}
			last = e.Time
		}
	})
}

// badMessages all fail to be sent, some before and some after the kernel has
// counted them.
func badMessages(loopback netip.Addr, good netip.AddrPort) []Message {
	long := message(good, string(make([]byte, 65536)))
	portless := message(netip.AddrPortFrom(loopback, 0), "x")
	foreign := message(good, "x")
	foreign.Local = netip.MustParseAddr("2001:db8::1")
	longer := message(good, string(make([]byte, 65530))) // fits 16 bits, not with headers
	if loopback.Is4() {
		foreign.Local = netip.MustParseAddr("198.51.100.1")
		longer = message(good, string(make([]byte, 65508)))
	}
	return []Message{long, longer, portless, foreign}
}

func TestFailedSendsShiftNoStamp(t *testing.T) {
	eachIDMethod(t, allStamps, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b, l := listen(t, Config{Local: at(loopback)}), newLedger()
		bad := badMessages(loopback, b.LocalAddr())
		for i := range 200 {
			l.send(t, a, b)
			if i%5 == 0 { // with stamps still unread
				n, err := a.Write(bad[i/5%len(bad):][:1])
				if n != 0 || !errors.As(err, new(syscall.Errno)) {
					t.Fatalf("bad message %d: %d, %v", i/5%len(bad), n, err)
				}
			}
			if i%3 == 0 {
				evs := make([]Event, 64)
				_, n, err := a.Read(nil, evs)
				if err != nil {
					t.Fatal(err)
				}
				l.check(t, evs[:n])
			}
		}
		stamped := len(l.stamped)
		// Once all are read, stamps come again.
		for again := false; !again; {
			id := l.send(t, a, b)
			evs := make([]Event, 64)
			_, n, err := a.Read(nil, evs)
			if err != nil {
				t.Fatal(err)
			}
			l.check(t, evs[:n])
			again = l.stamped[id]
		}
		if stamped < 50 {
			t.Errorf("only %d of 200 datagrams got their stamp", stamped)
		}
	})
}

// A batch goes on behind a failure, and stamps stay with their datagrams.
func TestFailureInABatch(t *testing.T) {
	eachIDMethod(t, allStamps, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b := listen(t, Config{Local: at(loopback)})
		bad := badMessages(loopback, b.LocalAddr())
		ms := []Message{message(b.LocalAddr(), "0"), message(b.LocalAddr(), "1"), bad[2], message(b.LocalAddr(), "3")}
		n, err := a.Write(ms)
		if n != 2 || err != syscall.EINVAL {
			t.Fatalf("Write: %d, %v; want 2, EINVAL", n, err)
		}
		write(t, a, ms[n+1:]...)
		for i, want := range []string{"0", "1", "3"} {
			if got := readMessages(t, b, 1)[0]; string(got.Buf[:got.N]) != want {
				t.Errorf("datagram %d is %q, want %q", i, got.Buf[:got.N], want)
			}
		}
		for i, e := range readEvents(t, a, 2) {
			if e.Kind != TxStamp || e.TxID != ms[i].TxID {
				t.Errorf("event %d: %+v, want the stamp of %d", i, e, ms[i].TxID)
			}
		}
	})
}

// While the stamps of an earlier generation are out, datagrams have none, and
// what comes is not taken for theirs.
func TestCountingWaitsForStampsThatAreOut(t *testing.T) {
	a := listen(t, Config{Local: at(loopback4), TxTimestamps: true})
	a.ids.explicit = false
	b := listen(t, Config{Local: at(loopback4)})
	bad := badMessages(loopback4, b.LocalAddr())[2]
	first := []Message{message(b.LocalAddr(), "x"), bad}
	if n, err := a.Write(first); n != 1 || err == nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	five := func() (ms []Message) {
		for range 5 {
			ms = append(ms, message(b.LocalAddr(), "x"))
		}
		write(t, a, ms...)
		return ms
	}
	five() // without stamps
	if e := readEvents(t, a, 1)[0]; e.TxID != first[0].TxID {
		t.Fatalf("stamp of %d, want %d", e.TxID, first[0].TxID)
	}
	from := time.Now().UnixNano()
	next := five()
	for i, e := range readEvents(t, a, 5) {
		if e.TxID != next[i].TxID || e.Time < from {
			t.Errorf("stamp %d of %d, want %d not before %d", e.Time, e.TxID, next[i].TxID, from)
		}
	}
}

// The reply is in ms only when the request's stamp is in evs, or was before.
func TestStampComesNotAfterTheReply(t *testing.T) {
	cfg := Config{Local: at(loopback4), TxTimestamps: true}
	a, b := listen(t, cfg), listen(t, Config{Local: at(loopback4)})
	go func() {
		ms := []Message{{Buf: make([]byte, 16)}}
		for {
			if _, _, err := b.Read(ms, nil); err != nil {
				return
			}
			_, _ = b.Write(ms)
		}
	}()
	stamps, ms, evs := map[uint32]bool{}, []Message{{Buf: make([]byte, 16)}}, make([]Event, 4)
	for range 500 {
		out := []Message{message(b.LocalAddr(), "x")}
		write(t, a, out...)
		for n := 0; n == 0; {
			var e int
			var err error
			if n, e, err = a.Read(ms, evs); err != nil {
				t.Fatal(err)
			}
			for _, ev := range evs[:e] {
				stamps[ev.TxID] = true
			}
		}
		if !stamps[out[0].TxID] {
			t.Fatalf("reply to %d is there without its stamp", out[0].TxID)
		}
	}
}

// A send buffer so small that it is full with each datagram.
func TestStampsWithAFullSendBuffer(t *testing.T) {
	a := listen(t, Config{Local: at(loopback4), TxTimestamps: true, WriteBuffer: 1})
	b := listen(t, Config{Local: at(loopback4)})
	ms, read := []Message{message(b.LocalAddr(), string(make([]byte, 1400)))}, make(chan Event)
	go func() {
		defer close(read)
		for evs := make([]Event, 1); ; {
			if _, _, err := a.Read(nil, evs); err != nil {
				return
			}
			read <- evs[0]
		}
	}()
	for range 2000 {
		write(t, a, ms...)
		if e, ok := <-read; !ok || e.TxID != ms[0].TxID {
			t.Fatalf("stamp %+v, want %d", e, ms[0].TxID)
		}
	}
	a.Close()
	if e, ok := <-read; ok {
		t.Errorf("%+v after all stamps", e)
	}
}
