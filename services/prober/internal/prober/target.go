package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"tinytwamp/shared/stamp"
)

// Target is what a user asks to test: a host, which may have several
// addresses, and a port.
type Target struct {
	Name string // as the user wrote it
	Host string // name, or address with its zone
	Port uint16
}

// ParseTarget reads HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT. The port is 862
// unless named.
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

// resolve finds the target's addresses, each once, IPv6 first.
func (t Target) resolve(ctx context.Context, r *net.Resolver) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), t.Port)}, nil
	}
	found, err := r.LookupNetIP(ctx, "ip", t.Host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return nil, fmt.Errorf("prober: %s is not a known host name", t.Host)
		}
		return nil, fmt.Errorf("prober: %s cannot be resolved: %w", t.Host, err)
	}
	var v6, v4 []netip.AddrPort
	seen := make(map[netip.Addr]bool)
	for _, a := range found {
		a = a.Unmap()
		switch {
		case seen[a]:
		case a.Is4():
			v4 = append(v4, netip.AddrPortFrom(a, t.Port))
		default:
			v6 = append(v6, netip.AddrPortFrom(a, t.Port))
		}
		seen[a] = true
	}
	return append(v6, v4...), nil
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
