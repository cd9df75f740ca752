package prober

import (
	"encoding/binary"
	"net/netip"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

// model computes reports from the whole list of what was sent and what came
// back, figure by figure and as slowly as the definitions read. It shares no
// code with the session but the packet decoder.
type model struct {
	cfg     Config
	test    Test
	local   netip.AddrPort // the prober's socket, as bound
	start   time.Time
	stopped time.Time // when the test was cancelled; zero: never

	attempts []attempt
	arrivals []arrival

	packets   []packet // that were sent
	replies   []reply  // as the arrivals
	intervals []span
}

// packet is one that was sent.
type packet struct {
	attempt
	interval int
	t1       int64
	answers  []int // arrivals that answer it
	received bool  // in time
}

// reply is what an arrival is to the session.
type reply struct {
	stamp.ReflectorPacket
	packet int // -1: unexpected
	nth    int // of the packet's answers
}

// span is an interval of the test.
type span struct {
	start, end  time.Time
	planned     uint64
	failed      uint64
	first, past int // packets
	sealed      int // arrivals before its report was made
}

// run computes all reports.
func (m *model) run() []*events.RTT {
	m.divide()
	m.match()
	m.seal()
	var all []*events.RTT
	for k := range m.intervals {
		all = append(all, m.report(k))
	}
	return all
}

// divide finds the intervals and which packets they hold.
func (m *model) divide() {
	end := m.attempts[len(m.attempts)-1].at
	if !m.stopped.IsZero() && (m.cfg.Continuous || len(m.attempts) < int(m.test.Count)) {
		end = m.stopped
	}
	m.intervals = []span{{start: m.start, end: end}}
	for m.cfg.Continuous && m.intervals[len(m.intervals)-1].start.Add(m.cfg.ReportInterval).Before(end) {
		last := &m.intervals[len(m.intervals)-1]
		last.end = last.start.Add(m.cfg.ReportInterval)
		m.intervals = append(m.intervals, span{start: last.end, end: end})
	}
	for k := range m.intervals {
		i := &m.intervals[k]
		i.first = len(m.packets)
		for _, a := range m.attempts {
			last := k == len(m.intervals)-1
			if a.at.Before(i.start) || !a.at.Before(i.end) && !last {
				continue
			}
			i.planned++
			if a.failed {
				i.failed++
				continue
			}
			m.packets = append(m.packets, packet{attempt: a, interval: k, t1: a.at.UnixNano()})
		}
		i.past = len(m.packets)
	}
}

// match finds the packet that each arrival answers.
func (m *model) match() {
	for j, a := range m.arrivals {
		r := reply{packet: -1}
		b := a.message.Buf
		if !a.message.Truncated && r.UnmarshalBinary(b) == nil {
			for n, p := range m.packets {
				ssid := binary.BigEndian.Uint16(p.payload[14:])
				same := string(p.payload[0:12]) == string(b[24:36]) // sequence number and T1
				if same && (r.SSID == ssid || r.SSID == 0) && m.remembered(n, a.at) {
					r.packet = n
				}
			}
		}
		if r.packet >= 0 {
			p := &m.packets[r.packet]
			r.nth = len(p.answers)
			p.answers = append(p.answers, j)
			if r.nth == 0 {
				p.received = a.at.Sub(p.at) < m.test.Timeout
			}
		}
		m.replies = append(m.replies, r)
	}
}

// remembered says whether packet n was sent at t, and not so long ago that the
// prober has forgotten it: it remembers twice what can be waited for at a time,
// rounded up to a power of two, and never less than 8. Of a Poisson process more
// can be waited for than its mean.
func (m *model) remembered(n int, t time.Time) bool {
	waiting := uint64(m.test.Timeout/m.test.Interval) + 2
	if m.test.Schedule == Poisson {
		waiting += unevenness
	}
	if !m.cfg.Continuous {
		waiting = min(waiting, m.test.Count)
	}
	size := 8
	for size < int(2*waiting) {
		size *= 2
	}
	after := 0
	for _, p := range m.packets[n+1:] {
		if !p.at.After(t) {
			after++
		}
	}
	return !m.packets[n].at.After(t) && after < size
}

// seal finds when each report was made: as soon as its interval is over and
// the fate of all packets so far is known.
func (m *model) seal() {
	before := func(t time.Time) (n int) {
		for _, a := range m.arrivals {
			if a.at.Before(t) {
				n++
			}
		}
		return n
	}
	sealed := 0
	for k := range m.intervals {
		i := &m.intervals[k]
		sealed = max(sealed, before(i.end))
		for _, p := range m.packets[i.first:i.past] {
			if p.received {
				sealed = max(sealed, p.answers[0]+1)
			} else {
				sealed = max(sealed, before(p.at.Add(m.test.Timeout)))
			}
		}
		i.sealed = sealed
	}
}

// arrived yields the arrivals while interval k was the oldest without a report.
func (m *model) arrived(k int) []reply {
	from := 0
	if k > 0 {
		from = m.intervals[k-1].sealed
	}
	return m.replies[from:m.intervals[k].sealed]
}

// report computes that of interval k.
func (m *model) report(k int) *events.RTT {
	i := m.intervals[k]
	e := &events.RTT{
		Report: events.Report{
			Kind: events.ReportRun, Index: uint64(k), Start: i.start.UTC(), End: i.end.UTC(),
			Cut: k == len(m.intervals)-1 && i.end.Equal(m.stopped),
		},
		Planned: i.planned, SendErrors: i.failed,
		Marking: events.Marking{SentDSCP: uint8(m.test.DSCP)},
		ICMP:    []events.ICMP{},
	}
	if e.Report.Cut {
		e.Report.Why = "stopped by a signal"
	}
	if m.cfg.Continuous {
		e.Report.Kind = events.ReportInterval
	}
	m.counts(e, k)
	m.onArrival(e, k)
	m.delays(e, k)
	m.path(e, k)
	m.samples(e, k)
	e.LossPeriods = m.lossPeriods(k)
	e.Lateness = distribution(make([]int64, e.Sent)) // time stands still while a packet is sent
	return e
}

// counts says what became of the packets.
func (m *model) counts(e *events.RTT, k int) {
	i := m.intervals[k]
	for n := i.first; n < i.past; n++ {
		p := m.packets[n]
		e.Sent++
		switch {
		case p.received:
			e.Received++
		case len(p.answers) > 0 && p.answers[0] < i.sealed:
			e.Late++
		default:
			e.Lost++
		}
		if !p.received {
			continue
		}
		for _, later := range m.packets[n+1:] { // RFC 4737 section 3.3
			if later.received && later.answers[0] < p.answers[0] {
				e.Reordered++
				break
			}
		}
	}
}

// onArrival counts what belongs to no packet of the interval, or to none at all.
func (m *model) onArrival(e *events.RTT, k int) {
	var there, back uint64
	for _, r := range m.arrived(k) {
		switch {
		case r.packet < 0:
			e.Unexpected++
			continue
		case r.nth > 0:
			e.Duplicates++
			if first := m.packets[r.packet].answers[0]; m.replies[first].Sequence == r.Sequence {
				back++
			} else {
				there++
			}
		case !m.packets[r.packet].received && m.packets[r.packet].interval < k:
			e.LateAfterReport++
		}
	}
	e.DuplicatesForward, e.DuplicatesBackward = &there, &back
	source := m.local.Addr()
	for _, a := range m.matchedUntil(k) {
		if a.message.Local.IsValid() {
			source = a.message.Local
		}
	}
	e.Session.Source = netip.AddrPortFrom(source, m.local.Port())
}

// matchedUntil are the arrivals before the report of interval k that answer
// something.
func (m *model) matchedUntil(k int) (all []arrival) {
	for j, a := range m.arrivals[:m.intervals[k].sealed] {
		if m.replies[j].packet >= 0 {
			all = append(all, a)
		}
	}
	return all
}
