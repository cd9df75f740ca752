//go:build unix && !linux

package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// Conn is a datagram socket. One goroutine may read while any number write;
// the rest is safe for concurrent use.
type Conn struct {
	// Set once by Listen.
	sock     *net.UDPConn
	raw      syscall.RawConn
	local    netip.AddrPort
	control  controls
	features Features

	rx reader // owned by the goroutine that reads

	mu    sync.Mutex // of the read deadline, and of what it is for:
	woken bool       // Wake was called, and no Read has returned for it

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
	c := &Conn{sock: sock, local: sock.LocalAddr().(*net.UDPAddr).AddrPort()}
	c.rx.oob = make([]byte, 256)
	if c.raw, err = sock.SyscallConn(); err != nil {
		sock.Close()
		return nil, listenError(cfg.Local, err)
	}
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
