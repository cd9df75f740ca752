package udp

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a datagram socket. One goroutine may read while any number write;
// the rest is safe for concurrent use.
//
// It is not known to the runtime's poller: a Read waits in its caller's thread.
// Who waits on a socket is woken by each transmit stamp, between the stamp and
// the packet's way, which makes the packet late by some microseconds that the
// stamp does not show. Where the thread that reads is also the one that
// writes, nobody waits at that time.
type Conn struct {
	// Set once by Listen.
	fd       int
	local    netip.AddrPort
	is4      bool
	errors   bool       // ICMP errors are asked for: they also show as failures of unrelated calls
	onDemand bool       // transmit stamps are for Message.WantTx only
	only     netip.Addr // the one address of the socket; invalid: it has several, or needs the interface told
	features Features

	ids txIDs // shared by reader and writers, locks itself

	// Who uses fd or a bell holds one of the mutexes, and has seen under it
	// that closed is not set. Close sets it, and then waits for them.
	closed atomic.Bool

	rmu sync.Mutex
	rx  reader // guarded by rmu, but for its bell

	wmu sync.Mutex
	tx  writer // guarded by wmu, but for its bell

	mu    sync.Mutex
	drops uint64 // guarded by mu
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
	k := probe(c.is4)
	c.ids.explicit = k.explicitIDs
	c.features.RxDelivered, c.features.TxDelivered = k.rx, k.tx
	return c, nil
}

func open(cfg Config) (*Conn, error) {
	local := netip.AddrPortFrom(cfg.Local.Addr().Unmap(), cfg.Local.Port())
	a := local.Addr()
	if !a.IsValid() {
		return nil, errNoAddress
	}
	c := &Conn{fd: -1, is4: a.Is4(), errors: cfg.Errors, onDemand: cfg.TxOnDemand, ids: newTxIDs()}
	c.rx.bell, c.tx.bell = -1, -1
	if !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast() {
		c.only = a
	}
	err := c.openBells()
	if err == nil {
		err = c.bind(local, cfg)
	}
	if err != nil {
		_ = c.closeAll()
		return nil, listenError(local, err)
	}
	return c, nil
}

func (c *Conn) openBells() (err error) {
	if c.rx.bell, err = newBell(); err != nil {
		return err
	}
	c.tx.bell, err = newBell()
	return err
}

// bind opens the socket. Its options are set first, so that no datagram
// arrives before.
func (c *Conn) bind(local netip.AddrPort, cfg Config) (err error) {
	family := unix.AF_INET6
	if c.is4 {
		family = unix.AF_INET
	}
	if c.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := c.configure(cfg); err != nil {
		return err
	}
	sa, err := socketAddress(local)
	if err != nil {
		return err
	}
	if err := unix.Bind(c.fd, sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(c.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	port := local.Port()
	switch sa := bound.(type) {
	case *unix.SockaddrInet4:
		port = uint16(sa.Port)
	case *unix.SockaddrInet6:
		port = uint16(sa.Port)
	}
	c.local = netip.AddrPortFrom(local.Addr(), port)
	return nil
}

func socketAddress(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
	}
	sa := &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	zone := a.Addr().Zone()
	if zone == "" {
		return sa, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 32); err == nil {
		sa.ZoneId = uint32(index)
		return sa, nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return nil, err
	}
	sa.ZoneId = uint32(ifi.Index)
	return sa, nil
}

// LocalAddr is the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Features says what the kernel accepted for this socket.
func (c *Conn) Features() Features { return c.features }

// Wake lets the Read under way end with nothing, or else the next one that has
// to wait.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed.Load() {
		c.rx.bell.ring()
	}
}

// Close closes the socket. A Read or Write under way returns [net.ErrClosed];
// Close waits for it, so that the port is free afterwards.
func (c *Conn) Close() error {
	if !c.startClose() {
		return net.ErrClosed
	}
	c.rmu.Lock()
	defer c.rmu.Unlock()
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.closeAll()
}

// startClose tells all who use the socket that it is to be closed. False: it
// is already.
func (c *Conn) startClose() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return false
	}
	c.countDrops() // while the kernel's count can be had
	c.closed.Store(true)
	c.rx.bell.ring()
	c.tx.bell.ring()
	return true
}

// closeAll closes what is open.
func (c *Conn) closeAll() error {
	var err error
	for _, fd := range []int{int(c.rx.bell), int(c.tx.bell), c.fd} {
		if fd >= 0 {
			err = os.NewSyscallError("close", unix.Close(fd))
		}
	}
	return err
}

// Drops counts the datagrams that the kernel has dropped on this socket so
// far, most of them because its receive buffer was full.
func (c *Conn) Drops() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed.Load() {
		c.countDrops()
	}
	return c.drops
}

// countDrops asks the kernel. SO_MEMINFO and not SO_RXQ_OVFL: it has the same
// count, but also when no datagram comes any more to carry it.
func (c *Conn) countDrops() {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(c.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	c.drops = extend(c.drops, info[unix.SK_MEMINFO_DROPS])
}

// extend carries a total on by a 32-bit counter that wraps. A counter of 0 is
// also what a kernel that does not count gives.
func extend(total uint64, counter uint32) uint64 {
	if counter == 0 {
		return total
	}
	return total + uint64(counter-uint32(total))
}
