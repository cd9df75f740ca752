package prober

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// Why sessions end.
const (
	whyComplete = "test complete"
	whySignal   = "stopped by a signal"
	whyRemoved  = "no longer a target"
	whyChanged  = "its target was changed"
	whyAddress  = "its name no longer has this address"
	whyNoSSID   = "replies come without the SSID"
)

// roster keeps the sessions in step with the targets and the addresses of their
// names: a session for each address and own port of each target. Sessions of
// which nothing changed go on undisturbed. It is the work of one goroutine.
type roster struct {
	p       *Prober
	running context.Context // of all tasks
	tasks   *errgroup.Group
	sockets sockets
	ssids   ssids
	outcome Outcome

	members map[string]*member // by target name
	names   names
	found   *mailbox[lookedUp]
	pending []Target // of a reload whose names are being looked up; nil: none
	live    int      // sessions that have not made their last report
	opened  uint64   // sessions, ever
	stopped bool
	failed  error // the first of what could not be opened
}

// member is a target with its sessions.
type member struct {
	target   Target
	name     *name // nil: its address is literal
	sessions map[endpoint]*session
	reported map[endpoint]string // what keeps it from being tested, as the log has it
}

// endpoint is what one session of a target tests.
type endpoint struct {
	at   netip.AddrPort
	port uint16 // own one, 0: any
}

// seat is a session's place in the roster.
type seat struct {
	member   *member
	endpoint endpoint
	link     *link
	leaving  bool // it is to end, or has been ended
}

func newRoster(running context.Context, p *Prober, tasks *errgroup.Group) *roster {
	r := &roster{p: p, running: running, tasks: tasks, members: make(map[string]*member), found: newMailbox[lookedUp](0), ssids: make(ssids)}
	r.sockets = sockets{open: r.openSocket}
	r.names = names{
		all: make(map[host]*name), start: r.startLookUp,
		forget: func(n *name) bool { return len(n.members) == 0 && r.pending == nil }, // which may wait for it
	}
	if p.cfg.Continuous {
		r.names.every = p.cfg.ResolveInterval
	}
	return r
}

