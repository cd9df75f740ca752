package udp

import (
	"net/netip"
	"testing"
	"time"
)

// An error queue that nobody reads overflows: stamps are lost, and none of the
// others is given to another datagram, then or later.
func TestErrorQueueOverflows(t *testing.T) {
	cfg := allStamps
	cfg.ReadBuffer = 1 // the error queue takes from it
	eachIDMethod(t, cfg, func(t *testing.T, loopback netip.Addr, a *Conn) {
		b, l := listen(t, Config{Local: at(loopback)}), newLedger()
		evs := make([]Event, 64)
		read := func() {
			t.Helper()
			for {
				_, e, err := a.ReadUntil(nil, evs, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if e == 0 {
					return
				}
				l.check(t, evs[:e])
			}
		}
		const unread = 500
		for range unread {
			l.send(t, a, b)
		}
		read()
		if n := len(l.stamped); n == 0 || n == unread {
			t.Fatalf("%d of %d stamps came: no overflow", n, unread)
		}
		before := len(l.stamped)
		for range 100 {
			l.send(t, a, b)
			read()
		}
		if n := len(l.stamped) - before; n != 100 {
			t.Errorf("%d of 100 stamps came once the queue was read again", n)
		}
	})
}
