package udp

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// All that a Read can wait for ends its wait: datagrams, transmit stamps, ICMP
// errors, and the end.
func TestReadWaitsForEverything(t *testing.T) {
	a := listen(t, Config{Local: at(loopback4)})
	b := listen(t, Config{Local: at(loopback4), TxTimestamps: true, Errors: true})
	nobody := listen(t, Config{Local: at(loopback4)})
	gone := nobody.LocalAddr()
	nobody.Close()

	type got struct {
		datagrams, stamps, refusals int
		err                         error
	}
	results := make(chan got)
	go func() {
		ms, evs := []Message{{Buf: make([]byte, 64)}}, make([]Event, 4)
		for {
			n, e, err := b.Read(ms, evs)
			r := got{datagrams: n, err: err}
			for _, ev := range evs[:e] {
				switch ev.Kind {
				case TxStamp:
					r.stamps++
				case ICMPError:
					r.refusals++
				}
			}
			results <- r
			if err != nil {
				return
			}
		}
	}()
	var sum got
	until := func(what string, done func() bool) {
		t.Helper()
		deadline := time.After(patience)
		for !done() {
			select {
			case r := <-results:
				sum.datagrams += r.datagrams
				sum.stamps += r.stamps
				sum.refusals += r.refusals
				sum.err = r.err
			case <-deadline:
				t.Fatalf("no %s: %+v", what, sum)
			}
		}
	}
	write(t, a, message(b.LocalAddr(), "x"))
	until("datagram", func() bool { return sum.datagrams == 1 })
	write(t, b, message(gone, "x"))
	until("stamp and error", func() bool { return sum.stamps == 1 && sum.refusals == 1 })
	b.Close()
	until("end", func() bool { return errors.Is(sum.err, net.ErrClosed) })
}

func TestOwnThread(t *testing.T) {
	for _, realtime := range []bool{false, true} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			err := OwnThread(realtime)
			attr, e := unix.SchedGetAttr(0, 0)
			if e != nil {
				t.Error(e)
				return
			}
			if fifo := attr.Policy == unix.SCHED_FIFO; fifo != (realtime && err == nil) || !realtime && err != nil {
				t.Errorf("realtime %t: error %v, the thread's policy is %d", realtime, err, attr.Policy)
			}
			if slack, e := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); e != nil || slack > 1 {
				t.Errorf("realtime %t: timer slack %d ns, %v", realtime, slack, e)
			}
		}()
		<-done
	}
}
