package prober

import (
	"net/netip"
	"sync"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

// plan says how one address of a target is tested. It does not change.
type plan struct {
	target   events.Target
	ifIndex  int // scope of a link-local target
	mode     Mode
	count    uint64        // packets of a burst; 0: continuous
	every    time.Duration // report interval, if continuous
	interval time.Duration
	schedule Schedule
	timeout  time.Duration
	dscp     uint8
	ssid     uint16
	format   stamp.Format
	message  string
	payload  []byte // of each packet, with sequence number and T1 to be filled in
	samples  int    // packets that a report lists
	spin     bool   // before each packet, for microseconds
}

// session is one test session: the Session-Sender's side of RFC 8762, or of RFC
// 5357.
type session struct {
	plan
	out   sender
	start time.Time     // origin of the session's monotonic clock
	done  func(*sealed) // takes a report that is ready; must not wait
	pool  *pool         // where intervals come from
	seen  func(Reply)   // takes each reply to a packet; must not wait; may be nil

	counters *counters      // of the test
	peer     netip.AddrPort // where packets go: the target's address, but in twamp mode
	mac      *stamp.MAC     // nil: not authenticated by STAMP; the link's
	terms    *terms         // nil: not agreed on by TWAMP-Control; the link's
	direct   []byte         // of payload: the value of a Direct Measurement TLV

	// owned by the maker of reports
	throttled time.Duration // of the process, when the last report was made
	answered  bool
	group     *group // set once; nil: the only one of its address

	turn int  // place in the link's queue, -1: none; the link's
	seat seat // the roster's

	mu        sync.Mutex
	ring      ring
	draft     slot // of the packet that is being sent: a failure must not cost the ring an old one
	planned   uint64
	due       time.Time // of the next packet
	stopped   bool      // no more packets
	ended     string    // why, if early
	open      uint64    // first packet that is not settled
	first     uint64    // first packet that is in no report
	bounds    []bound   // of the intervals that have no report yet; the last one is being sent
	interval  *interval // being gathered: that of bounds[0]
	spare     *interval // for reuse, if it has grown
	ways      direction
	followUps followUps
	asks      bool   // for TLVs
	needsSSID bool   // ends at a reply without
	shared    bool   // another session has the same addresses and ports
	highest   uint64 // packet that was answered
	source    netip.Addr
	drops     uint64 // of the socket, when the last report was made
	offset    int64  // wall clock minus monotonic clock
}

// bound is where an interval ends.
type bound struct {
	index      uint64
	start, end time.Time // end is zero while unknown (a burst)
	next       uint64    // number after its last packet, once closed
	planned    uint64
	sendErrors uint64
	closed     bool
}

// unevenness is for how many packets more than its mean a Poisson process gets
// room, before that is doubled: it needs more than this once in 10^15 packets.
const unevenness = 12

// sender is the socket that a session sends on.
type sender interface {
	// send stamps T1 on the packet and sends it.
	send(s *session, n uint64, p *slot) error
	drops() uint64
	address() netip.AddrPort // own end, as bound
}

func newSession(p plan, out sender, done func(*sealed), seen func(Reply)) *session {
	inFlight := uint64(p.timeout/p.interval) + 2
	if p.schedule == Poisson {
		inFlight += unevenness
	}
	if p.count > 0 {
		inFlight = min(inFlight, p.count)
	}
	s := &session{
		plan: p, peer: p.target.Address, out: out, done: done, seen: seen,
		ring: newRing(2 * inFlight), interval: newInterval(),
		source: out.address().Addr(), throttled: throttled(), drops: out.drops(), turn: -1, counters: new(counters), pool: new(pool),
	}
	return s
}

// beginAt sets when the session begins, before anything else is done with it.
func (s *session) beginAt(start time.Time) {
	s.start, s.due = start, start
	s.bounds = []bound{s.newBound(0, start)}
}

func (s *session) newBound(index uint64, start time.Time) bound {
	b := bound{index: index, start: start}
	if s.count == 0 {
		b.end = start.Add(s.every)
	}
	return b
}

// sendsAtOnce bounds the packets that are sent in a row to catch up, before
// replies are read again: their buffer is bounded, too.
const sendsAtOnce = 16

// wake does all that is due at now: sends, gives packets up, closes intervals.
// All that had come in by drained has been received: a packet is not given up
// while its answer may lie in the socket. It returns when to be called again;
// never again if the time is zero.
func (s *session) wake(now, drained time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sends := 0; !s.stopped; {
		b := &s.bounds[len(s.bounds)-1]
		isDue := !s.due.After(now) && (b.end.IsZero() || s.due.Before(b.end))
		switch {
		case isDue && sends == sendsAtOnce:
			return s.due
		case isDue:
			sends++
			s.sendNext(now, drained)
		case !b.end.IsZero() && !b.end.After(now):
			s.closeInterval(b.end)
			s.bounds = append(s.bounds, s.newBound(b.index+1, b.end))
		default:
			s.settle(drained)
			return s.nextWake(b.end)
		}
	}
	s.settle(drained)
	return s.nextWake(time.Time{})
}

// sendNext sends the packet that is due.
func (s *session) sendNext(now, drained time.Time) {
	s.settle(drained)
	if s.ring.next-s.open == uint64(len(s.ring.slots)) {
		s.giveUp() // the host was away for longer than the timeout
	}
	b := &s.bounds[len(s.bounds)-1]
	b.planned++
	s.planned++
	s.draft = slot{late: max(0, int64(now.Sub(s.due)))}
	switch {
	case now.Sub(s.due) > s.timeout+s.plan.interval:
		// The host was away. A flood of all that was missed would measure nothing.
	case s.out.send(s, s.ring.next, &s.draft) != nil:
		b.sendErrors++
	default:
		*s.ring.at(s.ring.next) = s.draft
		s.ring.next++
	}
	s.due = s.due.Add(s.schedule.gap(s.plan.interval))
	if s.planned == s.count && s.count > 0 {
		s.stop(now)
	}
}

// stop ends the sending.
func (s *session) stop(now time.Time) {
	if !s.stopped {
		s.stopped = true
		s.closeInterval(now)
	}
}

func (s *session) closeInterval(end time.Time) {
	b := &s.bounds[len(s.bounds)-1]
	b.end, b.next, b.closed = end, s.ring.next, true
}

// end stops a session early. Its last report says why.
func (s *session) end(now time.Time, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.ended = why
	}
	s.stop(now)
	s.reports()
}

