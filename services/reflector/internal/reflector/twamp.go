package reflector

import (
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// respondTWAMP turns a request of a negotiated session into its reply (RFC 5357
// section 4.2.1) in place: buf holds the n octets of req, in clear, and has room
// for the base packet of a reply, whose length it returns. T3 and, in the
// protected modes, the HMAC and the encryption are left to [finish].
//
// A reply is as long as its request, or as the base packet if that is longer.
// The front of the sender's padding moves behind the base packet, and what finds
// no room at the end is cut off. Where the size is symmetrical it stands there
// already (RFC 6038 section 5.1.4). So octets that are to be reflected are,
// as far as the request has them: that the padding is long enough for all of them
// was seen to when the session was opened.
func respondTWAMP(mode twamp.Mode, req *stamp.SenderPacket, buf []byte, n int, in *arrival, out *reply) (size int) {
	base := mode.ReflectorBase()
	size = max(n, base)
	if mode&twamp.SymmetricalSize == 0 {
		copy(buf[base:size], buf[mode.SenderBase():n])
	}
	// A sender that does not know the format bit (Z, RFC 8186) leaves it zero and
	// gets NTP; one that sets it reads it, too, though nothing negotiates it.
	format := req.ErrorEstimate.Format()
	p := stamp.ReflectorPacket{
		Sequence:            out.sequence,
		ErrorEstimate:       out.clock[format],
		ReceiveTimestamp:    stamp.NewTimestamp(in.time, format),
		SenderSequence:      req.Sequence,
		SenderTimestamp:     req.Timestamp,
		SenderErrorEstimate: req.ErrorEstimate,
		SenderTTL:           255, // RFC 5357 section 4.2: where it is not known
	}
	if in.ttl >= 0 {
		p.SenderTTL = uint8(in.ttl)
	}
	if mode.ProtectsTest() {
		p.AppendAuthenticated(buf[:0])
		return size
	}
	var b [stamp.BaseSize]byte // STAMP's, which is 3 octets longer
	p.AppendBinary(b[:0])      //nolint:errcheck // cannot fail
	copy(buf, b[:base])
	return size
}
