package stamp

import (
	"encoding/binary"
	"net/netip"
)

// Sub-TLV types of a Location TLV, RFC 8972 section 5.3. A sender asks with the
// general ones, a reflector answers with those that name the kind of address.
const (
	SubSourceMAC       TLVType = 1
	SubSourceEUI48     TLVType = 2
	SubSourceEUI64     TLVType = 3
	SubDestinationIP   TLVType = 4
	SubDestinationIPv4 TLVType = 5
	SubDestinationIPv6 TLVType = 6
	SubSourceIP        TLVType = 7
	SubSourceIPv4      TLVType = 8
	SubSourceIPv6      TLVType = 9
)

// Sizes of values, in octets.
const (
	// LocationSize is the length of the Location TLV's value as [Location.Put]
	// writes it; of others it may differ.
	LocationSize = portsSize + 2*(TLVHeaderSize+addressSize)

	portsSize   = 4
	addressSize = 16 // of an IPv4 address, too
	macSize     = 8
)

// Location is the value of a Location TLV, as described in RFC 8972, section
// 4.2: between which addresses and ports the request was on its way when it
// reached the reflector. Behind a NAT they are not those of the sender. A sender
// asks with the zero value. MAC addresses are not part of it.
type Location struct {
	Destination netip.AddrPort // the reflector's
	Source      netip.AddrPort // the sender's
}

// Put writes the value to b, which must be of [LocationSize]: the ports and a
// sub-TLV for each address. An address that is not valid is asked for.
func (l Location) Put(b []byte) {
	_ = b[LocationSize-1]
	l.putPorts(b)
	putAddress(b[portsSize:], SubDestinationIP, l.Destination.Addr())
	putAddress(b[portsSize+TLVHeaderSize+addressSize:], SubSourceIP, l.Source.Addr())
}

func (l Location) putPorts(b []byte) {
	binary.BigEndian.PutUint16(b, l.Destination.Port())
	binary.BigEndian.PutUint16(b[2:], l.Source.Port())
}

// putAddress writes a whole sub-TLV: of the general type, with the U flag of a
// sender, where addr is not valid.
func putAddress(b []byte, general TLVType, addr netip.Addr) {
	value := b[TLVHeaderSize:][:addressSize]
	clear(value)
	b[0], b[1] = 0, byte(general)
	binary.BigEndian.PutUint16(b[2:], addressSize)
	switch {
	case addr.Is4():
		b[1]++ // the type behind the general one
		a := addr.As4()
		copy(value, a[:])
	case addr.Is6():
		b[1] += 2
		a := addr.As16()
		copy(value, a[:])
	default:
		b[0] = FlagU
	}
}

// UnmarshalBinary reads a value. Addresses that are not told are not valid ones.
// It returns [ErrMalformed] if the value or a sub-TLV has a wrong length, or if
// the reflector found a sub-TLV malformed; it ignores what it does not know and
// what the reflector did not recognize.
func (l *Location) UnmarshalBinary(b []byte) error {
	if len(b) < portsSize {
		return ErrMalformed
	}
	var destination, source netip.Addr
	for subs := b[portsSize:]; len(subs) > 0; {
		t, rest, err := NextTLV(subs)
		if err != nil || t.Flags&FlagM != 0 || !validLocationSub(t) {
			return ErrMalformed
		}
		subs = rest
		if t.Flags&FlagU != 0 {
			continue
		}
		switch t.Type {
		case SubDestinationIPv4:
			destination = netip.AddrFrom4([4]byte(t.Value))
		case SubDestinationIPv6:
			destination = netip.AddrFrom16([16]byte(t.Value))
		case SubSourceIPv4:
			source = netip.AddrFrom4([4]byte(t.Value))
		case SubSourceIPv6:
			source = netip.AddrFrom16([16]byte(t.Value))
		}
	}
	l.Destination = netip.AddrPortFrom(destination, binary.BigEndian.Uint16(b))
	l.Source = netip.AddrPortFrom(source, binary.BigEndian.Uint16(b[2:]))
	return nil
}

// validLocationSub reports whether a sub-TLV has the length of its type.
func validLocationSub(t TLV) bool {
	switch {
	case t.Type >= SubSourceMAC && t.Type <= SubSourceEUI64:
		return len(t.Value) == macSize
	case t.Type >= SubDestinationIP && t.Type <= SubSourceIPv6:
		return len(t.Value) == addressSize
	}
	return t.validPrivate()
}

// Answer turns the value of a request into that of its reply, in place and of
// the same length, as a reflector does (RFC 8972 section 4.2.2). It returns
// [ErrMalformed] if the value is: then the sub-TLV at fault has the M flag, and
// what follows it is as it was. Sub-TLVs that a sender has no reason to send get
// the U flag.
//
// The MAC address is not known here: the EUI-64 is zero, as for a packet that
// has none.
func (l Location) Answer(b []byte) error {
	if len(b) < portsSize {
		return ErrMalformed
	}
	l.putPorts(b)
	for subs := b[portsSize:]; len(subs) > 0; {
		t, rest, err := NextTLV(subs)
		if err != nil || !validLocationSub(t) {
			subs[0] = FlagM
			return ErrMalformed
		}
		switch t.Type {
		case SubSourceMAC:
			subs[0], subs[1] = 0, byte(SubSourceEUI64)
			clear(t.Value)
		case SubDestinationIP:
			putAddress(subs, t.Type, l.Destination.Addr())
		case SubSourceIP:
			putAddress(subs, t.Type, l.Source.Addr())
		default:
			subs[0] = FlagU
		}
		subs = rest
	}
	return nil
}
