package stamp

import "encoding/binary"

// Layout of the authenticated packets, in octets. Both end with the HMAC.
const (
	// AuthSize is the size of the base packet in authenticated mode, in both
	// directions (RFC 8762 sections 4.2.2 and 4.3.2).
	AuthSize = 112

	authCovered   = AuthSize - HMACSize // what the HMAC is over: six blocks of 16 (RFC 8762 section 4.4)
	authTimestamp = 16                  // the fields from Timestamp to SSID
)

// AppendAuthenticated appends the packet as authenticated mode has it,
// [AuthSize] octets. Its HMAC is zero: [MAC.Seal] fills it in once nothing of
// the packet changes any more.
func (p SenderPacket) AppendAuthenticated(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.Sequence)
	b = append(b, make([]byte, 12)...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Timestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.ErrorEstimate))
	b = binary.BigEndian.AppendUint16(b, p.SSID)
	return append(b, make([]byte, 68+HMACSize)...)
}

// UnmarshalAuthenticated decodes an authenticated packet of at least [AuthSize]
// octets, else it returns [ErrShort] and leaves p as it was. It does not verify
// the HMAC, see [MAC.Verify].
func (p *SenderPacket) UnmarshalAuthenticated(b []byte) error {
	if len(b) < AuthSize {
		return ErrShort
	}
	*p = SenderPacket{
		Sequence:      binary.BigEndian.Uint32(b),
		Timestamp:     Timestamp(binary.BigEndian.Uint64(b[authTimestamp:])),
		ErrorEstimate: ErrorEstimate(binary.BigEndian.Uint16(b[24:])),
		SSID:          binary.BigEndian.Uint16(b[26:]),
	}
	return nil
}

// AppendAuthenticated appends the packet as authenticated mode has it,
// [AuthSize] octets. Its HMAC is zero: [MAC.Seal] fills it in once nothing of
// the packet changes any more.
func (p ReflectorPacket) AppendAuthenticated(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.Sequence)
	b = append(b, make([]byte, 12)...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Timestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.ErrorEstimate))
	b = binary.BigEndian.AppendUint16(b, p.SSID)
	b = append(b, make([]byte, 4)...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.ReceiveTimestamp))
	b = append(b, make([]byte, 8)...)
	b = binary.BigEndian.AppendUint32(b, p.SenderSequence)
	b = append(b, make([]byte, 12)...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.SenderTimestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.SenderErrorEstimate))
	b = append(b, make([]byte, 6)...)
	b = append(b, p.SenderTTL)
	return append(b, make([]byte, 15+HMACSize)...)
}

// UnmarshalAuthenticated decodes an authenticated packet of at least [AuthSize]
// octets, else it returns [ErrShort] and leaves p as it was. It does not verify
// the HMAC, see [MAC.Verify].
func (p *ReflectorPacket) UnmarshalAuthenticated(b []byte) error {
	if len(b) < AuthSize {
		return ErrShort
	}
	*p = ReflectorPacket{
		Sequence:            binary.BigEndian.Uint32(b),
		Timestamp:           Timestamp(binary.BigEndian.Uint64(b[authTimestamp:])),
		ErrorEstimate:       ErrorEstimate(binary.BigEndian.Uint16(b[24:])),
		SSID:                binary.BigEndian.Uint16(b[26:]),
		ReceiveTimestamp:    Timestamp(binary.BigEndian.Uint64(b[32:])),
		SenderSequence:      binary.BigEndian.Uint32(b[48:]),
		SenderTimestamp:     Timestamp(binary.BigEndian.Uint64(b[64:])),
		SenderErrorEstimate: ErrorEstimate(binary.BigEndian.Uint16(b[72:])),
		SenderTTL:           b[80],
		TTLKnown:            true,
	}
	return nil
}

// PutAuthTransmitTimestamp overwrites the Timestamp of an encoded authenticated
// packet, of either direction. [MAC.Seal] comes after it.
func PutAuthTransmitTimestamp(b []byte, t Timestamp) {
	binary.BigEndian.PutUint64(b[authTimestamp:authTimestamp+8], uint64(t))
}
