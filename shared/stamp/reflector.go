package stamp

import "encoding/binary"

// minReplySize is the smallest reply that can be used: it ends with the Sender
// Timestamp. Old reflectors send no more.
const minReplySize = 36

// ReflectorPacket is the base packet of a Session-Reflector, as described in
// RFC 8762, section 4.3.1, and for the SSID in RFC 8972, section 3. TLVs or
// padding follow it and are not part of it.
type ReflectorPacket struct {
	Sequence         uint32        // the reflector's own when it is stateful, else SenderSequence
	Timestamp        Timestamp     // T3
	ErrorEstimate    ErrorEstimate // of Timestamp and ReceiveTimestamp
	SSID             uint16        // as in the request; 0 also from a reflector that does not know it
	ReceiveTimestamp Timestamp     // T2

	SenderSequence      uint32        // as in the request
	SenderTimestamp     Timestamp     // T1, as in the request
	SenderErrorEstimate ErrorEstimate // of SenderTimestamp, as in the request; 0 in a reply that ends before it
	SenderTTL           uint8         // TTL or hop limit with which the request arrived

	// TTLKnown is set by UnmarshalBinary if the packet was long enough to hold
	// SenderTTL. Some reflectors do not know the TTL and write 255 or 0.
	TTLKnown bool
}

// AppendBinary appends the packet, [BaseSize] octets. The error is always nil.
// The first [LightReplySize] octets of it are the smallest TWAMP-Test reply.
func (p ReflectorPacket) AppendBinary(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(b, p.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Timestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.ErrorEstimate))
	b = binary.BigEndian.AppendUint16(b, p.SSID)
	b = binary.BigEndian.AppendUint64(b, uint64(p.ReceiveTimestamp))
	b = binary.BigEndian.AppendUint32(b, p.SenderSequence)
	b = binary.BigEndian.AppendUint64(b, uint64(p.SenderTimestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.SenderErrorEstimate))
	return append(b, 0, 0, p.SenderTTL, 0, 0, 0), nil
}

// UnmarshalBinary decodes a packet of at least 36 octets, else it returns
// [ErrShort] and leaves p as it was. Fields beyond the end of b are 0. What
// must be zero is ignored, as is all that follows.
func (p *ReflectorPacket) UnmarshalBinary(b []byte) error {
	if len(b) < minReplySize {
		return ErrShort
	}

	*p = ReflectorPacket{
		Sequence:         binary.BigEndian.Uint32(b),
		Timestamp:        Timestamp(binary.BigEndian.Uint64(b[4:])),
		ErrorEstimate:    ErrorEstimate(binary.BigEndian.Uint16(b[12:])),
		SSID:             binary.BigEndian.Uint16(b[14:]),
		ReceiveTimestamp: Timestamp(binary.BigEndian.Uint64(b[16:])),
		SenderSequence:   binary.BigEndian.Uint32(b[24:]),
		SenderTimestamp:  Timestamp(binary.BigEndian.Uint64(b[28:])),
	}
	if len(b) >= 38 {
		p.SenderErrorEstimate = ErrorEstimate(binary.BigEndian.Uint16(b[36:]))
	}
	if len(b) >= LightReplySize {
		p.SenderTTL, p.TTLKnown = b[40], true
	}
	return nil
}
