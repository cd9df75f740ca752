package stamp

import (
	"encoding/binary"
	"math"
)

// Flags of a [TLV], RFC 8972 section 4. A sender sets U and clears the others;
// a reflector sets or clears each anew.
const (
	FlagU = 0x80 // unrecognized: the reflector did not understand the TLV
	FlagM = 0x40 // malformed: the length is wrong for the type, or beyond the packet
	FlagI = 0x20 // integrity: the HMAC TLV did not verify
)

// TLVHeaderSize is the size of Flags, Type and Length in octets.
const TLVHeaderSize = 4

// TLVType says what a TLV's value means.
type TLVType uint8

// Types of RFC 8972 section 5.1.
const (
	TLVExtraPadding      TLVType = 1 // section 4.1
	TLVLocation          TLVType = 2 // section 4.2
	TLVTimestampInfo     TLVType = 3 // section 4.3
	TLVClassOfService    TLVType = 4 // section 4.4
	TLVDirectMeasurement TLVType = 5 // section 4.5
	TLVAccessReport      TLVType = 6 // section 4.6
	TLVFollowUpTelemetry TLVType = 7 // section 4.7
	TLVHMAC              TLVType = 8 // section 4.8
)

// Types for private use, of TLVs and of sub-TLVs (RFC 8972 sections 5.1 and 5.3).
const (
	firstPrivate, lastPrivate TLVType = 252, 254

	enterpriseCodeSize = 4 // octets
)

// TLV is an extension behind the base packet, as described in RFC 8972, section
// 4.
type TLV struct {
	Flags uint8
	Type  TLVType
	Value []byte // of a decoded TLV: part of the packet, not a copy
}

// HasTLVs reports whether trailing, the octets behind the base packet of a
// request, are TLVs and not padding. RFC 8972 tells them apart only by
// configuration; here they are TLVs if the first octet is what the flags of a
// conforming sender's TLV must be, U alone.
func HasTLVs(trailing []byte) bool {
	return len(trailing) > 0 && trailing[0] == FlagU
}

// NextTLV decodes the TLV at the start of b and returns the octets behind it:
//
//	for len(b) > 0 {
//		t, b, err = stamp.NextTLV(b)
//		...
//	}
//
// If its header or its value does not fit into b, it returns [ErrMalformed] and
// all of b as rest. It does not know which lengths a type allows.
func NextTLV(b []byte) (t TLV, rest []byte, err error) {
	if len(b) < TLVHeaderSize {
		return TLV{}, b, ErrMalformed
	}
	end := TLVHeaderSize + int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < end {
		return TLV{}, b, ErrMalformed
	}

	// The capacity ends with the value, so that an append to it does not write
	// into the next TLV.
	return TLV{Flags: b[0], Type: TLVType(b[1]), Value: b[TLVHeaderSize:end:end]}, b[end:], nil
}

// AppendTLV appends t. A value longer than the 65,535 octets that Length can
// tell is cut there; no datagram would hold it.
func AppendTLV(b []byte, t TLV) []byte {
	value := t.Value[:min(len(t.Value), math.MaxUint16)]
	b = append(b, t.Flags, byte(t.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// ValidLength reports whether the value has a length that its type allows, with
// sub-TLVs not looked at. Of types that are not known every length is, but for
// those for private use.
func (t TLV) ValidLength() bool {
	switch n := len(t.Value); t.Type {
	case TLVLocation:
		return n >= portsSize
	case TLVTimestampInfo:
		return n >= TimestampInfoSize
	case TLVClassOfService:
		return n == ClassOfServiceSize
	case TLVDirectMeasurement:
		return n == DirectMeasurementSize
	case TLVAccessReport:
		return n == AccessReportSize
	case TLVFollowUpTelemetry:
		return n == FollowUpSize
	case TLVHMAC:
		return n == HMACSize
	}
	return t.validPrivate()
}

// validPrivate reports whether a TLV or sub-TLV of a type for private use is
// long enough for the enterprise code with which its value begins (RFC 8972
// section 4). It is true of other types.
func (t TLV) validPrivate() bool {
	return t.Type < firstPrivate || t.Type > lastPrivate || len(t.Value) >= enterpriseCodeSize
}

// Known reports whether the type is one of RFC 8972.
func (t TLVType) Known() bool { return t >= TLVExtraPadding && t <= TLVHMAC }
