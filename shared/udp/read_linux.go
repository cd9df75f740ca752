package udp

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxPending bounds how many errors in a row are taken for those that ICMP
// messages left behind. Each is there once; so many are of another kind.
const maxPending = 1000

// reader is the state of Read.
type reader struct {
	bell       bell // rung by Wake and Close
	data, errs batch
	quotes     [maxBatch][QuoteSize]byte // of errs
	fds        [2]unix.PollFd            // socket, bell
}

// Read blocks until there is a datagram or an event, and returns how many of
// each it has put into ms and evs. After [Conn.Wake] both are 0. The error is
// [net.ErrClosed] after Close.
//
// Datagrams are taken first and then the error queue, so that the transmit
// stamp of a packet is in evs not later than its reply is in ms, as long as
// evs has room: give it at least as much as ms. With evs nil events are
// thrown away. An event may come before the Write of its datagram returns.
// ICMP errors are events; they are never errors of Read.
func (c *Conn) Read(ms []Message, evs []Event) (n, e int, err error) {
	return c.ReadUntil(ms, evs, time.Time{})
}

// ReadUntil is like Read, but returns with nothing at an instant, unless that
// is zero. When it is past, ReadUntil takes what is there and does not wait.
func (c *Conn) ReadUntil(ms []Message, evs []Event, until time.Time) (n, e int, err error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	ms = ms[:min(len(ms), maxBatch)]
	for look := true; ; look = c.rx.await(c.fd, len(ms) > 0, until) {
		if c.closed.Load() {
			return 0, 0, net.ErrClosed
		}
		if !look {
			return 0, 0, nil
		}
		n, errno := c.receiveMessages(ms)
		if errno != 0 {
			return 0, 0, errno
		}
		if c.errors || c.features.TxTimestamps {
			e = c.receiveEvents(evs)
		}
		if n > 0 || e > 0 {
			return n, e, nil
		}
	}
}

// receiveMessages takes the datagrams that are there. Also with ms empty it
// takes the error that an ICMP message left on the socket: that would end each
// wait.
func (c *Conn) receiveMessages(ms []Message) (n int, errno syscall.Errno) {
	r := &c.rx
	r.data.grow(len(ms))
	for i := range ms {
		r.data.setBuf(i, ms[i].Buf)
	}
	for range maxPending {
		n, errno = r.data.receive(c.fd, len(ms), 0)
		if !isPending(errno) {
			break
		}
	}
	if errno == unix.EAGAIN {
		errno = 0
	}
	var now int64
	for i := range ms[:n] {
		m := &ms[i]
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
	return n, errno
}

// receiveEvents empties the error queue, as far as evs has room. It must also
// be emptied when nobody wants the events: it takes from the receive buffer.
func (c *Conn) receiveEvents(evs []Event) (e int) {
	errs := &c.rx.errs
	discard := len(evs) == 0
	for pending := 0; ; {
		want := min(len(evs)-e, maxBatch)
		if discard {
			want = maxBatch / 4
		}
		if want == 0 {
			return e
		}
		errs.grow(want)
		for i := range want {
			errs.setBuf(i, c.rx.quotes[i][:])
		}
		got, errno := errs.receive(c.fd, want, unix.MSG_ERRQUEUE)
		if isPending(errno) && pending < maxPending { // older kernels give it here, too
			pending++
			continue
		}
		for i := range got {
			ev := parseEvent(errs.received(i), errs.peer(i))
			if ev.Kind == ICMPError {
				ev.Quoted, ev.QuotedLen = c.rx.quotes[i], min(int(errs.hdrs[i].n), QuoteSize)
			}
			if ev.Kind == TxStamp && !c.ids.resolve(&ev.TxID) {
				continue
			}
			if ev.Kind != 0 && !discard {
				evs[e] = ev
				e++
			}
		}
		if got < want {
			return e
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
