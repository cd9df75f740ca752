package prober

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"tinytwamp/shared/stamp"
)

// Target is what a user asks to test, and how: a host, which may have several
// addresses, and a port.
type Target struct {
	Name   string            // by which results name it; each target has its own
	Labels map[string]string // the user's own, for results
	Host   string            // name, or address with its zone
	Port   uint16
	Test   Test
}

// ParseTarget reads HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT, which also
// becomes the target's name. The port is 862 unless named.
func ParseTarget(s string) (Target, error) {
	t := Target{Name: s, Host: s, Port: stamp.Port}
	if _, err := netip.ParseAddr(s); err == nil {
		return t, nil
	}
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		t.Host = strings.TrimSuffix(inner, "]")
	} else if host, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return t, fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
		}
		t.Host, t.Port = host, uint16(n)
	}
	if _, err := netip.ParseAddr(t.Host); err != nil && !isName(t.Host) {
		return t, fmt.Errorf("%q must be a host, host:port, an IPv4 or IPv6 address, or [address]:port", s)
	}
	return t, nil
}

// isName says whether s can be a host name.
func isName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\[]:@,;"'`, r)
	})
}

// literal is the target's address, if it is not a name.
func (t *Target) literal() (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.Host)
	return a.Unmap(), err == nil
}

// Names says whether the target is a name, whose addresses are to be looked up.
func (t *Target) Names() bool {
	_, literal := t.literal()
	return !literal
}

// scope splits a link-local address's zone off and gives its interface, which
// is how sockets take it.
func scope(a netip.AddrPort) (bare netip.AddrPort, ifIndex int, err error) {
	zone := a.Addr().Zone()
	if zone == "" {
		return a, 0, nil
	}
	bare = netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
	if i, err := net.InterfaceByName(zone); err == nil {
		return bare, i.Index, nil
	}
	if n, err := strconv.Atoi(zone); err == nil {
		return bare, n, nil
	}
	return bare, 0, fmt.Errorf("prober: %v: this host has no interface %s", a, zone)
}
