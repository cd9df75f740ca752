package prober

import (
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// stepTolerance is by how much the wall clock may run away from the monotonic
// one between two readings before it counts as a step. The kernel slews both
// alike; what remains is preemption between the two readings.
const stepTolerance = int64(time.Millisecond)

// stamped takes the kernel's transmit time of packet n.
func (s *session) stamped(n uint64, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= s.open && n < s.ring.next {
		s.ring.at(n).tx = at
	}
}

// failed takes an ICMP error that came back for the target.
func (s *session) failed(e *udp.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interval.addICMP(e)
}

// stray takes a datagram from the target that fits no packet.
func (s *session) stray() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interval.unexpected++
}

// receive takes a reply if it fits a packet of the session: by sender sequence
// number and T1 as it stood on the wire.
func (s *session) receive(p *stamp.ReflectorPacket, m *udp.Message, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.ring.find(p.SenderSequence)
	if !ok || s.ring.at(n).wire != p.SenderTimestamp {
		return false
	}
	if s.mac != nil && !s.mac.Verify(m.Buf[:m.N]) {
		s.interval.hmacFailed++
		return true
	}
	if !s.terms.reflects(m.Buf[:m.N]) {
		s.interval.unreflected++
	}
	if p.Sequence != uint32(n) {
		s.ways.known = true
	}
	if p.SSID == 0 && s.ssid != 0 {
		s.withoutSSID(now)
	}
	if m.Local.IsValid() {
		s.source = m.Local
	}
	at := cameIn(m, now)
	s.settle(at) // what is answered too late must not count as answered in time
	k := s.ring.at(n)
	r := Reply{Target: &s.target, Number: n, Size: m.N, Hops: -1}
	switch k.state {
	case received, overdue:
		s.double(n, k, p)
		r.Duplicate = true
	case lost:
		s.overdue(n, k, p)
		r.Late = true
	default:
		s.counters.received.Add(1)
		s.answers(n, k, p, m, now)
		s.settle(at)
	}
	if s.seen != nil {
		a := &k.answer
		if a.delays {
			r.RTT, r.Known = time.Duration(a.rtt), true
		}
		if m.TTL >= 0 {
			r.Hops = 255 - m.TTL
		}
		s.seen(r)
	}
	return true
}

// withoutSSID takes a reply of a reflector that does not know the SSID (RFC 8972
// section 3): it counts sessions between the same ports as one.
func (s *session) withoutSSID(now time.Time) {
	s.ways.mixed = s.ways.mixed || s.shared
	if s.needsSSID && !s.stopped {
		s.ended = whyNoSSID
		s.stop(now)
	}
}

// cameIn is when a reply that was read at now came in: on a busy host the
// kernel had it before.
func cameIn(m *udp.Message, now time.Time) time.Time {
	if held := now.UnixNano() - m.Time; m.Kernel && held > 0 {
		return now.Add(-time.Duration(held))
	}
	return now
}

// double takes a further reply to a packet.
func (s *session) double(n uint64, k *slot, p *stamp.ReflectorPacket) {
	s.interval.duplicates++
	if p.Sequence == k.answer.sequence {
		s.interval.doubledBack++
		return
	}
	s.interval.doubledThere++
	if n >= s.open && !k.doubled {
		k.doubled, k.again = true, p.Sequence
		return
	}
	s.ways.also(p.Sequence)
}

// overdue takes the first reply to a packet that was given up.
func (s *session) overdue(n uint64, k *slot, p *stamp.ReflectorPacket) {
	k.state, k.answer.sequence = overdue, p.Sequence
	s.ways.also(p.Sequence)
	if n < s.first {
		s.interval.lateAfterReport++
		s.ways.forget(n)
		return
	}
	s.interval.lost--
	s.interval.late++
	if i := n - s.first; i < uint64(len(s.interval.samples)) {
		s.interval.samples[i].state = overdue
	}
	s.ways.find(n)
}

