package stamp

// ClassOfServiceSize is the length of the Class of Service TLV's value.
const ClassOfServiceSize = 4

// ClassOfService is the value of a Class of Service TLV, as described in RFC
// 8972, section 4.4. A sender sets DSCP1 alone.
type ClassOfService struct {
	DSCP1       uint8 // that the sender wants the reply to have
	DSCP2       uint8 // with which the request came in
	ECN         uint8 // likewise
	ReversePath uint8 // 1: the reflector's policy does not permit DSCP1
}

// Put writes the value to b, which must be of [ClassOfServiceSize].
func (c ClassOfService) Put(b []byte) {
	_ = b[ClassOfServiceSize-1]
	b[0] = c.DSCP1<<2 | c.DSCP2>>4&3
	b[1] = c.DSCP2<<4 | c.ECN&3<<2 | c.ReversePath&3
	b[2], b[3] = 0, 0
}

// UnmarshalBinary reads a value. It returns [ErrMalformed] unless b is of
// [ClassOfServiceSize].
func (c *ClassOfService) UnmarshalBinary(b []byte) error {
	if len(b) != ClassOfServiceSize {
		return ErrMalformed
	}
	c.DSCP1 = b[0] >> 2
	c.DSCP2 = b[0]&3<<4 | b[1]>>4
	c.ECN = b[1] >> 2 & 3
	c.ReversePath = b[1] & 3
	return nil
}
