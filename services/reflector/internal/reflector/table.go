package reflector

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"tinytwamp/shared/events"
)

// When sessions give up their place.
const (
	// REFWAIT's default, RFC 5357 section 4.2.
	idle = 900 * time.Second
	// In a full table: of an unproven session, which leaves a sender of one
	// packet a second the time to prove itself; and of a proven one.
	idleUnproven = 5 * time.Second
	idleProven   = time.Minute
	// A session is proven by so many packets over so long.
	provenPackets = 3
	provenTime    = 2 * time.Second
)

// key identifies a test session (RFC 8972 section 3).
type key struct {
	peer, local   netip.AddrPort
	ssid          uint16
	authenticated bool // what cannot authenticate does not reach the state of what does
}

// session is what a stateful reflector keeps of a test session.
type session struct {
	key        key
	packets    uint32 // answered so far: the next reply's sequence number
	proven     bool   // it came back for a while
	opened     int64  // Unix ns, as are all times here
	seen       int64  // last packet
	noted      int64  // last packet in the test log
	left       uint32 // sequence number of the last reply whose transmit time is known
	leftAt     int64  // that time, 0 unknown
	replay     replay
	prev, next *session
}

// table holds the sessions, bounded in number and by their idle time. In a full
// one a new session takes the place of the unproven one that is silent for the
// longest, after a grace; where there is none, of a proven one that is silent
// for a minute; where there is none either, it is answered without state.
//
// So invented sessions of a packet or a few only displace each other. They
// delay real new ones only where more than the bound come in the grace (13,000
// a second by default), and never cost one that goes on its place. What this
// does not hold against is somebody who keeps as many invented sessions as the
// bound going, each with a packet a minute: real new ones then have no state.
// He must forge his addresses, or a limit by source would be in his way; a list
// of senders or of sessions holds against him, too.
type table struct {
	bound int

	mu        sync.Mutex
	sessions  map[key]*session
	ids       map[id]int // how many sessions have this SSID and sender port
	unproven  list
	proven    list
	refused   uint64    // packets of sessions that found no place
	displaced uint64    // sessions that made room for others
	gone      []session // displaced ones whose end is still to be told
	untold    uint64    // displaced ones beyond these
}

// silent says whether nothing came for so long. Seen as far in the future means
// that the clock was set back, nobody knows when.
func (s *session) silent(now int64, long time.Duration) bool {
	return now-s.seen >= int64(long) || s.seen-now >= int64(long)
}

// id is what a result on the bus can be matched by: behind NAT the prober does
// not know the address that the reflector saw.
type id struct {
	ssid uint16
	port uint16
}

func newTable(bound int) *table {
	return &table{
		bound: bound, sessions: make(map[key]*session), ids: make(map[id]int),
		gone: make([]session, 0, share(events.SessionEnded)),
	}
}

// touch finds or opens the session of a packet that came at now, and gives the
// sequence number of its reply. ok is false where there is no place for it.
// note says that the test log has nothing of this session from the last every
// nanoseconds.
func (t *table) touch(k key, now, every int64) (sequence uint32, opened, note, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sessions[k]
	if s == nil {
		if s = t.place(now); s == nil {
			t.refused++
			return 0, false, false, false
		}
		*s = session{key: k, opened: now}
		t.sessions[k] = s
		t.ids[id{k.ssid, k.peer.Port()}]++
		opened = true
	} else {
		t.listOf(s).remove(s)
	}
	s.seen = now
	sequence = s.packets
	s.packets++
	s.proven = s.proven || s.packets >= provenPackets && elapsed(s.opened, now, int64(provenTime))
	t.listOf(s).append(s)
	if opened || elapsed(s.noted, now, every) {
		s.noted, note = now, true
	}
	return sequence, opened, note, true
}

// place finds room for a new session, nil if there is none.
func (t *table) place(now int64) *session {
	if len(t.sessions) < t.bound {
		return new(session)
	}
	s := t.unproven.oldest
	if s == nil || !s.silent(now, idleUnproven) {
		s = t.proven.oldest
		if s == nil || !s.silent(now, idleProven) {
			return nil
		}
	}
	t.remove(s)
	t.displaced++
	if len(t.gone) < cap(t.gone) {
		t.gone = append(t.gone, *s)
	} else {
		t.untold++
	}
	return s
}

// elapsed says whether a time has passed from then to now. A clock that was set
// back counts as well, or nothing would happen until it is where it was.
func elapsed(then, now, ns int64) bool { return now < then || now-then >= ns }

// expire removes sessions that were idle at now and hands them to ended.
func (t *table) expire(now int64, ended func(session)) {
	t.removeAll(func(s *session) bool { return s.silent(now, idle) }, ended)
}

// drain removes all sessions and hands them to ended.
func (t *table) drain(ended func(session)) {
	t.removeAll(func(*session) bool { return true }, ended)
}

// takeGone takes the sessions that made room for others since the last time,
// the first of them, and counts the rest.
func (t *table) takeGone() (gone []session, untold uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone, untold = slices.Clone(t.gone), t.untold
	t.gone, t.untold = t.gone[:0], 0
	return gone, untold
}

// knows says whether a live session has this SSID and sender port.
func (t *table) knows(ssid, port uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ids[id{ssid, port}] > 0
}

func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sessions)
}

// pressure counts the packets that were answered without state because the
// table was full, and the sessions that made room for others.
func (t *table) pressure() (refused, displaced uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused, t.displaced
}

// removeAll removes sessions, the oldest of each list first, for as long as
// they are due. Ended gets them without the lock, which the packet loop needs:
// it may take its time. For the same reason it is a few at a time.
func (t *table) removeAll(due func(*session) bool, ended func(session)) {
	var removed [64]session
	for n := len(removed); n == len(removed); {
		n = 0
		t.mu.Lock()
		for _, l := range []*list{&t.unproven, &t.proven} {
			for s := l.oldest; s != nil && n < len(removed) && due(s); s = l.oldest {
				t.remove(s)
				removed[n] = *s
				n++
			}
		}
		t.mu.Unlock()
		for _, s := range removed[:n] {
			ended(s)
		}
	}
}

func (t *table) remove(s *session) {
	t.listOf(s).remove(s)
	delete(t.sessions, s.key)
	i := id{s.key.ssid, s.key.peer.Port()}
	if t.ids[i]--; t.ids[i] == 0 {
		delete(t.ids, i)
	}
}

// listOf is the list that a session is in.
func (t *table) listOf(s *session) *list {
	if s.proven {
		return &t.proven
	}
	return &t.unproven
}

// list holds sessions in the order of their last packets.
type list struct{ oldest, newest *session }

func (l *list) remove(s *session) {
	if s.prev == nil {
		l.oldest = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.newest = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

func (l *list) append(s *session) {
	s.prev = l.newest
	if l.newest == nil {
		l.oldest = s
	} else {
		l.newest.next = s
	}
	l.newest = s
}
