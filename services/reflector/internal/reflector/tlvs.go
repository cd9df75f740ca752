package reflector

import (
	"net/netip"

	"tinytwamp/shared/stamp"
)

// tlvsOf gives the TLVs behind the base packet of a request, or of its reply;
// none where what follows is padding.
func tlvsOf(pkt []byte, base int, strict bool) []byte {
	if len(pkt) <= base || !strict && !stamp.HasTLVs(pkt[base:]) {
		return nil
	}
	return pkt[base:]
}

// findTLV tells whether TLVs have one of a type.
func findTLV(tlvs []byte, want stamp.TLVType) bool {
	for len(tlvs) > 0 {
		t, rest, err := stamp.NextTLV(tlvs)
		if err != nil {
			return false
		}
		if t.Type == want {
			return true
		}
		tlvs = rest
	}
	return false
}

// answerTLVs fills in each TLV of a reply and sets the reflector's flags on it
// (RFC 8972 section 4): U on those that it does not know or has no answer to, M
// on the first that is malformed. What follows a malformed TLV is echoed as it
// came. Reserved flags are zeroed. pkt is the reply, with its base packet.
//
// It returns the DSCP<<2 that the reply is to have: that of the request, unless
// a Class of Service TLV asks for another and may have it.
func answerTLVs(pkt []byte, base int, in *arrival, out *reply) (tos int) {
	tos = replyTOS(in)
	asked := false
	for b := pkt[base:]; len(b) > 0; {
		t, rest, err := stamp.NextTLV(b)
		if err != nil || !t.ValidLength() {
			b[0] = stamp.FlagM
			if t.Type == stamp.TLVFollowUpTelemetry {
				clear(t.Value) // RFC 8972 section 4.7
			}
			return tos
		}
		switch t.Type {
		case stamp.TLVHMAC:
			out.mac.SealTLVs(pkt, base) // all before it is in place; its own flags do not count
			b[0] = 0
		case stamp.TLVClassOfService:
			var dscp int
			if dscp, b[0] = answerClassOfService(t.Value, in, out); b[0] == 0 && !asked {
				tos, asked = dscp<<2, true
			}
		default:
			if b[0] = answerTLV(t, in, out); b[0]&stamp.FlagM != 0 {
				return tos
			}
		}
		b = rest
	}
	return tos
}

// replyTOS is the DSCP of a reply as long as no TLV asks for another, with ECN
// 0: a reply's congestion marks are its own path's.
func replyTOS(in *arrival) int { return max(in.tos, 0) &^ 3 }

// answerTLV fills in one TLV and returns its flags.
func answerTLV(t stamp.TLV, in *arrival, out *reply) (flags byte) {
	switch t.Type {
	case stamp.TLVExtraPadding:
		return 0
	case stamp.TLVLocation:
		if out.location(in).Answer(t.Value) != nil {
			return stamp.FlagM
		}
		return 0
	case stamp.TLVTimestampInfo:
		if out.timestampInfo().Answer(t.Value) != nil {
			return stamp.FlagM
		}
		return 0
	case stamp.TLVDirectMeasurement:
		return answerDirectMeasurement(t.Value, out)
	case stamp.TLVAccessReport:
		var r stamp.AccessReport
		if r.UnmarshalBinary(t.Value) != nil || !r.Valid() {
			return stamp.FlagU // RFC 8972 section 4.6: to be discarded
		}
		r.Put(t.Value)
		return 0
	case stamp.TLVFollowUpTelemetry:
		out.followUp.Put(t.Value)
		return 0
	}
	return stamp.FlagU
}

// answerClassOfService tells what the request came in with, and returns the
// DSCP of the reply: the one that is asked for, or that of the request where the
// policy does not permit it (RFC 8972 section 4.4).
func answerClassOfService(value []byte, in *arrival, out *reply) (dscp int, flags byte) {
	var c stamp.ClassOfService
	if in.tos < 0 || c.UnmarshalBinary(value) != nil {
		return 0, stamp.FlagU // the host does not tell what came
	}
	c = stamp.ClassOfService{DSCP1: c.DSCP1, DSCP2: uint8(in.tos >> 2), ECN: uint8(in.tos & 3)}
	dscp = int(c.DSCP1)
	if out.deniedDSCPs>>c.DSCP1&1 != 0 {
		c.ReversePath = 1
		dscp = int(c.DSCP2)
	}
	c.Put(value)
	return dscp, 0
}

// deniedDSCPs turns the list of those allowed, empty for all, into the set of
// the others, bit by bit.
func deniedDSCPs(allow []stamp.DSCP) (denied uint64) {
	if len(allow) == 0 {
		return 0
	}
	for _, d := range allow {
		denied |= 1 << d
	}
	return ^denied
}

// answerDirectMeasurement counts the packets of the test session itself, this
// request and this reply included (RFC 8972 section 4.5 leaves to the operator
// what is counted). Each packet of it that is accepted is answered. Without
// state there is no count, which U tells: zeros would be one.
func answerDirectMeasurement(value []byte, out *reply) (flags byte) {
	var d stamp.DirectMeasurement
	if !out.stateful || d.UnmarshalBinary(value) != nil {
		return stamp.FlagU
	}
	d.ReflectorRx = out.sequence + 1
	d.ReflectorTx = out.sequence + 1
	d.Put(value)
	return 0
}

// location is where the request went, or zeros of the same kind where the policy
// hides it (RFC 8972 section 4.2.2).
func (out *reply) location(in *arrival) stamp.Location {
	if !out.hideLocation {
		return stamp.Location{Destination: in.local, Source: in.peer}
	}
	hidden := netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	if in.peer.Addr().Is4() {
		hidden = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return stamp.Location{Destination: hidden, Source: hidden}
}

// timestampInfo says where T2 and T3 come from. The kernel tells that its clock
// is synchronized, not by what: NTP stands for all that discipline it. Software
// takes the timestamps, be it the kernel or this program.
func (out *reply) timestampInfo() stamp.TimestampInfo {
	source := uint8(stamp.SyncLocal)
	if out.clock[stamp.NTP].Synchronized() {
		source = stamp.SyncNTP
	}
	return stamp.TimestampInfo{
		SyncIn: source, MethodIn: stamp.TimestampSWLocal,
		SyncOut: source, MethodOut: stamp.TimestampSWLocal,
	}
}

// distrust marks the TLVs of a reply whose request failed their verification:
// nothing of them is used, and they are echoed with I, and with U where their
// type is not known (RFC 8972 section 4.8).
func distrust(tlvs []byte) {
	for b := tlvs; len(b) > 0; {
		t, rest, err := stamp.NextTLV(b)
		switch {
		case err != nil:
			b[0] = stamp.FlagI | stamp.FlagM
			return
		case !t.Type.Known():
			b[0] = stamp.FlagI | stamp.FlagU
		default:
			b[0] = stamp.FlagI
		}
		b = rest
	}
}
