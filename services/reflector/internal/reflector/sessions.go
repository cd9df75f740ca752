package reflector

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

const (
	// A session on a port that is also STAMP's leaves its addresses reserved for
	// so long: its last packets are no STAMP sender's. No packet lives longer
	// (the maximum segment lifetime of RFC 9293).
	reserved = 2 * time.Minute
	// So many at most, the latest: a client can have sessions come and go as fast
	// as it likes, and each change copies all.
	mostReserved = 512
	// What a client sends until it sees its control connection closed takes less to
	// arrive.
	parting = time.Second
	// Sessions that ended and whose results are still recognised.
	remembered = 4096
)

// sessions holds the negotiated sessions. Packets find theirs without a lock:
// sessions come and go seldom, packets do not.
type sessions struct {
	// set once
	own     []netip.AddrPort // where the reflector listens
	ports   PortRange        // for sessions whose port is not to be had
	refwait time.Duration
	isOwn   func(netip.Addr) bool // of this host
	open    func(at netip.AddrPort, request int) (*testPort, error)
	tell    func(events.Record)

	byPair atomic.Pointer[map[pair]*negotiated] // replaced with mu held; nil: there are none

	mu      sync.Mutex
	live    int // sessions that have not ended
	opened  uint64
	sockets map[netip.AddrPort]*testPort
	next    uint16 // of ports, to be tried next
	ending  bool
	empty   chan struct{} // closed when ending and none is live
	drops   uint64        // of the kernel, on sockets that are closed
	past    []pastSession // the oldest first
	kept    []*negotiated // that ended and keep their addresses, the oldest first
}

// pastSession is a session that ended.
type pastSession struct {
	port uint16 // of its sender
	at   time.Time
}

// find finds the session of a packet, nil if there is none.
func (t *sessions) find(p pair) *negotiated {
	byPair := t.byPair.Load()
	if byPair == nil {
		return nil
	}
	return (*byPair)[p]
}

// Open implements [control.Reflector].
func (r *Reflector) Open(terms control.Terms, ended func()) (control.Session, error) {
	return r.sessions.add(terms, ended)
}

// AllowsOpen says whether a client may negotiate sessions that nothing
// authenticates: one whose STAMP packets need no authentication either, and whose
// sessions, which have no SSID, are among those provisioned.
func (r *Reflector) AllowsOpen(client netip.Addr) bool {
	if r.keys.Load() != nil && !within(r.cfg.AllowUnauthenticated, client) {
		return false
	}
	return r.policy.sessions == nil || within(r.policy.sessions[0], client)
}

// SetControl says where sessions are negotiated: results of their tests may name
// these addresses. It comes before [Reflector.Run].
func (r *Reflector) SetControl(at []netip.AddrPort) { r.control = at }

func (t *sessions) add(terms control.Terms, ended func()) (control.Session, error) {
	if !t.isOwn(terms.Receiver.Addr()) {
		return nil, control.ErrAddress
	}
	s := &negotiated{terms: terms, all: t, ended: ended, refwait: t.refwait}
	if terms.Mode.ProtectsTest() {
		s.cipher = twamp.NewTestCipher(terms.Mode, terms.Keys, terms.SID)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending {
		return nil, control.ErrEnding
	}
	if err := t.place(s); err != nil {
		return nil, err
	}
	t.live++
	t.opened++
	t.set(s.pair, s)
	t.tell(s.record(events.SessionOpened, time.Now()))
	return s, nil
}

// set puts a session, or none, where its packets look. It is called with mu
// held.
func (t *sessions) set(p pair, s *negotiated) {
	byPair := make(map[pair]*negotiated)
	if old := t.byPair.Load(); old != nil {
		byPair = maps.Clone(*old)
	}
	if byPair[p] = s; s == nil {
		delete(byPair, p)
	}
	if len(byPair) == 0 {
		t.byPair.Store(nil)
		return
	}
	t.byPair.Store(&byPair)
}

// remove takes a session out that has ended.
func (t *sessions) remove(s *negotiated) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live--
	if len(t.past) == remembered {
		t.past = slices.Delete(t.past, 0, 1)
	}
	t.past = append(t.past, pastSession{s.pair.peer.Port(), time.Now()})
	if t.ending && t.live == 0 {
		close(t.empty)
	}
	if s.on == nil && !t.ending {
		t.keep(s)
		return
	}
	if t.find(s.pair) == s { // and not one that came since
		t.set(s.pair, nil)
	}
	if s.on == nil {
		return
	}
	if s.on.sessions--; s.on.sessions == 0 {
		delete(t.sockets, s.on.at)
		t.drops += s.on.close()
	}
}

// keep reserves the addresses of a session that ended for a while, unless later
// ones need the room. It is called with mu held.
func (t *sessions) keep(s *negotiated) {
	if len(t.kept) == mostReserved {
		t.forget(t.kept[0])
	}
	t.kept = append(t.kept, s)
	s.kept = time.AfterFunc(reserved, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.forget(s)
	})
}

// forget takes a session's addresses back, unless a new session has them by now.
// It is called with mu held.
func (t *sessions) forget(s *negotiated) {
	s.kept.Stop()
	t.kept = slices.DeleteFunc(t.kept, func(k *negotiated) bool { return k == s })
	if t.find(s.pair) == s {
		t.set(s.pair, nil)
	}
}

func (s *negotiated) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// refuse lets no session begin any more, and says how many there are.
func (t *sessions) refuse() (live int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ending = true
	return t.live
}

// drain lets no session begin any more and waits for those that there are, for
// the grace and a little more at most: with its end their control connections are
// closed, and what is on its way then is no loss of the network's.
func (t *sessions) drain(grace time.Duration) {
	if t.refuse() == 0 {
		return
	}
	timeout := time.NewTimer(grace + parting)
	defer timeout.Stop()
	select {
	case <-t.empty:
	case <-timeout.C:
	}
}

// close ends all sessions.
func (t *sessions) close(why string) {
	t.refuse()
	if byPair := t.byPair.Load(); byPair != nil {
		for _, s := range *byPair {
			s.end(why)
		}
	}
}

// knows says whether a session has or had this sender port, so lately that the
// result of its test may come now.
func (t *sessions) knows(port uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if byPair := t.byPair.Load(); byPair != nil {
		for p := range *byPair {
			if p.peer.Port() == port {
				return true
			}
		}
	}
	return slices.ContainsFunc(t.past, func(p pastSession) bool { return p.port == port && time.Since(p.at) < idle })
}

// counts are the sessions that have not ended, and all that were opened.
func (t *sessions) counts() (live int, opened uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live, t.opened
}

// dropped counts what the kernel dropped on the sockets of sessions.
func (t *sessions) dropped() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.drops
	for _, p := range t.sockets {
		n += p.drops()
	}
	return n
}
