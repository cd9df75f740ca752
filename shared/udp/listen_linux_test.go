package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestListenErrors(t *testing.T) {
	taken := listen(t, Config{Local: at(loopback4)})
	for _, test := range []struct {
		local netip.AddrPort
		want  error
		says  string
	}{
		{taken.LocalAddr(), ErrInUse, taken.LocalAddr().String() + ": address in use: another process holds it"},
		{netip.MustParseAddrPort("198.51.100.1:0"), ErrNotAvailable, "choose an address of this host"},
		{netip.AddrPort{}, errNoAddress, "use 0.0.0.0 or [::]"},
	} {
		c, err := Listen(Config{Local: test.local})
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v", test.local, err)
		}
	}
}

// What needs a host without a privilege or a family, from the system's error on.
func TestListenErrorsOfOtherHosts(t *testing.T) {
	for _, test := range []struct {
		local string
		errno syscall.Errno
		want  error
		says  string
	}{
		{"[::]:862", syscall.EACCES, ErrPermission, "CAP_NET_BIND_SERVICE"},
		{"[::]:8620", syscall.EPERM, ErrPermission, "security policy"},
		{"[::]:862", syscall.EAFNOSUPPORT, ErrNoFamily, "no IPv6"},
		{"0.0.0.0:862", syscall.EAFNOSUPPORT, ErrNoFamily, "no IPv4"},
	} {
		cause := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", test.errno)}
		err := listenError(netip.MustParseAddrPort(test.local), cause)
		if !errors.Is(err, test.want) || !errors.Is(err, test.errno) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.local, err)
		}
	}
}

func TestReusePort(t *testing.T) {
	a := listen(t, Config{Local: at(loopback4), ReusePort: true})
	listen(t, Config{Local: a.LocalAddr(), ReusePort: true})
}

// IPv6 leaves the port to IPv4.
func TestOneFamilyOnly(t *testing.T) {
	needIPv6(t)
	six := listen(t, Config{Local: at(netip.IPv6Unspecified())})
	listen(t, Config{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), six.LocalAddr().Port())})
	for _, peer := range []netip.AddrPort{netip.AddrPortFrom(loopback4, 9), {}} {
		if n, err := six.Write([]Message{message(peer, "x")}); n != 0 || err != ErrPeer {
			t.Errorf("write to %v: %d, %v", peer, n, err)
		}
	}
}
