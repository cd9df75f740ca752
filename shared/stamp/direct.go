package stamp

import "encoding/binary"

// DirectMeasurementSize is the length of the Direct Measurement TLV's value.
const DirectMeasurementSize = 12

// DirectMeasurement is the value of a Direct Measurement TLV, as described in
// RFC 8972, section 4.5: how many packets of a flow both ends have counted. A
// sender sets SenderTx alone.
type DirectMeasurement struct {
	SenderTx    uint32 // transmitted by the sender
	ReflectorRx uint32 // received by the reflector
	ReflectorTx uint32 // transmitted by the reflector
}

// Put writes the value to b, which must be of [DirectMeasurementSize].
func (d DirectMeasurement) Put(b []byte) {
	_ = b[DirectMeasurementSize-1]
	binary.BigEndian.PutUint32(b, d.SenderTx)
	binary.BigEndian.PutUint32(b[4:], d.ReflectorRx)
	binary.BigEndian.PutUint32(b[8:], d.ReflectorTx)
}

// UnmarshalBinary reads a value. It returns [ErrMalformed] unless b is of
// [DirectMeasurementSize].
func (d *DirectMeasurement) UnmarshalBinary(b []byte) error {
	if len(b) != DirectMeasurementSize {
		return ErrMalformed
	}
	d.SenderTx = binary.BigEndian.Uint32(b)
	d.ReflectorRx = binary.BigEndian.Uint32(b[4:])
	d.ReflectorTx = binary.BigEndian.Uint32(b[8:])
	return nil
}
