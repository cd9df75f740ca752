package prober

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Source is an own address, a port, or both. Zero: any.
type Source struct{ netip.AddrPort }

// UnmarshalText reads ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT.
func (s *Source) UnmarshalText(b []byte) error {
	text := string(b)
	bare := text
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		s.AddrPort = netip.AddrPortFrom(a.Unmap(), 0)
		return nil
	}
	if strings.HasPrefix(text, ":") {
		text = "[::]" + text
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return errors.New("must be an address of this host with or without a port, or :PORT")
	}
	s.AddrPort = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	return nil
}

// local is the address to bind to, with a port (0: any), for targets of a
// family.
func (s Source) local(is4 bool, port uint16) (netip.AddrPort, error) {
	a := s.Addr()
	switch {
	case !a.IsValid() || a.IsUnspecified():
		if a = netip.IPv6Unspecified(); is4 {
			a = netip.IPv4Unspecified()
		}
	case a.Is4() != is4:
		return netip.AddrPort{}, fmt.Errorf("prober: the source address %v is of another family than a target: leave one of them out", a)
	}
	return netip.AddrPortFrom(a, port), nil
}

// Ports are own ports to send from, in the order in which they were named.
type Ports []uint16

// maxPorts bounds the sessions of an address.
const maxPorts = 64

// UnmarshalText reads ports and ranges of them, with commas between.
func (p *Ports) UnmarshalText(b []byte) error {
	*p = nil
	for part := range strings.SplitSeq(string(b), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		from, to, isRange := strings.Cut(part, "-")
		first, err1 := parsePort(from)
		last := first
		var err2 error
		if isRange {
			last, err2 = parsePort(to)
		}
		if err1 != nil || err2 != nil || last < first {
			return fmt.Errorf("must be ports or ranges such as 50000-50007, not %q", part)
		}
		for port := int(first); port <= int(last); port++ {
			if slices.Contains(*p, uint16(port)) {
				return fmt.Errorf("must name each port once, not %d twice", port)
			}
			if len(*p) == maxPorts {
				return fmt.Errorf("must be at most %d ports", maxPorts)
			}
			*p = append(*p, uint16(port))
		}
	}
	return nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return uint16(n), err
}

// Family says which addresses of a name are tested.
type Family uint8

// What -family can be.
const (
	AnyFamily Family = iota
	IPv4
	IPv6
)

// String is the family as settings name it.
func (f Family) String() string { return [...]string{"any", "ipv4", "ipv6"}[f] }

// UnmarshalText reads the setting.
func (f *Family) UnmarshalText(b []byte) error {
	switch string(b) {
	case "any":
		*f = AnyFamily
	case "ipv4":
		*f = IPv4
	case "ipv6":
		*f = IPv6
	default:
		return errors.New("must be any, ipv4 or ipv6")
	}
	return nil
}

func (f Family) holds(a netip.Addr) bool { return f == AnyFamily || (f == IPv4) == a.Is4() }
