package stamp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of a key file. A lookup goes over its lines for each packet.
const (
	maxKeys   = 1024
	minKey    = 16   // octets: as many as the HMAC has
	maxKey    = 1024 // octets
	ssidLabel = "ssid:"
)

// Keys are those of a key file, which both ends of a session have: each line
// says which sessions it is for, and the first that fits wins. They do not
// change, so that goroutines can share them.
type Keys struct{ lines []keyLine }

type keyLine struct {
	selector selector
	key      []byte
}

// selector says which sessions a key is for: those with an SSID, those with a
// peer, or, when it is zero, all.
type selector struct {
	ssid   uint16
	prefix netip.Prefix
}

func (s selector) fits(ssid uint16, peer netip.Addr) bool {
	switch {
	case s.ssid != 0:
		return s.ssid == ssid
	case s.prefix.IsValid():
		return s.prefix.Contains(peer)
	}
	return true
}

// ParseKeys reads a key file. A line is a selector, white space and a key of 16
// to 1024 octets in hexadecimal digits; a selector is *, ssid:4660, an address
// or a prefix. # begins a comment, and empty lines are allowed.
//
// The error, one line, names all faults by their line numbers. It quotes
// nothing: what stands in the place of a selector may be a key.
func ParseKeys(text []byte) (Keys, error) {
	var keys Keys
	var faults []string
	first := map[selector]int{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(keys.lines)+len(faults) == maxKeys {
			faults = append(faults, fmt.Sprintf("line %d: there are more than %d keys", number, maxKeys))
			break
		}
		parsed, err := parseKeyLine(fields)
		if err == nil && first[parsed.selector] != 0 {
			err = fmt.Errorf("the selector is that of line %d", first[parsed.selector])
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("line %d: %v", number, err))
			continue
		}
		first[parsed.selector] = number
		keys.lines = append(keys.lines, parsed)
	}
	if len(keys.lines)+len(faults) == 0 {
		faults = append(faults, "there is no key in it")
	}
	if len(faults) > 0 {
		return Keys{}, errors.New("stamp: key file: " + strings.Join(faults, "; "))
	}
	return keys, nil
}

func parseKeyLine(fields []string) (l keyLine, err error) {
	if len(fields) != 2 {
		return l, errors.New("must be a selector, a space and a key in hexadecimal digits")
	}
	if l.selector, err = parseSelector(fields[0]); err != nil {
		return l, err
	}
	if l.key, err = hex.DecodeString(fields[1]); err != nil || len(l.key) < minKey || len(l.key) > maxKey {
		return l, fmt.Errorf("the key must be %d to %d hexadecimal digits, an even number of them", 2*minKey, 2*maxKey)
	}
	return l, nil
}

func parseSelector(text string) (s selector, err error) {
	if text == "*" {
		return s, nil
	}
	if digits, ok := strings.CutPrefix(text, ssidLabel); ok {
		// The SSID is never zero (RFC 8972 section 3).
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n > 0 {
			return selector{ssid: uint16(n)}, nil
		}
		return s, errors.New("the SSID must be a number from 1 to 65535")
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return selector{prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	if prefix, err := netip.ParsePrefix(text); err == nil && !prefix.Addr().Is4In6() {
		return selector{prefix: prefix.Masked()}, nil
	}
	return s, errors.New("the selector must be *, ssid: and a number, an address or a prefix")
}

// Lookup returns the key for the sessions with an SSID (0: none) and a peer. It
// is a part of k: do not change it.
func (k Keys) Lookup(ssid uint16, peer netip.Addr) (key []byte, ok bool) {
	if i := k.find(ssid, peer); i >= 0 {
		return k.lines[i].key, true
	}
	return nil, false
}

// find is the line of a session's key, or -1.
func (k Keys) find(ssid uint16, peer netip.Addr) int {
	peer = peer.Unmap().WithZone("")
	for i := range k.lines {
		if k.lines[i].selector.fits(ssid, peer) {
			return i
		}
	}
	return -1
}

// MACs is a [MAC] for each key, for one goroutine that has many sessions.
type MACs struct {
	keys Keys
	macs []*MAC // by line
}

// MACs makes a MAC for each key.
func (k Keys) MACs() *MACs {
	m := &MACs{keys: k}
	for _, l := range k.lines {
		m.macs = append(m.macs, NewMAC(l.key))
	}
	return m
}

// Lookup returns the MAC for the sessions with an SSID (0: none) and a peer, or
// nil where there is no key for them.
func (m *MACs) Lookup(ssid uint16, peer netip.Addr) *MAC {
	if i := m.keys.find(ssid, peer); i >= 0 {
		return m.macs[i]
	}
	return nil
}
