package udp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func room() ([]Message, []Event) {
	return []Message{{Buf: make([]byte, 64)}}, make([]Event, 4)
}

// late is how far from its instant a wait may end on a machine that is busy
// with something else.
const late = 100 * time.Millisecond

func TestReadUntilReturnsAtItsInstant(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4), TxTimestamps: true, Errors: true})
	ms, evs := room()
	for _, wait := range []time.Duration{-time.Hour, 0, 50 * time.Microsecond, 3 * time.Millisecond, 40 * time.Millisecond} {
		start := time.Now()
		n, e, err := c.ReadUntil(ms, evs, start.Add(wait))
		if took := time.Since(start); n+e != 0 || err != nil || took < wait || took > max(wait, 0)+late {
			t.Errorf("until %v: %d, %d, %v after %v", wait, n, e, err, took)
		}
	}
}

func TestReadUntilTakesWhatIsThere(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4), TxTimestamps: true})
	ms, evs := room()
	for _, until := range []time.Time{time.Unix(1, 0), time.Now().Add(time.Hour), {}} {
		write(t, c, message(c.LocalAddr(), "x"))
		if n, e, err := c.ReadUntil(ms, evs, until); n != 1 || e != 1 || err != nil {
			t.Errorf("until %v: %d, %d, %v", until, n, e, err)
		}
	}
	time.AfterFunc(5*time.Millisecond, func() { _, _ = c.Write([]Message{message(c.LocalAddr(), "x")}) })
	if n, e, err := c.ReadUntil(ms, evs, time.Now().Add(time.Hour)); n+e == 0 || err != nil {
		t.Errorf("what comes within the time: %d, %d, %v", n, e, err)
	}
}

func TestWake(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4)})
	ms, evs := room()
	nothing := func(what string) {
		t.Helper()
		if n, e, err := c.Read(ms, evs); n+e != 0 || err != nil {
			t.Errorf("%s: %d, %d, %v", what, n, e, err)
		}
	}
	c.Wake()
	c.Wake()
	nothing("before")
	start := time.Now() // two count as one
	if n, e, err := c.ReadUntil(ms, evs, start.Add(5*time.Millisecond)); n+e != 0 || err != nil || time.Since(start) < 5*time.Millisecond {
		t.Errorf("%d, %d, %v after %v", n, e, err, time.Since(start))
	}
	time.AfterFunc(5*time.Millisecond, c.Wake)
	nothing("during")
	// What is there comes first.
	c.Wake()
	write(t, c, message(c.LocalAddr(), "x"))
	readMessages(t, c, 1)
	nothing("after a datagram")
	c.Close()
	c.Wake()
}

// Nobody who wakes before a Read or during it is missed.
func TestEachWakeIsSeen(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4)})
	ms, evs := room()
	wake, seen := make(chan struct{}), make(chan struct{})
	go func() {
		for range wake {
			c.Wake()
			<-seen
		}
	}()
	for range 2000 {
		wake <- struct{}{}
		if n, e, err := c.Read(ms, evs); n+e != 0 || err != nil {
			t.Fatal(n, e, err)
		}
		seen <- struct{}{}
	}
	close(wake)
}

// A Read that takes no datagrams sleeps while some are there, and so does one
// whose error queue was emptied.
func TestReadOfEventsDoesNotSpin(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4), Errors: true, TxTimestamps: true})
	write(t, c, message(c.LocalAddr(), "x"), message(closedPort(t, loopback4), "x"))
	readEvents(t, c, 3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = OwnThread(false)
		used := func() time.Duration {
			var u unix.Rusage
			if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
				t.Error(err)
			}
			return time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		before := used()
		_, evs := room()
		if _, e, err := c.ReadUntil(nil, evs, time.Now().Add(100*time.Millisecond)); e != 0 || err != nil {
			t.Error(e, err)
		}
		if cost := used() - before; cost > 30*time.Millisecond {
			t.Errorf("100 ms of waiting cost %v", cost)
		}
	}()
	<-done
}

// A full send buffer cannot be had on loopback, but on a pair of local sockets.
func TestAwaitRoom(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	for err == nil {
		err = unix.Send(pair[0], make([]byte, 1000), 0)
	}
	w := writer{}
	if w.bell, err = newBell(); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(int(w.bell))
	drain := func() {
		for _, err := unix.Read(pair[1], make([]byte, 1000)); err == nil; {
			_, err = unix.Read(pair[1], make([]byte, 1000))
		}
	}
	for i, end := range []func(){w.bell.ring, drain} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.awaitRoom(pair[0])
		}()
		end()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatalf("%d: still waits", i)
		}
		w.bell.reset()
	}
}
