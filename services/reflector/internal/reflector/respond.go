package reflector

import (
	"encoding/binary"
	"net/netip"

	"tinytwamp/shared/stamp"
)

// arrival is what the kernel said of a request.
type arrival struct {
	time  int64 // T2, Unix ns
	ttl   int   // TTL or hop limit, -1 unknown
	tos   int   // DSCP<<2|ECN, -1 unknown
	peer  netip.AddrPort
	local netip.AddrPort // that was asked
}

// reply is what a Session-Reflector adds to a request besides T2 and TTL.
type reply struct {
	sequence      uint32 // of a stateful session
	stateful      bool   // false: the reply takes the sender's sequence number
	strict        bool   // all trailing octets are TLVs
	authenticated bool   // request and reply are of authenticated mode
	clock         errorEstimates
	hideLocation  bool           // Location TLVs are answered with zeros
	deniedDSCPs   uint64         // those that no sender may ask for, bit by bit
	followUp      stamp.FollowUp // zero: nothing is known of the reply before
	mac           *stamp.MAC     // of the session's key; nil: there is none
}

// errorEstimates is the clock's condition, encoded for each [stamp.Format].
type errorEstimates [2]stamp.ErrorEstimate

// baseSize is the size of the base packet.
func baseSize(authenticated bool) int {
	if authenticated {
		return stamp.AuthSize
	}
	return stamp.BaseSize
}

// respond turns a request into its reply (RFC 8762 sections 4.3.1 and 4.3.2) in
// place: buf holds the n octets of req and has room for the base packet. It
// returns the length of the reply and its DSCP<<2. T3 and the base packet's HMAC
// are left to [finish], as late as possible before the send.
//
// A reply is as long as its request; a request shorter than the base packet
// (TWAMP Light, RFC 8762 section 4.6) gets the base packet.
//
// TLVs with an HMAC that does not verify, or without one that they need, are
// not used (RFC 8972 section 4.8). So are those whose HMAC nothing can verify,
// for want of a key: nobody knows who wrote them.
func respond(req *stamp.SenderPacket, buf []byte, n int, in *arrival, out *reply) (size, tos int) {
	base := baseSize(out.authenticated)
	tlvs := tlvsOf(buf[:n], base, out.strict)
	// The HMAC is over the sequence number, which the reply overwrites.
	trusted := !stamp.NeedsHMAC(tlvs, out.authenticated) || out.mac != nil && out.mac.VerifyTLVs(buf[:n], base)
	putBase(req, buf, in, out)
	tos = replyTOS(in)
	switch {
	case !trusted:
		distrust(tlvs)
	case tlvs != nil:
		tos = answerTLVs(buf[:n], base, in, out)
	}
	return max(n, base), tos
}

// putBase writes the base packet of a reply.
func putBase(req *stamp.SenderPacket, buf []byte, in *arrival, out *reply) {
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
	if out.authenticated {
		p.AppendAuthenticated(buf[:0])
		return
	}
	p.AppendBinary(buf[:0]) //nolint:errcheck // cannot fail, and fits by contract
}

// decode reads a request, or says why it is none.
func decode(req *stamp.SenderPacket, pkt []byte, authenticated bool) reason {
	err := req.UnmarshalBinary(pkt)
	if authenticated {
		err = req.UnmarshalAuthenticated(pkt)
	}
	if err != nil {
		return tooShort
	}
	if !req.ErrorEstimate.Valid() {
		return invalidErrorEstimate // RFC 4656 section 4.1.2: considered corrupt
	}
	return answered
}

// finish puts T3 into a reply, in the format that its Error Estimate names. A
// reply of authenticated mode has a mac, and gets its HMAC.
func finish(buf []byte, unixNs int64, mac *stamp.MAC) {
	if mac == nil {
		format := stamp.ErrorEstimate(binary.BigEndian.Uint16(buf[12:])).Format()
		stamp.PutTransmitTimestamp(buf, stamp.NewTimestamp(unixNs, format))
		return
	}
	format := stamp.ErrorEstimate(binary.BigEndian.Uint16(buf[24:])).Format()
	stamp.PutAuthTransmitTimestamp(buf, stamp.NewTimestamp(unixNs, format))
	mac.Seal(buf)
}

// message finds the readable message of a request or of its reply: in the
// value of an Extra Padding TLV, or in the padding itself.
func message(pkt []byte, base int) []byte {
	if len(pkt) <= base {
		return nil
	}
	trailing := pkt[base:]
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
func identity(pkt []byte, authenticated bool) uint16 {
	if authenticated {
		var p stamp.SenderPacket
		_ = p.UnmarshalAuthenticated(pkt) // too short: 0
		return p.SSID
	}
	if len(pkt) < stamp.BaseSize {
		return 0
	}
	zeros := pkt[16:stamp.BaseSize]
	if binary.NativeEndian.Uint64(zeros)|binary.NativeEndian.Uint64(zeros[8:])|binary.NativeEndian.Uint64(zeros[16:]) != 0 ||
		binary.NativeEndian.Uint32(zeros[24:]) != 0 {
		return 0
	}
	return binary.BigEndian.Uint16(pkt[14:])
}