// run runs the test until ctx ends or, if it is a burst, until all sessions
// have ended.
func (r *roster) run(ctx context.Context) error {
	for i := range r.p.cfg.Targets {
		m := r.member(r.p.cfg.Targets[i])
		r.members[m.target.Name] = m
		r.sync(m)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := ctx.Done()
	for !r.done() {
		timer.Stop()
		if next := r.names.next(time.Now()); !next.IsZero() && !r.stopped {
			timer.Reset(time.Until(next))
		}
		select {
		case <-stop:
			stop = nil
			r.stop()
		case <-r.running.Done(): // a task failed
			return nil
		case <-r.p.reloads.filled:
			if lists, _ := r.p.reloads.take(); len(lists) > 0 {
				r.reload(lists[len(lists)-1])
			}
		case <-r.found.filled:
			r.takeLookUps()
		case <-r.p.ended.filled:
			ended, _ := r.p.ended.take()
			for _, s := range ended {
				r.remove(s)
			}
		case <-timer.C:
		}
	}
	if r.outcome.Sessions == 0 {
		return r.failed
	}
	return nil
}

func (r *roster) done() bool {
	switch {
	case r.live > 0:
		return false
	case r.stopped:
		return true
	case r.p.cfg.Continuous:
		return r.opened == 0 && r.failed != nil && r.names.idle() && len(r.names.again) == 0
	}
	return r.names.idle()
}

// stop ends all sessions.
func (r *roster) stop() {
	r.stopped = true
	for _, m := range r.members {
		for _, s := range m.sessions {
			r.end(s, whySignal)
		}
	}
}

// member makes that of a target, without sessions.
func (r *roster) member(t Target) *member {
	m := &member{target: t, sessions: make(map[endpoint]*session)}
	if t.Names() {
		m.name = r.names.get(host{t.Host, t.Test.family()})
		m.name.members[m] = struct{}{}
	}
	return m
}

// leave takes a member off its name.
func (m *member) leave() {
	if m.name != nil {
		delete(m.name.members, m)
	}
}

// endpoints are what the member's sessions test, as far as its name is known.
func (m *member) endpoints() []endpoint {
	var addresses []netip.Addr
	if a, ok := m.target.literal(); ok {
		addresses = []netip.Addr{a}
	} else {
		addresses = m.name.addresses
	}
	ports := m.target.Test.SourcePorts
	if len(ports) == 0 {
		ports = Ports{m.target.Test.Source.Port()}
	}
	var all []endpoint
	for _, a := range addresses {
		for _, port := range ports {
			all = append(all, endpoint{netip.AddrPortFrom(a, m.target.Port), port})
		}
	}
	return all
}

// sync ends the sessions of a member whose address is gone, and opens those
// that are missing. What cannot be opened keeps the others from nothing.
func (r *roster) sync(m *member) {
	wanted := m.endpoints()
	maps.DeleteFunc(m.reported, func(e endpoint, _ string) bool { return !slices.Contains(wanted, e) })
	for e, s := range m.sessions {
		if !slices.Contains(wanted, e) {
			r.end(s, whyAddress)
		}
	}
	var built []*session // from all own ports to one address
	for i, e := range wanted {
		if i > 0 && e.at != wanted[i-1].at {
			r.seat(built)
			built = nil
		}
		if m.sessions[e] != nil {
			continue
		}
		s, err := r.build(m, e)
		if err != nil {
			r.report(m, e, err)
			continue
		}
		delete(m.reported, e)
		built = append(built, s)
	}
	r.seat(built)
}

// report says what keeps an address from being tested, once.
func (r *roster) report(m *member, e endpoint, err error) {
	if m.reported[e] == err.Error() {
		return
	}
	if m.reported == nil {
		m.reported = make(map[endpoint]string)
	}
	m.reported[e] = err.Error()
	if r.failed == nil {
		r.failed = err
	}
	r.p.cfg.Log.Error("address left out", "target", m.target.Name, "address", e.at, "err", err)
}

// build makes a session and its socket. Nobody knows of it yet.
func (r *roster) build(m *member, e endpoint) (*session, error) {
	bare, ifIndex, err := scope(e.at)
	if err != nil {
		return nil, err
	}
	t := &m.target.Test
	pl := plan{
		target:  events.Target{Name: m.target.Name, Host: m.target.Host, Labels: m.target.Labels, Address: bare},
		ifIndex: ifIndex, mode: t.Mode, interval: t.Interval, schedule: t.Schedule, timeout: t.Timeout,
		dscp: uint8(t.DSCP), format: t.Timestamp.Format, samples: t.Samples,
		message: t.message(), spin: r.p.cfg.Spin && t.Interval < fineInterval,
	}
	if t.Mode == ModeSTAMP { // in light mode the octets are padding
		pl.ssid = r.ssids.choose(t.SSID)
	}
	local, err := t.Source.local(bare.Addr().Is4(), e.port)
	if err != nil {
		return nil, err
	}
	key, err := t.key(pl.ssid, bare.Addr())
	if err != nil {
		return nil, err
	}
	if pl.payload, err = t.payload(key != nil); err != nil {
		return nil, fmt.Errorf("prober: size: %w", err)
	}
	l, err := r.sockets.choose(local, &pl)
	if err != nil {
		return nil, err
	}
	if r.p.cfg.Continuous {
		pl.every = r.p.cfg.ReportInterval
	} else {
		pl.count = t.Count
	}
	s := newSession(pl, l, r.p.ready.put, r.p.cfg.Seen)
	s.counters, s.pool = &r.p.counters, &r.p.pool
	if t.TLV.FollowUp {
		s.followUps.ask()
	}
	if key != nil {
		s.authenticate(key)
	}
	direct, _ := findTLV(pl.payload[s.baseSize():], stamp.TLVDirectMeasurement)
	s.direct = direct.Value
	s.asks, s.needsSSID = t.TLV != TLVs{}, t.ZeroSSID == StopOnZeroSSID
	s.ways.known, s.ways.stateless = t.ReflectorState == Stateful, t.ReflectorState == Stateless
	s.seat = seat{member: m, endpoint: e, link: l}
	r.ssids.take(s.ssid)
	l.seats[bare] = append(l.seats[bare], s)
	return s, nil
}

// phase is where in its interval the next session begins: sessions share the
// interval evenly, however many there will be, instead of sending at once. It
// is the sequence of least discrepancy.
func (r *roster) phase() float64 {
	_, fraction := math.Modf(float64(r.opened) * (math.Phi - 1))
	r.opened++
	return fraction
}

// seat begins sessions that were built together: those of new members, or those
// of one to one address.
func (r *roster) seat(built []*session) {
	r.group(built)
	for _, s := range built {
		r.begin(s)
	}
}

// group puts the sessions to one address from several own ports together. Those
// that join others later stay alone: their intervals are not the same.
func (r *roster) group(built []*session) {
	type place struct {
		member *member
		at     netip.AddrPort
	}
	groups := make(map[place]*group)
	for _, s := range built {
		m, e := s.seat.member, s.seat.endpoint
		if len(m.target.Test.SourcePorts) < 2 {
			continue
		}
		g, known := groups[place{m, e.at}]
		if !known {
			if !m.tests(e.at) {
				g = &group{sums: make(map[uint64]*sum)}
			}
			groups[place{m, e.at}] = g
		}
		if g != nil {
			g.ports = append(g.ports, e.port)
			s.group = g
		}
	}
}

// tests says whether a session of the member to an address goes on.
func (m *member) tests(at netip.AddrPort) bool {
	for e := range m.sessions {
		if e.at == at {
			return true
		}
	}
	return false
}

// begin begins a session.
func (r *roster) begin(s *session) {
	m, e := s.seat.member, s.seat.endpoint
	m.sessions[e] = s
	for _, other := range s.seat.link.seats[s.target.Address] {
		if other != s && !other.seat.leaving { // further ones share already
			s.share()
			other.share()
			break
		}
	}
	s.beginAt(time.Now().Add(time.Duration(float64(s.plan.interval) * r.phase())))
	r.live++
	r.outcome.Sessions++
	r.p.counters.sessions.Add(1)
	r.p.counters.planned.Add(s.count)
	r.p.cfg.Begun(s.begin(r.p.cfg.Name))
	s.seat.link.order(join, s)
}

// end ends a session, which then waits for its last replies.
func (r *roster) end(s *session, why string) {
	r.leaving(s, true)
	if m := s.seat.member; m.sessions[s.seat.endpoint] == s {
		delete(m.sessions, s.seat.endpoint)
	}
	s.end(time.Now(), why)
	s.seat.link.order(call, s)
}

// leaving says whether a session is to end: then it is not in the way of one that
// takes its place.
func (r *roster) leaving(s *session, yes bool) {
	if s.seat.leaving == yes {
		return
	}
	if s.seat.leaving = yes; yes {
		r.ssids.giveBack(s.ssid)
	} else {
		r.ssids.take(s.ssid)
	}
}

// remove takes off a session that has made its last report.
func (r *roster) remove(s *session) {
	r.live--
	r.p.counters.sessions.Add(-1)
	if m := s.seat.member; m.sessions[s.seat.endpoint] == s {
		delete(m.sessions, s.seat.endpoint)
	}
	s.seat.link.order(leave, s)
	r.unseat(s)
}

// unseat frees a session's place on its link, and the link if it was the last
// one there.
func (r *roster) unseat(s *session) {
	r.leaving(s, true)
	l := s.seat.link
	drop(l.seats, s.target.Address, s)
	if len(l.seats) == 0 && r.p.cfg.Continuous {
		r.sockets.close(l)
	}
}

// startLookUp begins a look-up.
func (r *roster) startLookUp(n *name) {
	r.tasks.Go(func() error {
		found, err := n.lookUp(r.running, r.p.cfg.Resolve)
		r.found.put(lookedUp{n, found, err})
		return nil
	})
}

// takeLookUps takes what look-ups found.
func (r *roster) takeLookUps() {
	answers, _ := r.found.take()
	for _, a := range answers {
		before := a.name.failed
		changed := r.names.take(a, time.Now())
		r.tell(a, before)
		if r.stopped {
			continue
		}
		for m := range a.name.members {
			if r.members[m.target.Name] == m && (changed || len(m.reported) > 0) {
				r.sync(m)
			}
		}
	}
	if r.pending != nil {
		r.reload(r.pending)
	}
}

// tell says when a name begins to be not resolvable, and when it ends.
func (r *roster) tell(a lookedUp, before error) {
	log := r.p.cfg.Log.With("host", a.name.name)
	switch {
	case a.err == nil && before != nil:
		log.Info("name is resolved again", "addresses", a.found)
	case a.err == nil:
	case r.running.Err() != nil:
	default:
		r.p.counters.unresolved.Add(1)
		if before != nil {
			return
		}
		if len(a.name.addresses) > 0 {
			log.Warn("name cannot be resolved: its last known addresses are tested on", "err", a.err)
			return
		}
		if r.names.every == 0 {
			r.outcome.Unresolved++
		}
		log.Error("target left out", "err", a.err, "again_in", r.names.every)
	}
}

// reload takes other targets, once all their names are looked up. Targets that
// cannot be tested as they stand are refused all together.
func (r *roster) reload(targets []Target) {
	r.pending = targets
	if r.stopped {
		return
	}
	next := make(map[string]*member)
	waits := false
	for i := range targets {
		t := &targets[i]
		if old := r.members[t.Name]; old != nil && reflect.DeepEqual(old.target, *t) {
			next[t.Name] = old
			continue
		}
		if t.Names() {
			waits = !r.names.get(host{t.Host, t.Test.family()}).asked || waits
		}
	}
	if waits {
		return
	}
	r.pending = nil
	built, err := r.rebuild(targets, next)
	if err != nil {
		r.p.Refuse(err)
		return
	}
	r.swap(next, built)
}

// rebuild makes the members that are not yet in next, and their sessions. If
// one fails all are undone.
func (r *roster) rebuild(targets []Target, next map[string]*member) (built []*session, err error) {
	for _, m := range r.members { // what is to end is not in the way of what is to begin
		for _, s := range m.sessions {
			r.leaving(s, next[m.target.Name] != m)
		}
	}
	kept := maps.Clone(next)
	for i := range targets {
		if kept[targets[i].Name] != nil {
			continue
		}
		m := r.member(targets[i])
		next[m.target.Name] = m
		for _, e := range m.endpoints() {
			s, failed := r.build(m, e)
			switch {
			case failed == nil:
				built = append(built, s)
			case errors.Is(failed, udp.ErrNoFamily):
				r.report(m, e, failed)
			default:
				err = errors.Join(err, fmt.Errorf("target %s: %w", m.target.Name, failed))
			}
		}
	}
	if err == nil {
		return built, nil
	}
	for _, s := range built {
		r.unseat(s)
	}
	for name, m := range next {
		if kept[name] == nil {
			m.leave()
		}
	}
	for _, m := range r.members {
		for _, s := range m.sessions {
			r.leaving(s, false)
		}
	}
	return nil, err
}

// swap makes the members of next those of the test.
func (r *roster) swap(next map[string]*member, built []*session) {
	removed, changed, added := 0, 0, 0
	for name, m := range r.members {
		why := whyChanged
		switch next[name] {
		case m:
			continue
		case nil:
			why = whyRemoved
			removed++
		default:
			changed++
		}
		m.leave()
		for _, s := range m.sessions {
			r.end(s, why)
		}
	}
	for name := range next {
		if r.members[name] == nil {
			added++
		}
	}
	r.members = next
	r.seat(built)
	r.p.counters.reloaded.Add(1)
	r.p.cfg.Log.Info("targets taken over", "targets", len(next), "added", added, "changed", changed, "removed", removed)
}

// closeLinks closes all sockets.
func (r *roster) closeLinks() { r.sockets.closeAll() }

// openSocket opens a socket, and begins to serve it.
func (r *roster) openSocket(local netip.AddrPort) (*link, error) {
	l, err := r.p.open(local)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(r.running)
	l.end = end
	r.tasks.Go(func() error {
		if err := udp.OwnThread(r.p.cfg.Realtime); err != nil {
			r.p.cfg.Log.Warn("packets are sent and received without real-time priority", "err", err)
		}
		return l.run(ctx)
	})
	return l, nil
}
