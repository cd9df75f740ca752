package udp

import (
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Read that waits in its own thread sees the same as one in the poller:
// datagrams, transmit stamps, ICMP errors, and the end.
func TestReadInItsOwnThread(t *testing.T) {
	a := listen(t, Config{Local: at(loopback4)})
	b := listen(t, Config{Local: at(loopback4), OwnThread: true, TxTimestamps: true, Errors: true})
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

func TestRealtimeThread(t *testing.T) {
	done := make(chan error)
	policy := uint32(0)
	go func() {
		err := RealtimeThread()
		if attr, e := unix.SchedGetAttr(0, 0); e == nil {
			policy = attr.Policy
		}
		done <- err
		runtime.Gosched()
	}()
	err := <-done
	if (err == nil) != (policy == unix.SCHED_FIFO) {
		t.Errorf("error %v, but the thread's policy is %d", err, policy)
	}
}
