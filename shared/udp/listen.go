package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// hopLimit is the TTL of everything that is sent, so that the other end can
// tell the length of the path (RFC 5357 section 4.1.2, RFC 8762 section 4.2.1).
const hopLimit = 255

// errNoAddress is a mistake of the caller's: the family would be a guess.
var errNoAddress = errors.New("udp: listen: no local address given; use 0.0.0.0 or [::] for all")

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