// answers takes the first reply to a packet that is waited for.
func (s *session) answers(n uint64, k *slot, p *stamp.ReflectorPacket, m *udp.Message, now time.Time) {
	k.answer = s.measure(k, p, m, now)
	var tlvs []byte
	if s.asks {
		tlvs = s.interval.told.take(s.trailing(m))
		k.answer.marked(tlvs)
	}
	k.answer.reordered = n < s.highest // RFC 4737 section 3.3
	s.highest = max(s.highest, n)
	k.state = received
	if s.followUps.asked {
		s.followUps.took(n, p.Sequence)
		s.followUp(tlvs, p.ErrorEstimate.Format())
		return // it is not known in full yet
	}
	s.interval.arrived(&k.answer)
}

// measure computes the delays of a packet from its four timestamps.
func (s *session) measure(k *slot, p *stamp.ReflectorPacket, m *udp.Message, now time.Time) answer {
	a := answer{
		sequence: p.Sequence, estimate: p.ErrorEstimate, t4Kernel: m.Kernel,
		senderTTL: -1, senderTOS: -1, ttl: int16(m.TTL), tos: int16(m.TOS), remarked: m.TOS >= 0 && uint8(m.TOS>>2) != s.dscp,
	}
	if p.TTLKnown && p.SenderTTL != 0 {
		a.senderTTL = int16(p.SenderTTL)
	}
	t1, t4 := k.t1, m.Time
	if k.tx >= t1 && k.tx <= t4 {
		t1, a.t1Kernel = k.tx, true
	}
	elapsed := int64(now.Sub(s.start)) - k.mono // never less than the delay
	total, stepped := s.withoutStep(t4-t1, elapsed, k, now)

	format := p.ErrorEstimate.Format()
	t2, ok2 := p.ReceiveTimestamp.UnixNano(format)
	t3, ok3 := p.Timestamp.UnixNano(format)
	if !ok2 || !ok3 {
		a.rtt, a.delays = total, true // the reflector's time is unknown, and stays in
		return a
	}
	a.processing = t3 - t2
	a.delays = a.processing >= 0 && a.processing <= total
	if a.delays {
		a.rtt = total - a.processing
		a.forward, a.backward, a.t3 = t2-t1, t4-t3, t3
		a.oneWay = !stepped
	}
	return a
}

// marked takes what a Class of Service TLV tells of the request.
func (a *answer) marked(tlvs []byte) {
	var c stamp.ClassOfService
	if v, ok := answeredTLV(tlvs, stamp.TLVClassOfService); ok && c.UnmarshalBinary(v) == nil {
		a.senderTOS = int16(c.DSCP2)<<2 | int16(c.ECN)
		if c.ReversePath != 0 { // the way back was not asked for what it carries
			a.tos, a.remarked = -1, false
		}
	}
}

// withoutStep takes a step of the wall clock out of the time between T1 and T4.
// Whether it fell between the two nobody knows; but the true time is within
// [0, elapsed], which the monotonic clock says, and close to elapsed.
func (s *session) withoutStep(total, elapsed int64, k *slot, now time.Time) (int64, bool) {
	possible := func(t int64) bool { return t >= 0 && t <= elapsed+stepTolerance }
	offset := now.UnixNano() - int64(now.Sub(s.start))
	if step := offset - (k.t1 - k.mono); step > stepTolerance || step < -stepTolerance {
		s.step(offset)
		if other := total - step; possible(other) && (other > total || !possible(total)) {
			total = other
		}
		return min(max(total, 0), elapsed), true
	}
	if !possible(total) {
		return elapsed, true
	}
	return total, false
}

// step counts a step of the wall clock, once for all packets that were on
// their way.
func (s *session) step(offset int64) {
	if d := offset - s.offset; d > stepTolerance || d < -stepTolerance {
		s.offset = offset
		s.interval.steps++
	}
}
