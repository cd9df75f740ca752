//go:build unix && !linux

package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// reader is the state of Read: room for the control messages, and results.
type reader struct {
	oob                  []byte
	size, oobSize, flags int
	from                 unix.Sockaddr
	err                  error
}

// Read blocks until there is a datagram and puts it into ms[0]; n is 0 after
// [Conn.Wake]. There are no events on this system. The error is
// [net.ErrClosed] after Close.
func (c *Conn) Read(ms []Message, evs []Event) (n, e int, err error) {
	return c.ReadUntil(ms, evs, time.Time{})
}

// ReadUntil is like Read, but returns with nothing at an instant, unless that
// is zero. When it is past, ReadUntil takes what is there and does not wait.
func (c *Conn) ReadUntil(ms []Message, _ []Event, until time.Time) (n, e int, err error) {
	r, buf := &c.rx, ms[0].Buf
	step := func(fd uintptr) bool { return r.receive(int(fd), buf) }
	// A read whose deadline is past would not look.
	if err = c.raw.Control(func(fd uintptr) { step(fd) }); err == nil && r.err == unix.EAGAIN {
		c.setDeadline(until)
		err = c.raw.Read(step)
	}
	now := time.Now().UnixNano()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.setWoken(false)
		return 0, 0, nil
	case err != nil:
		return 0, 0, net.ErrClosed
	case r.err != nil:
		return 0, 0, r.err
	}
	ms[0] = Message{
		Buf: buf, N: r.size, Truncated: r.flags&unix.MSG_TRUNC != 0, Time: now, TTL: -1, TOS: -1,
		Peer: peerAddress(r.from),
	}
	c.control.parse(r.oob[:r.oobSize], &ms[0])
	return 1, 0, nil
}

// receive takes a datagram. False: there is none.
func (r *reader) receive(fd int, buf []byte) bool {
	for {
		r.size, r.oobSize, r.flags, r.from, r.err = unix.Recvmsg(fd, buf, r.oob, 0)
		if r.err != unix.EINTR {
			return r.err != unix.EAGAIN
		}
	}
}

// setDeadline says when the wait is to end, unless Wake has ended it already.
func (c *Conn) setDeadline(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.woken {
		_ = c.sock.SetReadDeadline(until) // closed: the read says so
	}
}

// Wake lets the Read under way end with nothing, or else the next one that has
// to wait.
func (c *Conn) Wake() { c.setWoken(true) }

func (c *Conn) setWoken(woken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.woken = woken
	if woken {
		_ = c.sock.SetReadDeadline(time.Unix(1, 0)) // past; closed: nobody reads
	}
}

func peerAddress(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
