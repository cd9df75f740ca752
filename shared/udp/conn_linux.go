package udp

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a datagram socket. One goroutine may read while any number write;
// the rest is safe for concurrent use.
//
// The socket belongs to the runtime's poller, so that a goroutine that waits
// costs no thread, and is read and written with recvmmsg and sendmmsg.
type Conn struct {
	// Set once by Listen.
	sock     *net.UDPConn
	raw      syscall.RawConn
	local    netip.AddrPort
	is4      bool
	errors   bool       // ICMP errors are asked for: they also show as failures of unrelated calls
	only     netip.Addr // the one address of the socket; invalid: it has several, or needs the interface told
	thread   bool       // Read waits in its own thread
	features Features

	closed atomic.Bool

	rx  reader // owned by the goroutine that reads
	ids txIDs  // shared by reader and writers, locks itself

	wmu sync.Mutex
	tx  writer // guarded by wmu

	dmu   sync.Mutex
	drops uint64 // guarded by dmu
}

// Listen opens a socket. Its error says what to do about it, and is one of
// [ErrInUse], [ErrPermission], [ErrNotAvailable] and [ErrNoFamily] where it is
// one of these.
//
// It returns once the kernel's timestamps work, which may take a millisecond:
// the kernel starts to stamp some time after it was first asked to.
func Listen(cfg Config) (*Conn, error) {
	c, err := open(cfg)
	if err != nil {
		return nil, err
	}
	c.ids.explicit = probe(c.is4).explicitIDs
	return c, nil
}

func open(cfg Config) (*Conn, error) {
	c := &Conn{is4: cfg.Local.Addr().Unmap().Is4(), errors: cfg.Errors, thread: cfg.OwnThread}
	if a := cfg.Local.Addr().Unmap(); !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast() {
		c.only = a
	}
	sock, err := bind(cfg, func(_, _ string, raw syscall.RawConn) error {
		var set error
		if err := raw.Control(func(fd uintptr) { set = c.configure(int(fd), cfg) }); err != nil {
			return err
		}
		return set
	})
	if err != nil {
		return nil, err
	}
	if c.raw, err = sock.SyscallConn(); err != nil {
		sock.Close()
		return nil, fmt.Errorf("udp: listen on %s: %w", cfg.Local, err)
	}
	c.sock = sock
	c.local = sock.LocalAddr().(*net.UDPAddr).AddrPort()
	c.rx.step = c.receive // bound once: a method value allocates
	c.rx.poll = c.pollOnce
	c.tx.step = c.send
	return c, nil
}

// LocalAddr is the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Features says what the kernel accepted for this socket.
func (c *Conn) Features() Features { return c.features }

// Close closes the socket. A Read or Write under way returns [net.ErrClosed].
func (c *Conn) Close() error {
	c.Drops() // while the kernel's count can be had
	c.closed.Store(true)
	if c.thread {
		// It returns ENOTCONN, and yet wakes whoever waits in poll(2).
		_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
	return c.sock.Close()
}

// Drops counts the datagrams that the kernel has dropped on this socket so
// far, most of them because its receive buffer was full.
func (c *Conn) Drops() uint64 {
	c.dmu.Lock()
	defer c.dmu.Unlock()
	// SO_MEMINFO and not SO_RXQ_OVFL: it has the same count, but also when no
	// datagram comes any more to carry it.
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_ = c.raw.Control(func(fd uintptr) { // closed: the count stays
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	c.drops = extend(c.drops, info[unix.SK_MEMINFO_DROPS])
	return c.drops
}

// extend carries a total on by a 32-bit counter that wraps. A counter of 0 is
// also what a closed socket and a kernel that does not count give.
func extend(total uint64, counter uint32) uint64 {
	if counter == 0 {
		return total
	}
	return total + uint64(counter-uint32(total))
}
