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
	k := s.ring.at(n)
	s.source = m.Local
	r := Reply{Target: &s.target, Number: n, Size: m.N, Hops: -1}
	switch k.state {
	case received, overdue:
		s.double(k, p)
		r.Duplicate = true
	case lost:
		s.overdue(n, k, p)
		r.Late = true
	default:
		s.answered(n, k, p, m, now)
		s.settle(now)
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

// double takes a further reply to a packet.
func (s *session) double(k *slot, p *stamp.ReflectorPacket) {
	s.interval.duplicates++
	if p.Sequence == k.answer.sequence {
		s.interval.doubledBack++
		return
	}
	s.interval.doubledThere++
	s.ways.duplicate(p.Sequence)
}

// overdue takes the first reply to a packet that was given up.
func (s *session) overdue(n uint64, k *slot, p *stamp.ReflectorPacket) {
	k.state, k.answer.sequence = overdue, p.Sequence
	if n < s.first {
		s.interval.lateAfterReport++
		return
	}
	s.interval.lost--
	s.interval.late++
	s.ways.late()
}

// answered takes the first reply to a packet that is waited for.
func (s *session) answered(n uint64, k *slot, p *stamp.ReflectorPacket, m *udp.Message, now time.Time) {
	k.answer = s.measure(k, p, m, now)
	s.interval.estimate = p.ErrorEstimate
	if m.TOS >= 0 {
		s.interval.returnedTOS = m.TOS
		if uint8(m.TOS>>2) != s.dscp {
			s.interval.remarked++
		}
	}
	k.state = received
	s.interval.arrived(&k.answer)
	if n+1 < s.highest {
		s.interval.reordered++ // RFC 4737 section 3.3
	}
	s.highest = max(s.highest, n+1)
}

// measure computes the delays of a packet from its four timestamps.
func (s *session) measure(k *slot, p *stamp.ReflectorPacket, m *udp.Message, now time.Time) answer {
	a := answer{sequence: p.Sequence, t4Kernel: m.Kernel, senderTTL: -1, ttl: int16(m.TTL)}
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
		a.forward, a.backward = t2-t1, t4-t3
		a.oneWay = !stepped
	}
	return a
}

// withoutStep takes a step of the wall clock out of the time between T1 and T4:
// total must be within [0, elapsed], which the monotonic clock says.
func (s *session) withoutStep(total, elapsed int64, k *slot, now time.Time) (int64, bool) {
	offset := now.UnixNano() - int64(now.Sub(s.start))
	step := offset - (k.t1 - k.mono)
	if step > stepTolerance || step < -stepTolerance {
		s.step(offset)
		if total < 0 || total > elapsed+stepTolerance {
			total -= step
		}
		return min(max(total, 0), elapsed), true
	}
	if total < 0 || total > elapsed+stepTolerance {
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
