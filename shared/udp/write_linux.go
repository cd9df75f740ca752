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

// writer is the state of Write.
type writer struct {
	bell bell // rung by Close
	batch
	total int // datagrams of the batch
	// Of each datagram: the transmit id of the first one, from there on, that
	// is to have a stamp; octets of control messages without and with the
	// request for it.
	ids         [maxBatch]uint32
	plain, full [maxBatch]int
	fds         [2]unix.PollFd // socket, bell
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
	w.total = 0
	for i := range ms {
		if !c.prepare(i, &ms[i]) {
			break
		}
		w.total++
	}
	if w.total == 0 {
		return 0, ErrPeer
	}
	return c.send()
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
	m.TxID, w.ids[i], w.plain[i] = 0, c.ids.next, control.len
	if c.features.TxTimestamps && (m.WantTx || !c.onDemand) {
		m.TxID = c.ids.next
		c.ids.next++
		control.putStamp()
		if c.ids.explicit {
			control.putTxID(m.TxID)
		}
	}
	w.full[i] = control.len
	w.hdrs[i].SetControllen(control.len)
	return true
}

// send sends the batch as far as it goes, and returns how far.
func (c *Conn) send() (sent int, err error) {
	for retries := 0; sent < c.tx.total; {
		if c.closed.Load() {
			return sent, net.ErrClosed
		}
		n, errno := c.transmit(sent)
		sent += n
		switch {
		case errno == 0:
			retries = 0
		case errno == unix.EAGAIN:
			c.tx.awaitRoom(c.fd)
		case retries < maxRetries && c.mayBeAnothers(sent, errno):
			retries++
		default:
			return sent, errno
		}
	}
	return sent, nil
}

// transmit sends datagrams of the batch, from one on, and returns how many.
func (c *Conn) transmit(from int) (int, syscall.Errno) {
	w := &c.tx
	stamps := c.ids.next - w.ids[from]
	if c.ids.explicit || stamps == 0 {
		return w.transmit(c.fd, from, w.total)
	}
	control := &w.plain
	if c.ids.begin(c.fd, w.ids[from], stamps) {
		control = &w.full
	}
	for i := from; i < w.total; i++ {
		w.hdrs[i].SetControllen(control[i])
	}
	n, errno := w.transmit(c.fd, from, w.total)
	if next := from + n; next < w.total && w.ids[next] != c.ids.next {
		c.ids.failed(c.ids.next - w.ids[next])
	}
	return n, errno
}

// mayBeAnothers tells whether the failure of the datagram to be sent next can
// be that of an ICMP message about an earlier one.
func (c *Conn) mayBeAnothers(next int, errno syscall.Errno) bool {
	limit := maxPayload6
	if c.is4 {
		limit = maxPayload4
	}
	return c.errors && isPending(errno) && int(c.tx.iovs[next].Len) <= limit
}
