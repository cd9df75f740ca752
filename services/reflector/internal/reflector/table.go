package reflector

import (
	"net/netip"
	"sync"
	"time"
)

// idle is how long a session is kept without a packet: REFWAIT's default,
// RFC 5357 section 4.2.
const idle = 900 * time.Second

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
	opened     int64  // Unix ns, as are all times here
	seen       int64  // last packet
	noted      int64  // last packet in the test log
	left       uint32 // sequence number of the last reply whose transmit time is known
	leftAt     int64  // that time, 0 unknown
	replay     replay
	prev, next *session
}

// table holds the sessions, bounded in number and by their idle time. When it
// is full, live sessions keep their place and new ones are answered without
// state, so a flood of invented sessions takes nothing from real ones.
type table struct {
	bound int

	mu       sync.Mutex
	sessions map[key]*session
	ids      map[id]int // how many sessions have this SSID and sender port
	oldest   *session   // by last packet
	newest   *session
	refused  uint64 // packets of sessions that found no place
}

// id is what a result on the bus can be matched by: behind NAT the prober does
// not know the address that the reflector saw.
type id struct {
	ssid uint16
	port uint16
}

func newTable(bound int) *table {
	return &table{bound: bound, sessions: make(map[key]*session), ids: make(map[id]int)}
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
		if len(t.sessions) >= t.bound {
			t.refused++
			return 0, false, false, false
		}
		s = &session{key: k, opened: now}
		t.sessions[k] = s
		t.ids[id{k.ssid, k.peer.Port()}]++
		opened = true
	} else {
		t.unlink(s)
	}
	t.append(s)
	s.seen = now
	sequence = s.packets
	s.packets++
	if opened || elapsed(s.noted, now, every) {
		s.noted, note = now, true
	}
	return sequence, opened, note, true
}

// elapsed says whether a time has passed from then to now. A clock that was set
// back counts as well, or nothing would happen until it is where it was.
func elapsed(then, now, ns int64) bool { return now < then || now-then >= ns }

// expire removes sessions that were idle at now and hands them to ended.
func (t *table) expire(now int64, ended func(session)) {
	t.remove(func(s *session) bool {
		// Seen far in the future: the clock was set back, nobody knows when.
		return now-s.seen >= int64(idle) || s.seen-now >= int64(idle)
	}, ended)
}

// drain removes all sessions and hands them to ended.
func (t *table) drain(ended func(session)) {
	t.remove(func(*session) bool { return true }, ended)
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

func (t *table) refusals() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

// remove removes sessions, the oldest first, for as long as they are due. Ended
// gets them without the lock, which the packet loop needs: it may take its time.
func (t *table) remove(due func(*session) bool, ended func(session)) {
	var removed []session
	t.mu.Lock()
	for s := t.oldest; s != nil && due(s); s = t.oldest {
		t.unlink(s)
		delete(t.sessions, s.key)
		i := id{s.key.ssid, s.key.peer.Port()}
		if t.ids[i]--; t.ids[i] == 0 {
			delete(t.ids, i)
		}
		removed = append(removed, *s)
	}
	t.mu.Unlock()
	for _, s := range removed {
		ended(s)
	}
}

func (t *table) unlink(s *session) {
	if s.prev == nil {
		t.oldest = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		t.newest = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.prev, s.next = nil, nil
}

func (t *table) append(s *session) {
	s.prev = t.newest
	if t.newest == nil {
		t.oldest = s
	} else {
		t.newest.next = s
	}
	t.newest = s
}
