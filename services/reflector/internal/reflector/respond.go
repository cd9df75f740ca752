package reflector

import (
	"encoding/binary"

	"tinytwamp/shared/stamp"
)

// arrival is what the kernel said of a request.
type arrival struct {
	time int64 // T2, Unix ns
	ttl  int   // TTL or hop limit, -1 unknown
	tos  int   // DSCP<<2|ECN, -1 unknown
}

// reply is what a Session-Reflector adds to a request besides T2 and TTL.
type reply struct {
	sequence uint32 // of a stateful session
	stateful bool   // false: the reply takes the sender's sequence number
	strict   bool   // all trailing octets are TLVs
	clock    errorEstimates
	followUp stamp.FollowUp // zero: nothing is known of the reply before
}

// errorEstimates is the clock's condition, encoded for each [stamp.Format].
type errorEstimates [2]stamp.ErrorEstimate

// respond turns a request into its reply (RFC 8762 section 4.3.1) in place: buf
// holds the n octets of req and has room for the base packet. It returns the
// length of the reply. T3 is left to [setTransmitTime], as late as possible
// before the send.
//
// A reply is as long as its request; a request shorter than the base packet
// (TWAMP Light, RFC 8762 section 4.6) gets the base packet.
func respond(req *stamp.SenderPacket, buf []byte, n int, in arrival, out reply) int {
	format := req.ErrorEstimate.Format() // answer in the format that the sender reads
	p := stamp.ReflectorPacket{
		Sequence:            req.Sequence,
		ErrorEstimate:       out.clock[format],
		SSID:                req.SSID,
		ReceiveTimestamp:    stamp.NewTimestamp(in.time, format),
		SenderSequence:      req.Sequence,
		SenderTimestamp:     req.Timestamp,
		SenderErrorEstimate: req.ErrorEstimate,
	}
	if out.stateful {
		p.Sequence = out.sequence
	}
	if in.ttl > 0 {
		p.SenderTTL = uint8(in.ttl)
	}
	p.AppendBinary(buf[:0]) //nolint:errcheck // cannot fail, and fits by contract
	if n <= stamp.BaseSize {
		return stamp.BaseSize
	}
	if trailing := buf[stamp.BaseSize:n]; out.strict || stamp.HasTLVs(trailing) {
		markTLVs(trailing, in, out.followUp)
	}
	return n
}

// decode reads a request, or says why it is none.
func decode(req *stamp.SenderPacket, pkt []byte) reason {
	if req.UnmarshalBinary(pkt) != nil {
		return tooShort
	}
	if !req.ErrorEstimate.Valid() {
		return invalidErrorEstimate // RFC 4656 section 4.1.2: considered corrupt
	}
	return answered
}

// setTransmitTime puts T3 into a reply, in the format that its Error Estimate
// names.
func setTransmitTime(buf []byte, unixNs int64) {
	format := stamp.ErrorEstimate(binary.BigEndian.Uint16(buf[12:])).Format()
	stamp.PutTransmitTimestamp(buf, stamp.NewTimestamp(unixNs, format))
}

// markTLVs fills in each TLV and sets the reflector's flags on it (RFC 8972
// section 4): U on those that it does not know, M on those with a wrong length
// and on the first that does not fit the packet.
// What follows a malformed TLV is echoed as it came. Reserved flags are zeroed.
func markTLVs(b []byte, in arrival, followUp stamp.FollowUp) {
	for len(b) > 0 {
		t, rest, err := stamp.NextTLV(b)
		switch {
		case err != nil:
			b[0] = stamp.FlagM
			return
		case t.Type == stamp.TLVExtraPadding:
			b[0] = 0
		case t.Type == stamp.TLVFollowUpTelemetry && len(t.Value) == stamp.FollowUpSize:
			b[0] = 0
			followUp.Put(t.Value)
		case t.Type == stamp.TLVFollowUpTelemetry:
			b[0] = stamp.FlagM
			clear(t.Value)
		case t.Type == stamp.TLVClassOfService && len(t.Value) == stamp.ClassOfServiceSize && in.tos >= 0:
			b[0] = 0
			stamp.ClassOfService{DSCP1: t.Value[0] >> 2, DSCP2: uint8(in.tos >> 2), ECN: uint8(in.tos & 3)}.Put(t.Value)
		case t.Type == stamp.TLVClassOfService && len(t.Value) != stamp.ClassOfServiceSize:
			b[0] = stamp.FlagM
		default:
			b[0] = stamp.FlagU
		}
		b = rest
	}
}

// replyTOS is the DSCP of a reply, with ECN 0: a reply's congestion marks are
// its own path's. It is that of the request, unless a Class of Service TLV asks
// for another (RFC 8972 section 4.4). Everybody may: the request's is the
// sender's choice as well.
func replyTOS(request []byte, tos int, strict bool) int {
	var c stamp.ClassOfService
	if v, ok := findTLV(request, strict, stamp.TLVClassOfService); ok && tos >= 0 && c.UnmarshalBinary(v) == nil {
		return int(c.DSCP1) << 2
	}
	return max(tos, 0) &^ 3
}

// findTLV gives the value of a request's first TLV of a type.
func findTLV(request []byte, strict bool, want stamp.TLVType) (value []byte, ok bool) {
	if len(request) <= stamp.BaseSize || !strict && !stamp.HasTLVs(request[stamp.BaseSize:]) {
		return nil, false
	}
	for b := request[stamp.BaseSize:]; len(b) > 0; {
		t, rest, err := stamp.NextTLV(b)
		if err != nil {
			return nil, false
		}
		if t.Type == want {
			return t.Value, true
		}
		b = rest
	}
	return nil, false
}

// message finds the readable message of a request or of its reply: in the
// value of an Extra Padding TLV, or in the padding itself.
func message(pkt []byte) []byte {
	if len(pkt) <= stamp.BaseSize {
		return nil
	}
	trailing := pkt[stamp.BaseSize:]
	for b := trailing; len(b) > 0; {
		t, rest, err := stamp.NextTLV(b)
		if err != nil {
			break
		}
		if t.Type == stamp.TLVExtraPadding {
			if msg, ok := stamp.Message(t.Value); ok {
				return msg
			}
		}
		b = rest
	}
	msg, _ := stamp.Message(trailing)
	return msg
}

// identity reads the Session-Sender identifier that tells sessions between the
// same ports apart (RFC 8972 section 3). A STAMP sender zeroes the octets
// behind it; where they are not zero the field is a TWAMP Light sender's
// padding, which may differ in each packet and must not open a session each.
func identity(pkt []byte) uint16 {
	if len(pkt) < stamp.BaseSize {
		return 0
	}
	for _, b := range pkt[16:stamp.BaseSize] {
		if b != 0 {
			return 0
		}
	}
	return binary.BigEndian.Uint16(pkt[14:])
}
