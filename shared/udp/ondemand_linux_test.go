package udp

import (
	"net/netip"
	"testing"
	"time"
)

// onDemand is what a sender opens that wants to know of some.
var onDemand = Config{TxTimestamps: true, TxOnDemand: true, Errors: true}

// noMoreEvents checks that nothing is left to read.
func noMoreEvents(t *testing.T, c *Conn) {
	t.Helper()
	evs := make([]Event, 4)
	if _, e, err := c.ReadUntil(nil, evs, time.Unix(1, 0)); e != 0 || err != nil {
		t.Fatalf("also %+v, %v", evs[:e], err)
	}
}

// Stamps come for the datagrams that ask, in any mixture, and for no others.
func TestStampsOnDemand(t *testing.T) {
	eachIDMethod(t, onDemand, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b := listen(t, Config{Local: at(loopback)})
		for name, wanted := range map[string]func(i int) bool{
			"none":      func(int) bool { return false },
			"all":       func(int) bool { return true },
			"first":     func(i int) bool { return i == 0 },
			"last":      func(i int) bool { return i == 99 },
			"each 7th":  func(i int) bool { return i%7 == 6 },
			"all but 3": func(i int) bool { return i%33 != 5 },
		} {
			ms := make([]Message, 100) // more than one system call takes
			var want []uint32
			from := time.Now().UnixNano()
			for i := range ms {
				ms[i] = message(b.LocalAddr(), "x")
				ms[i].WantTx, ms[i].TxID = wanted(i), 77
			}
			write(t, a, ms...)
			for i, m := range ms {
				if (m.TxID != 0) != wanted(i) {
					t.Errorf("%s: datagram %d has id %d", name, i, m.TxID)
				}
				if m.WantTx {
					want = append(want, m.TxID)
				}
			}
			got := readMessages(t, b, len(ms))
			for i, e := range readEvents(t, a, len(want)) {
				if e.Kind != TxStamp || e.TxID != want[i] || e.Time < from || e.Time > got[len(got)-1].Time {
					t.Errorf("%s: event %d is %+v, want the stamp of %d", name, i, e, want[i])
				}
			}
			noMoreEvents(t, a)
		}
	})
}

// A failure takes the stamp of no datagram that goes alone, and moves none to
// another.
func TestFailuresWithStampsOnDemand(t *testing.T) {
	eachIDMethod(t, onDemand, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b, l := listen(t, Config{Local: at(loopback)}), newLedger()
		bad := badMessages(loopback, b.LocalAddr())
		evs := make([]Event, 64)
		for i := range 200 {
			id := l.send(t, a, b)
			m := []Message{message(b.LocalAddr(), "not asked for"), bad[i%len(bad)], message(b.LocalAddr(), "behind")}
			m[1].WantTx, m[2].WantTx = i%3 == 0, i%5 == 0
			if n, err := a.Write(m); n != 1 || err == nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
			readMessages(t, b, 1)
			if i%4 != 0 {
				continue // with stamps still unread
			}
			_, e, err := a.ReadUntil(nil, evs, time.Unix(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			l.check(t, evs[:e])
			if a.ids.explicit && !l.stamped[id] {
				t.Fatalf("no stamp of %d", id)
			}
		}
		if len(l.stamped) < 40 {
			t.Errorf("only %d of 200 datagrams got their stamp", len(l.stamped))
		}
	})
}

// Counting: what has no stamp fails without an effect on what has.
func TestFailureOfWhatIsNotCounted(t *testing.T) {
	eachIDMethod(t, onDemand, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b := listen(t, Config{Local: at(loopback)})
		for _, bad := range badMessages(loopback, b.LocalAddr()) {
			good := []Message{message(b.LocalAddr(), "x")}
			good[0].WantTx = true
			write(t, a, good...) // its stamp unread, a new generation could not begin
			if n, err := a.Write([]Message{bad}); n != 0 || err == nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
			again := []Message{message(b.LocalAddr(), "x")}
			again[0].WantTx = true
			write(t, a, again...)
			var ids []uint32
			for len(ids) < 2 {
				if e := readEvents(t, a, 1)[0]; e.Kind == TxStamp {
					ids = append(ids, e.TxID)
				}
			}
			if ids[0] != good[0].TxID || ids[1] != again[0].TxID {
				t.Errorf("stamps of %v, want %d and %d", ids, good[0].TxID, again[0].TxID)
			}
		}
	})
}
