package embedded

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
)

// DefaultURL is where the server listens unless it is told otherwise.
const DefaultURL = "nats://127.0.0.1:4222"

const defaultPort = 4222

var errAddress = errors.New("must be nats://ADDRESS:PORT with one address of this host to listen on, such as " + DefaultURL)

// ParseURL returns the address that a server is to listen on. The host is an
// address or localhost; port 0 has the system choose one.
func ParseURL(text string) (netip.AddrPort, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "nats" || u.User != nil || u.Path != "" {
		return netip.AddrPort{}, errAddress
	}
	host, port := u.Hostname(), uint64(defaultPort)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, errAddress
	}
	if u.Port() != "" {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil {
			return netip.AddrPort{}, errAddress
		}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

// clientHost returns where a client on this host finds a server that listens on
// addr.
func clientHost(addr net.Addr) string {
	a, err := netip.ParseAddrPort(addr.String())
	if err != nil || !a.Addr().IsUnspecified() {
		return addr.String()
	}
	loopback := netip.IPv6Loopback()
	if a.Addr().Is4() {
		loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.AddrPortFrom(loopback, a.Port()).String()
}
