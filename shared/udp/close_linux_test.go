package udp

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// descriptors are the open ones of this process.
func descriptors(t *testing.T) []string {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range all {
		if to, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && !strings.HasPrefix(to, "/proc/") {
			names = append(names, d.Name()+" "+to)
		}
	}
	return names
}

func TestNotInTheRuntimesPoller(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4), TxTimestamps: true})
	r, w, err := os.Pipe() // which is in it
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	polled := func(fd int) (yes bool) {
		for _, d := range descriptors(t) {
			if name, ok := strings.CutSuffix(d, " anon_inode:[eventpoll]"); ok {
				info, _ := os.ReadFile("/proc/self/fdinfo/" + name)
				yes = yes || slices.ContainsFunc(strings.Split(string(info), "\n"), func(line string) bool {
					return strings.HasPrefix(strings.Join(strings.Fields(line), " "), fmt.Sprintf("tfd: %d ", fd))
				})
			}
		}
		return yes
	}
	var pipe int
	raw, _ := r.SyscallConn()
	_ = raw.Control(func(fd uintptr) { pipe = int(fd) })
	if !polled(pipe) || polled(c.fd) {
		t.Errorf("polled: the pipe %t, the socket %t", polled(pipe), polled(c.fd))
	}
}

// Close ends what is under way, in whatever order, and leaves nothing open.
func TestCloseAtAnyTime(t *testing.T) {
	before := descriptors(t)
	for round := range 60 {
		c, err := open(Config{Local: at(loopback4), TxTimestamps: true, Errors: true})
		if err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		began := make(chan struct{}, 5)
		use := func(name string, f func() error) {
			users.Go(func() {
				began <- struct{}{}
				for {
					if err := f(); err != nil {
						if err != net.ErrClosed {
							t.Errorf("%s: %v, want net.ErrClosed", name, err)
						}
						return
					}
				}
			})
		}
		ms, evs := room()
		use("Read", func() error { _, _, err := c.Read(ms, evs); return err })
		for range 2 {
			use("Write", func() error {
				_, err := c.Write([]Message{message(c.LocalAddr(), "x")})
				return err
			})
		}
		use("Drops", func() error {
			c.Drops()
			c.Wake()
			if c.closed.Load() {
				return net.ErrClosed
			}
			return nil
		})
		var closers sync.WaitGroup
		errs := make(chan error, 2)
		for range cap(began) - 1 - round%4 {
			<-began
		}
		for range cap(errs) {
			closers.Go(func() { errs <- c.Close() })
		}
		closers.Wait()
		if a, b := <-errs, <-errs; (a == nil) == (b == nil) {
			t.Errorf("Close: %v and %v", a, b)
		}
		users.Wait()
	}
	if after := descriptors(t); len(after) > len(before)+2 { // the runtime may open some for itself
		t.Errorf("descriptors: %q, before %q", after, before)
	}
}

func TestCloseEndsAReadThatWaits(t *testing.T) {
	c := listen(t, Config{Local: at(loopback4), TxTimestamps: true})
	done := make(chan error)
	go func() {
		ms, evs := room()
		_, _, err := c.Read(ms, evs)
		done <- err
	}()
	time.Sleep(10 * time.Millisecond) // so that the read is most likely under way
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != net.ErrClosed {
		t.Errorf("Read: %v, want net.ErrClosed", err)
	}
	if _, err := c.Write([]Message{message(c.LocalAddr(), "x")}); err != net.ErrClosed {
		t.Errorf("Write: %v, want net.ErrClosed", err)
	}
	if err := c.Close(); err != net.ErrClosed {
		t.Errorf("Close again: %v, want net.ErrClosed", err)
	}
	listen(t, Config{Local: c.LocalAddr()}) // the port is free
}

// A Listen that fails leaves nothing open.
func TestFailedListenClosesAll(t *testing.T) {
	taken := listen(t, Config{Local: at(loopback4)})
	before := descriptors(t)
	for range 20 {
		if _, err := Listen(Config{Local: taken.LocalAddr()}); err == nil {
			t.Fatal("no error")
		}
	}
	if after := descriptors(t); len(after) > len(before) {
		t.Errorf("descriptors: %q, before %q", after, before)
	}
}
