package udp

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRetries is how often a datagram is sent again when its failure may be
// another one's. A true failure stays one, at the price of these calls.
const maxRetries = 3

// The longest payload is 65,535 octets less the UDP header, and
// with IPv4 less the IP header, too.
const (
	maxPayload4 = 65535 - 8 - 20
	maxPayload6 = 65535 - 8
)

// writer is the state of Write: see [reader].
type writer struct {
	batch
	firstID     uint32 // transmit id of the batch's first datagram
	sent, total int    // datagrams of the batch
	errno       syscall.Errno
	step        func(fd uintptr) bool // Conn.send
}

// Write sends datagrams, and waits while the send buffer is full. It returns
// how many it sent; if that is fewer than all, err is about ms[n], and the
// caller may go on behind it. It is a [syscall.Errno], [ErrPeer] or, after
// Close, [net.ErrClosed].
func (c *Conn) Write(ms []Message) (n int, err error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for n < len(ms) && err == nil {
		var sent int
		sent, err = c.writeBatch(ms[n:min(len(ms), n+maxBatch)])
		n += sent
	}
	return n, err
}

func (c *Conn) writeBatch(ms []Message) (int, error) {
	w := &c.tx
	w.grow(len(ms))
	w.sent, w.total, w.errno = 0, 0, 0
	w.firstID = c.ids.next
	for i := range ms {
		if !c.prepare(i, &ms[i]) {
			break
		}
		w.total++
	}
	if w.total == 0 {
		return 0, ErrPeer
	}
	if err := c.raw.Write(w.step); err != nil {
		return w.sent, net.ErrClosed
	}
	if w.errno != 0 {
		return w.sent, w.errno
	}
	return w.sent, nil
}

// prepare lays out datagram i. False: it has no valid destination.
func (c *Conn) prepare(i int, m *Message) bool {
	w := &c.tx
	peer := netip.AddrPortFrom(m.Peer.Addr().Unmap(), m.Peer.Port())
	if !peer.IsValid() || peer.Addr().Is4() != c.is4 {
		return false
	}
	scope := 0
	if peer.Addr().IsLinkLocalUnicast() || peer.Addr().IsLinkLocalMulticast() {
		scope = m.IfIndex
	}
	w.setBuf(i, m.Buf[:m.N])
	w.setPeer(i, peer, scope)
	control := controlWriter{b: &w.control[i]}
	if local := m.Local.Unmap(); local.IsValid() && local != c.only && local.Is4() == c.is4 {
		control.putSource(local, scope)
	}
	if m.TOS > 0 {
		control.putTOS(c.is4, m.TOS)
	}
	if c.features.TxTimestamps {
		m.TxID = c.ids.next
		c.ids.next++
		if c.ids.explicit {
			control.putTxID(m.TxID)
		}
	}
	w.hdrs[i].SetControllen(control.len)
	return true
}

// send sends the batch as far as it goes. False: the send buffer is full, wait.
func (c *Conn) send(fd uintptr) bool {
	w := &c.tx
	counting := c.features.TxTimestamps && !c.ids.explicit
	for retries := 0; w.sent < w.total; {
		if counting {
			c.ids.begin(int(fd), w.firstID+uint32(w.sent), w.total-w.sent)
		}
		n, errno := w.transmit(fd, w.sent, w.total)
		w.sent += n
		if counting && w.sent < w.total {
			c.ids.failed(int(fd), w.total-w.sent)
		}
		switch {
		case errno == 0:
			retries = 0
		case errno == unix.EAGAIN:
			return false
		case retries < maxRetries && c.mayBeAnothers(errno):
			retries++
		default:
			w.errno = errno
			return true
		}
	}
	return true
}

// mayBeAnothers tells whether the failure of the datagram to be sent next can
// be that of an ICMP message about an earlier one.
func (c *Conn) mayBeAnothers(errno syscall.Errno) bool {
	limit := maxPayload6
	if c.is4 {
		limit = maxPayload4
	}
	return c.errors && isPending(errno) && int(c.tx.iovs[c.tx.sent].Len) <= limit
}
