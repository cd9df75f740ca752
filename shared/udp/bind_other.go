//go:build unix && !linux

package udp

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort lets the socket share its port, if so wanted.
func reusePort(want bool) func(network, address string, c syscall.RawConn) error {
	if !want {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) {
			set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return set
	}
}

// bind opens a socket of one family. Control runs before it is bound, so that
// no datagram can arrive before the options are set.
func bind(cfg Config, control func(network, address string, c syscall.RawConn) error) (*net.UDPConn, error) {
	local := netip.AddrPortFrom(cfg.Local.Addr().Unmap(), cfg.Local.Port())
	if !local.Addr().IsValid() {
		return nil, errNoAddress
	}
	network := "udp6" // package net sets IPV6_V6ONLY for it
	if local.Addr().Is4() {
		network = "udp4"
	}
	lc := net.ListenConfig{Control: control}
	sock, err := lc.ListenPacket(context.Background(), network, local.String())
	if err != nil {
		return nil, listenError(local, err)
	}
	return sock.(*net.UDPConn), nil
}
