package stamp

import "encoding/binary"

// FollowUpSize is the length of the Follow-Up Telemetry TLV's value.
const FollowUpSize = 16

// FollowUp is the value of a Follow-Up Telemetry TLV, as described in RFC 8972,
// section 4.7: when the previous reply of the session really left. A sender
// asks with all fields zero; a reflector that knows nothing leaves them so.
type FollowUp struct {
	Sequence  uint32    // reflector's sequence number of that reply
	Timestamp Timestamp // in the format of the reply that carries it; 0: unknown
	Mode      uint8     // how the timestamp was obtained, for instance TimestampSWLocal
}

// Put writes the value to b, which must be of [FollowUpSize].
func (f FollowUp) Put(b []byte) {
	_ = b[FollowUpSize-1]
	binary.BigEndian.PutUint32(b, f.Sequence)
	binary.BigEndian.PutUint64(b[4:], uint64(f.Timestamp))
	b[12] = f.Mode
	b[13], b[14], b[15] = 0, 0, 0
}

// UnmarshalBinary reads a value. It returns [ErrMalformed] unless b is of
// [FollowUpSize].
func (f *FollowUp) UnmarshalBinary(b []byte) error {
	if len(b) != FollowUpSize {
		return ErrMalformed
	}
	f.Sequence = binary.BigEndian.Uint32(b)
	f.Timestamp = Timestamp(binary.BigEndian.Uint64(b[4:]))
	f.Mode = b[12]
	return nil
}
