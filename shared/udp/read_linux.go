package udp

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxPending bounds how many errors in a row are taken for those that ICMP
// messages left behind. Each is there once; so many are of another kind.
const maxPending = 1000

// reader is the state of Read: the call's arguments and results, here because
// a closure of each call would be an allocation.
type reader struct {
	data, errs batch
	ms         []Message
	evs        []Event
	n, e       int
	done       bool
	errno      syscall.Errno
	step       func(fd uintptr) bool // Conn.receive
	poll       func(fd uintptr)      // Conn.pollOnce
	fds        [1]unix.PollFd
}

// Read blocks until there is a datagram or an event, and returns how many of
// each it has put into ms and evs. The error is [net.ErrClosed] after Close.
//
// Datagrams are taken first and then the error queue, so that the transmit
// stamp of a packet is in evs not later than its reply is in ms, as long as
// evs has room: give it at least as much as ms. With evs nil events are
// thrown away. An event may come before the Write of its datagram returns.
// ICMP errors are events; they are never errors of Read.
func (c *Conn) Read(ms []Message, evs []Event) (n, e int, err error) {
	r := &c.rx
	r.ms, r.evs = ms[:min(len(ms), maxBatch)], evs
	r.n, r.e, r.done, r.errno = 0, 0, false, 0
	for !r.done {
		switch err := c.await(); {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return 0, 0, net.ErrClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, 0, err
		default:
			if err := c.readUnpolled(); err != nil {
				return 0, 0, err
			}
		}
	}
	if r.errno != 0 {
		return r.n, r.e, r.errno
	}
	return r.n, r.e, nil
}

// await takes what there is, and waits for something if there is nothing.
func (c *Conn) await() error {
	if !c.thread {
		return c.raw.Read(c.rx.step)
	}
	if c.closed.Load() {
		return net.ErrClosed
	}
	if c.raw.Control(c.rx.poll) != nil {
		return net.ErrClosed
	}
	return nil
}

// pollOnce is a step that waits in poll(2) where there is nothing to take.
func (c *Conn) pollOnce(fd uintptr) {
	if c.receive(fd) {
		return
	}
	c.rx.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} // POLLERR always counts
	_, _ = unix.Poll(c.rx.fds[:], -1)                             // interrupted: the caller comes again
}

// readUnpolled stands in while the runtime's poller refuses the socket. It
// takes the event EPOLLERR alone for a broken descriptor, but for this socket
// it only says that there is something in the error queue and that the send
// buffer is full. The refusal ends with the next event, when that drains.
func (c *Conn) readUnpolled() error {
	if err := c.raw.Control(func(fd uintptr) { c.rx.step(fd) }); err != nil {
		return net.ErrClosed
	}
	if !c.rx.done {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// receive takes what there is. False means nothing: wait. The poller is edge
// triggered, and any arrival after this began is an edge that ends the wait;
// so it may wait only after it found both queues empty.
func (c *Conn) receive(fd uintptr) bool {
	r := &c.rx
	if len(r.ms) > 0 {
		c.receiveMessages(fd)
	}
	if r.errno == 0 && (c.errors || c.features.TxTimestamps) {
		c.receiveEvents(fd)
	}
	r.done = r.n > 0 || r.e > 0 || r.errno != 0
	return r.done
}

func (c *Conn) receiveMessages(fd uintptr) {
	r := &c.rx
	r.data.grow(len(r.ms))
	for i := range r.ms {
		r.data.setBuf(i, r.ms[i].Buf)
	}
	for range maxPending {
		r.n, r.errno = r.data.receive(fd, len(r.ms), 0)
		if !isPending(r.errno) {
			break
		}
	}
	if r.errno == unix.EAGAIN {
		r.errno = 0
	}
	var now int64
	for i := range r.ms[:r.n] {
		m := &r.ms[i]
		*m = Message{
			Buf: m.Buf, N: min(int(r.data.hdrs[i].n), len(m.Buf)),
			Truncated: r.data.hdrs[i].Flags&unix.MSG_TRUNC != 0,
			Peer:      r.data.peer(i), Local: c.only, TTL: -1, TOS: -1,
		}
		parseMessage(r.data.received(i), m)
		if !m.Kernel {
			if now == 0 {
				now = time.Now().UnixNano()
			}
			m.Time = now
		}
	}
}

// receiveEvents empties the error queue, as far as evs has room. It must also
// be emptied when nobody wants the events: it takes from the receive buffer.
func (c *Conn) receiveEvents(fd uintptr) {
	r := &c.rx
	discard := len(r.evs) == 0
	for pending := 0; ; {
		want := min(len(r.evs)-r.e, maxBatch)
		if discard {
			want = maxBatch / 4
		}
		if want == 0 {
			return
		}
		r.errs.grow(want)
		got, errno := r.errs.receive(fd, want, unix.MSG_ERRQUEUE)
		if isPending(errno) && pending < maxPending { // older kernels give it here, too
			pending++
			continue
		}
		for i := range got {
			ev := parseEvent(r.errs.received(i), r.errs.peer(i))
			if ev.Kind == TxStamp && !c.ids.resolve(&ev.TxID) {
				continue
			}
			if ev.Kind != 0 && !discard {
				r.evs[r.e] = ev
				r.e++
			}
		}
		if got < want {
			return
		}
	}
}

// isPending tells whether an error may be one that an ICMP message left on the
// socket, where the next call finds it, whatever it is about (the kernel's
// icmp_err_convert and icmpv6_err_convert).
func isPending(errno syscall.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET,
		unix.EACCES, unix.EPROTO, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EMSGSIZE, unix.ETIMEDOUT:
		return true
	}
	return false
}
