//go:build unix && !linux

package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Conn is a datagram socket. One goroutine may read while any number write;
// the rest is safe for concurrent use.
type Conn struct {
	// Set once by Listen.
	sock     *net.UDPConn
	local    netip.AddrPort
	control  controls
	features Features

	oob []byte // owned by the goroutine that reads

	wmu sync.Mutex // held by the goroutine that writes
}

// controls are the control messages of one family.
type controls interface {
	enable() Features                                        // asks for what there is to be known of a received datagram
	parse(oob []byte, m *Message)                            // reads it
	marshal(m *Message, ft Features) (oob []byte, err error) // makes what goes with m
}

// Listen opens a socket. Its error says what to do about it, and is one of
// [ErrInUse], [ErrPermission], [ErrNotAvailable] and [ErrNoFamily] where it is
// one of these.
func Listen(cfg Config) (*Conn, error) {
	sock, err := bind(cfg, reusePort(cfg.ReusePort))
	if err != nil {
		return nil, err
	}
	c := &Conn{sock: sock, local: sock.LocalAddr().(*net.UDPAddr).AddrPort(), oob: make([]byte, 256)}
	if c.local.Addr().Is4() {
		c.control, err = newControls4(sock)
	} else {
		c.control, err = newControls6(sock)
	}
	if err != nil {
		sock.Close()
		return nil, listenError(cfg.Local, err)
	}
	c.features = c.control.enable()
	if cfg.ReadBuffer > 0 {
		_ = sock.SetReadBuffer(cfg.ReadBuffer) // the default is what is left
	}
	if cfg.WriteBuffer > 0 {
		_ = sock.SetWriteBuffer(cfg.WriteBuffer)
	}
	return c, nil
}

// LocalAddr is the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Features says what the system provides on this socket.
func (c *Conn) Features() Features { return c.features }

// Drops is 0: it is known on Linux only.
func (c *Conn) Drops() uint64 { return 0 }

// Close closes the socket. A Read or Write under way returns [net.ErrClosed].
func (c *Conn) Close() error { return c.sock.Close() }

// Read blocks until there is a datagram and puts it into ms[0]. There are no
// events on this system. The error is [net.ErrClosed] after Close.
func (c *Conn) Read(ms []Message, _ []Event) (n, e int, err error) {
	m := &ms[0]
	size, oobSize, flags, peer, err := c.sock.ReadMsgUDPAddrPort(m.Buf, c.oob)
	now := time.Now().UnixNano()
	if errors.Is(err, net.ErrClosed) {
		return 0, 0, net.ErrClosed
	}
	if err != nil {
		return 0, 0, err
	}
	*m = Message{
		Buf: m.Buf, N: size, Truncated: flags&msgTrunc != 0, Time: now, TTL: -1, TOS: -1,
		Peer: netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port()),
	}
	c.control.parse(c.oob[:oobSize], m)
	return 1, 0, nil
}

// Write sends datagrams, and waits while the send buffer is full. It returns
// how many it sent; if that is fewer than all, err is about ms[n], and the
// caller may go on behind it. It is the system's error, [ErrPeer] or, after
// Close, [net.ErrClosed].
func (c *Conn) Write(ms []Message) (n int, err error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	for i := range ms {
		if err := c.write(&ms[i]); err != nil {
			return i, err
		}
	}
	return len(ms), nil
}

func (c *Conn) write(m *Message) error {
	a := m.Peer.Addr().Unmap()
	if !a.IsValid() || a.Is4() != c.local.Addr().Is4() {
		return ErrPeer
	}
	if m.IfIndex > 0 && a.Is6() && a.IsLinkLocalUnicast() {
		a = a.WithZone(zone(m.IfIndex))
	}
	oob, err := c.control.marshal(m, c.features)
	if err == nil {
		_, _, err = c.sock.WriteMsgUDPAddrPort(m.Buf[:m.N], oob, netip.AddrPortFrom(a, m.Peer.Port()))
	}
	if errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	return err
}
