package udp

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxBatch    = 64                       // datagrams for each system call: beyond, the call's cost no longer shows
	nameSize    = unix.SizeofSockaddrInet6 // room for either family's address
	controlSize = 256                      // room for all control messages of one datagram, a multiple of 8
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// batch is the memory of a recvmmsg or sendmmsg call. It grows to the size
// that is used and is then used over and over.
type batch struct {
	hdrs    []mmsghdr
	iovs    []unix.Iovec
	names   [][nameSize]byte
	control [][controlSize]byte
}

// grow makes room for n datagrams.
func (b *batch) grow(n int) {
	if n <= len(b.hdrs) {
		return
	}
	b.hdrs = make([]mmsghdr, n)
	b.iovs = make([]unix.Iovec, n)
	b.names = make([][nameSize]byte, n)
	b.control = make([][controlSize]byte, n)
	for i := range n {
		b.hdrs[i].Iov = &b.iovs[i]
		b.hdrs[i].SetIovlen(1)
		b.hdrs[i].Name = &b.names[i][0]
		b.hdrs[i].Control = &b.control[i][0]
	}
}

// setBuf gives datagram i its storage.
func (b *batch) setBuf(i int, buf []byte) {
	b.iovs[i].Base = unsafe.SliceData(buf)
	b.iovs[i].SetLen(len(buf))
}

// receive takes up to n datagrams. EAGAIN: there is none.
func (b *batch) receive(fd, n, flags int) (int, syscall.Errno) {
	for i := range b.hdrs[:n] {
		h := &b.hdrs[i]
		h.Namelen = nameSize
		h.SetControllen(controlSize)
		h.Flags = 0
	}
	return mmsg(unix.SYS_RECVMMSG, fd, b.hdrs[:n], flags)
}

// transmit sends datagrams from up to, but not including, to. The error is that of
// the first one only; a failure behind it shows as a smaller count.
func (b *batch) transmit(fd, from, to int) (int, syscall.Errno) {
	return mmsg(unix.SYS_SENDMMSG, fd, b.hdrs[from:to], 0)
}

func mmsg(trap uintptr, fd int, hdrs []mmsghdr, flags int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(hdrs))),
			uintptr(len(hdrs)), uintptr(flags), 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// received is the control part of datagram i.
func (b *batch) received(i int) []byte {
	return b.control[i][:b.hdrs[i].Controllen]
}

// peer is the address of datagram i: struct sockaddr_in or sockaddr_in6.
func (b *batch) peer(i int) netip.AddrPort {
	name := &b.names[i]
	return netip.AddrPortFrom(sockaddr(name[:b.hdrs[i].Namelen]), binary.BigEndian.Uint16(name[2:]))
}

// sockaddr is the address in a socket address, zero if it is of no known family.
func sockaddr(name []byte) netip.Addr {
	switch {
	case len(name) >= unix.SizeofSockaddrInet4 && binary.NativeEndian.Uint16(name) == unix.AF_INET:
		return netip.AddrFrom4([4]byte(name[4:8]))
	case len(name) >= unix.SizeofSockaddrInet6 && binary.NativeEndian.Uint16(name) == unix.AF_INET6:
		return netip.AddrFrom16([16]byte(name[8:24]))
	}
	return netip.Addr{}
}

// setPeer sets the destination of datagram i. Scope is for link-local ones.
func (b *batch) setPeer(i int, peer netip.AddrPort, scope int) {
	name := &b.names[i]
	*name = [nameSize]byte{}
	binary.BigEndian.PutUint16(name[2:], peer.Port())
	a := peer.Addr()
	if a.Is4() {
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET)
		*(*[4]byte)(name[4:]) = a.As4()
		b.hdrs[i].Namelen = unix.SizeofSockaddrInet4
		return
	}
	binary.NativeEndian.PutUint16(name[:], unix.AF_INET6)
	*(*[16]byte)(name[8:]) = a.As16()
	binary.NativeEndian.PutUint32(name[24:], uint32(scope))
	b.hdrs[i].Namelen = unix.SizeofSockaddrInet6
}