// cut ends a session that its reflector no longer serves: also one that has sent
// all, and waits for replies. It says whether the session ends early by that.
func (s *session) cut(now time.Time, why string) (early bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	early = !s.stopped || s.open < s.ring.next
	if early && s.ended == "" {
		s.ended = why
	}
	s.stop(now)
	s.reports()
	return early
}

// share says that the session has an address and a port in common with
// another: only the SSID tells a reflector which is which.
func (s *session) share() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = true
}

// nextWake is the earliest of what can fall due.
func (s *session) nextWake(end time.Time) time.Time {
	var next time.Time
	if !s.stopped {
		next = s.due
		if !end.IsZero() && end.Before(next) {
			next = end
		}
	}
	// Packets are given up late if nobody waits for them.
	if len(s.bounds) > 0 && s.bounds[0].closed && s.open < s.ring.next {
		p := s.ring.at(s.open)
		if t := s.start.Add(time.Duration(p.mono) + s.timeout); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next
}

// settle moves on over packets whose fate is known at now, and reports
// intervals that are complete.
func (s *session) settle(now time.Time) {
	mono := int64(now.Sub(s.start))
	for s.reports(); s.open < s.ring.next; s.reports() {
		p := s.ring.at(s.open)
		inTime := mono-p.mono < int64(s.timeout)
		switch {
		case p.state == pending && inTime, p.state == received && inTime && s.awaits(p):
			return
		case p.state == pending:
			p.state = lost
		}
		s.pass(p)
	}
}

// awaits says whether the next reply may yet correct the oldest packet's. After
// the last packet there is none.
func (s *session) awaits(p *slot) bool {
	last := s.stopped && s.open+1 == s.ring.next
	return !last && s.followUps.awaited(&p.answer)
}

// giveUp settles the oldest packet as lost.
func (s *session) giveUp() {
	p := s.ring.at(s.open)
	p.state = lost
	s.pass(p)
	s.reports()
}

// pass takes the oldest unsettled packet into its interval.
func (s *session) pass(p *slot) {
	s.interval.settle(s.open, p, s.samples)
	if p.state == lost {
		s.ways.lose()
	} else {
		s.ways.receive(s.open, p.answer.sequence)
		if s.followUps.asked {
			s.interval.arrived(&p.answer)
		}
	}
	if p.doubled {
		s.ways.also(p.again)
	}
	s.open++
}

// reports hands on the intervals that are complete.
func (s *session) reports() {
	for len(s.bounds) > 0 && s.bounds[0].closed && s.open >= s.bounds[0].next {
		s.report()
	}
}

// report hands on the oldest interval.
func (s *session) report() {
	b := s.bounds[0]
	s.bounds = s.bounds[1:]
	r := &sealed{
		session: s, interval: s.interval, index: b.index, start: b.start, end: b.end,
		source: netip.AddrPortFrom(s.source, s.out.address().Port()),
	}
	if s.stopped && len(s.bounds) == 0 {
		r.last, r.ended = true, s.ended
	}
	r.interval.planned, r.interval.sendErrors = b.planned, b.sendErrors
	r.forward, r.backward, r.unresolved = s.ways.report()
	drops := s.out.drops()
	r.drops, s.drops = drops-s.drops, drops
	s.ways.cut()
	s.first = b.next
	next := s.spare
	if s.spare = nil; next == nil {
		next = s.pool.take()
	}
	next.follow(s.interval)
	s.interval = next
	s.done(r)
}

// recycle takes back the interval of a report that was made. One that holds
// many values stays with its session, which will need the room again.
func (s *session) recycle(i *interval) {
	if i.lateness.Cap() <= fewValues {
		s.pool.put(i)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = i
}
