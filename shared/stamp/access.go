package stamp

// AccessReportSize is the length of the Access Report TLV's value.
const AccessReportSize = 4

// Access networks of an [AccessReport], RFC 8972 section 4.6.
const (
	Access3GPP    = 1
	AccessNon3GPP = 2
)

// Return codes of an [AccessReport], RFC 8972 section 5.6.
const (
	NetworkAvailable   = 1
	NetworkUnavailable = 2
)

// AccessReport is the value of an Access Report TLV, as described in RFC 8972,
// section 4.6: the sender tells the state of an access network, and the
// reflector returns what it was told.
type AccessReport struct {
	Access     uint8 // 4 bits
	ReturnCode uint8
}

// Valid reports whether the access network is one of those that there are. A
// report of another is to be ignored.
func (r AccessReport) Valid() bool { return r.Access == Access3GPP || r.Access == AccessNon3GPP }

// Put writes the value to b, which must be of [AccessReportSize].
func (r AccessReport) Put(b []byte) {
	_ = b[AccessReportSize-1]
	b[0], b[1], b[2], b[3] = r.Access<<4, r.ReturnCode, 0, 0
}

// UnmarshalBinary reads a value. It returns [ErrMalformed] unless b is of
// [AccessReportSize].
func (r *AccessReport) UnmarshalBinary(b []byte) error {
	if len(b) != AccessReportSize {
		return ErrMalformed
	}
	*r = AccessReport{Access: b[0] >> 4, ReturnCode: b[1]}
	return nil
}
