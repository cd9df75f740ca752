package stamp

// TimestampInfoSize is the length of the Timestamp Information TLV's value
// without sub-TLVs. None are defined.
const TimestampInfoSize = 4

// Sources of a clock's synchronization, RFC 8972 table 7.
const (
	SyncNTP   = 1
	SyncPTP   = 2
	SyncSSU   = 3 // SSU or BITS
	SyncGNSS  = 4 // GPS, GLONASS, LORAN-C, BDS or Galileo
	SyncLocal = 5 // none: free-running
)

// Methods by which a timestamp was obtained, RFC 8972 table 9.
const (
	TimestampHWAssist     = 1 // by the network interface
	TimestampSWLocal      = 2 // by software of the host, its kernel included
	TimestampControlPlane = 3 // from a remote clock
)

// TimestampInfo is the value of a Timestamp Information TLV, as described in RFC
// 8972, section 4.3: where the reflector's timestamps come from. A sender asks
// with the zero value.
type TimestampInfo struct {
	SyncIn    uint8 // source of the clock behind T2
	MethodIn  uint8 // how T2 was obtained
	SyncOut   uint8 // likewise of T3
	MethodOut uint8
}

// Put writes the value to the first [TimestampInfoSize] octets of b.
func (i TimestampInfo) Put(b []byte) {
	_ = b[TimestampInfoSize-1]
	b[0], b[1], b[2], b[3] = i.SyncIn, i.MethodIn, i.SyncOut, i.MethodOut
}

// UnmarshalBinary reads a value and ignores sub-TLVs behind it. It returns
// [ErrMalformed] if b is shorter than [TimestampInfoSize].
func (i *TimestampInfo) UnmarshalBinary(b []byte) error {
	if len(b) < TimestampInfoSize {
		return ErrMalformed
	}
	*i = TimestampInfo{SyncIn: b[0], MethodIn: b[1], SyncOut: b[2], MethodOut: b[3]}
	return nil
}

// Answer turns the value of a request into that of its reply, in place, as a
// reflector does. It returns [ErrMalformed] if the value is: then the sub-TLV at
// fault, if any, has the M flag. Other sub-TLVs get the U flag.
func (i TimestampInfo) Answer(b []byte) error {
	if len(b) < TimestampInfoSize {
		return ErrMalformed
	}
	i.Put(b)
	for subs := b[TimestampInfoSize:]; len(subs) > 0; {
		t, rest, err := NextTLV(subs)
		if err != nil || !t.validPrivate() {
			subs[0] = FlagM
			return ErrMalformed
		}
		subs[0] = FlagU
		subs = rest
	}
	return nil
}
