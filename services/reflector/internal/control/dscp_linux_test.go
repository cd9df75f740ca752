package control

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection has the DSCP of its client's SYN (RFC 5357 section 3.1).
func TestDSCPOfTheClient(t *testing.T) {
	for _, tt := range []struct {
		at            string
		class         int // DSCP<<2
		level, option int
	}{
		{"127.0.0.1:0", 46 << 2, unix.IPPROTO_IP, unix.IP_TOS},
		{"127.0.0.1:0", 0, unix.IPPROTO_IP, unix.IP_TOS},
		{"[::1]:0", 46 << 2, unix.IPPROTO_IPV6, unix.IPV6_TCLASS},
		{"[::1]:0", 8 << 2, unix.IPPROTO_IPV6, unix.IPV6_TCLASS},
		{"[::1]:0", 3 << 2, unix.IPPROTO_IPV6, unix.IPV6_TCLASS},
		{"[::1]:0", 0, unix.IPPROTO_IPV6, unix.IPV6_TCLASS},
	} {
		l, err := listen(netip.MustParseAddrPort(tt.at))
		if err != nil {
			t.Fatal(err)
		}
		d := net.Dialer{Timeout: deadline, Control: func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), tt.level, tt.option, tt.class) })
			return err
		}}
		client, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		answerAsAsked(conn)
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		got := -1
		_ = raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), tt.level, tt.option) })
		if err != nil || got != tt.class {
			t.Errorf("%s: class %d where the client's is %d (%v)", tt.at, got, tt.class, err)
		}
		client.Close()
		conn.Close()
		l.Close()
	}
}
