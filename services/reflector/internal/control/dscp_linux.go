package control

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// saveSYN has the kernel keep the SYN of each connection for [answerAsAsked]. A
// kernel that cannot leaves the DSCP at 0.
func saveSYN(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1)
	})
}

// answerAsAsked gives a connection the DSCP of its client's SYN (RFC 5357
// section 3.1).
func answerAsAsked(conn net.Conn) {
	t, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	is4 := addrPort(conn.LocalAddr()).Addr().Is4()
	_ = raw.Control(func(fd uintptr) {
		// The text ends before the first zero, which is as good: the class is in the
		// first two octets, and where the second is missing its part is zero.
		syn, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVED_SYN)
		if err != nil || syn == "" {
			return
		}
		second := 0
		if len(syn) > 1 {
			second = int(syn[1])
		}
		if is4 {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, second&^3)
			return
		}
		class := int(syn[0])<<4&0xf0 | second>>4
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_TCLASS, class&^3)
	})
}
