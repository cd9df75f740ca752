package stamp

import "encoding/binary"

// SenderPacket is the base packet of a Session-Sender, as described in RFC
// 8762, section 4.2.1, and for the SSID in RFC 8972, section 3. TLVs or padding
// follow it and are not part of it.
type SenderPacket struct {
	Sequence      uint32
	Timestamp     Timestamp     // T1
	ErrorEstimate ErrorEstimate // of Timestamp
	SSID          uint16        // Session-Sender identifier, 0: none
}

// AppendBinary appends the packet, [BaseSize] octets. The error is always nil.
// The first [LightSize] octets of it are the smallest TWAMP Light request.
func (p SenderPacket) AppendBinary(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(b, p.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Timestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.ErrorEstimate))
	b = binary.BigEndian.AppendUint16(b, p.SSID)
	return append(b, make([]byte, BaseSize-16)...), nil
}

// UnmarshalBinary decodes a packet of at least [LightSize] octets, else it
// returns [ErrShort] and leaves p as it was. SSID is 0 if b ends before it.
// What must be zero is ignored, as is all that follows.
func (p *SenderPacket) UnmarshalBinary(b []byte) error {
	if len(b) < LightSize {
		return ErrShort
	}

	*p = SenderPacket{
		Sequence:      binary.BigEndian.Uint32(b),
		Timestamp:     Timestamp(binary.BigEndian.Uint64(b[4:])),
		ErrorEstimate: ErrorEstimate(binary.BigEndian.Uint16(b[12:])),
	}
	if len(b) >= 16 {
		p.SSID = binary.BigEndian.Uint16(b[14:])
	}
	return nil
}

// PutTransmitTimestamp overwrites the Timestamp of an encoded packet, of either
// direction: its sender takes the time as the last thing before it goes out.
func PutTransmitTimestamp(b []byte, t Timestamp) {
	binary.BigEndian.PutUint64(b[4:12], uint64(t))
}
