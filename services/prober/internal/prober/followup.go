package prober

import (
	"tinytwamp/shared/stamp"
)

// followUps corrects T3 of replies that have come already: a reply with a
// Follow-Up Telemetry TLV (RFC 8972 section 4.7) tells when the one before it
// really left. Until it is there, or cannot come any more, a packet is not
// settled.
type followUps struct {
	asked  bool
	newest uint32        // highest reflector sequence number of a reply
	recent *[16]answered // nil until asked
}

// answered is a packet by its reflector sequence number.
type answered struct {
	sequence uint32
	number   uint64
}

// ask begins to correct.
func (f *followUps) ask() { f.asked, f.recent = true, new([16]answered) }

// took notes a packet that was answered.
func (f *followUps) took(n uint64, sequence uint32) {
	if int32(sequence-f.newest) > 0 {
		f.newest = sequence
	}
	f.recent[sequence%uint32(len(f.recent))] = answered{sequence, n}
}

// awaited says whether the time at which the reply really left may still come.
func (f *followUps) awaited(a *answer) bool {
	return f.asked && a.oneWay && !a.t3Kernel && int32(f.newest-a.sequence) <= 0
}

// followUp takes what a reply tells of the one before it.
func (s *session) followUp(trailing []byte, format stamp.Format) {
	var f stamp.FollowUp
	if v, ok := answeredTLV(trailing, stamp.TLVFollowUpTelemetry); !ok || f.UnmarshalBinary(v) != nil {
		return
	}
	t3, ok := f.Timestamp.UnixNano(format)
	if !ok {
		return
	}
	r := s.followUps.recent[f.Sequence%uint32(len(s.followUps.recent))]
	if r.sequence != f.Sequence || r.number < s.open || r.number >= s.ring.next {
		return
	}
	if k := s.ring.at(r.number); k.state == received && k.answer.sequence == f.Sequence {
		k.answer.correct(t3)
	}
}

// correct takes the time at which the reply really left, unless it is
// implausible: before the one in the reply, or after its arrival.
func (a *answer) correct(t3 int64) {
	later := t3 - a.t3
	if !a.oneWay || a.t3Kernel || later < 0 || later > a.rtt {
		return
	}
	a.t3Kernel = true
	a.t3 = t3
	a.processing += later
	a.rtt -= later
	a.backward -= later
}
