package prober

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// seat is a session's place in the roster.
type seat struct {
	member   *member
	endpoint endpoint
	link     *link
	control  *controlConn // nil: it has none, or none any more
	begun    bool         // it has been handed to its link
	leaving  bool         // it is to end, or has been ended
}

// place is where a session sits on its link before anybody knows to which port
// its packets go: one that TWAMP-Control is to agree on has an own port to each
// address for itself, as far as there are sockets.
func (s *session) place() netip.AddrPort {
	if s.mode == ModeTWAMP {
		return netip.AddrPortFrom(s.target.Address.Addr(), 0)
	}
	return s.target.Address
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
	if t.Mode != ModeTWAMP { // which leaves it to be agreed on
		if pl.payload, err = t.payload(key != nil); err != nil {
			return nil, fmt.Errorf("prober: size: %w", err)
		}
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
	if t.TLV.Direct {
		direct, _ := findTLV(pl.payload[s.baseSize():], stamp.TLVDirectMeasurement)
		s.direct = direct.Value
	}
	s.asks, s.needsSSID = t.TLV != TLVs{}, t.ZeroSSID == StopOnZeroSSID
	s.ways.known, s.ways.stateless = t.ReflectorState == Stateful, t.ReflectorState == Stateless
	s.seat = seat{member: m, endpoint: e, link: l}
	r.ssids.take(s.ssid)
	l.sit(s.place(), s)
	return s, nil
}

// maxSpread is the time at most over which sessions spread that begin together:
// nobody waits an hour for the first packet of an hourly test.
const maxSpread = 10 * time.Second

// phase is where in its interval the next session begins: sessions share the
// interval evenly, however many there will be, instead of sending at once. It
// is the sequence of least discrepancy.
func (r *roster) phase() float64 {
	_, fraction := math.Modf(float64(r.opened) * (math.Phi - 1))
	r.opened++
	return fraction
}

// seat begins sessions that were built together: those of new members, or those
// of one to one address. Some must first be agreed on by TWAMP-Control.
func (r *roster) seat(built []*session) {
	var ready []*session
	for _, s := range built {
		if s.mode == ModeTWAMP {
			s.seat.member.sessions[s.seat.endpoint] = s
			r.controls.fresh = append(r.controls.fresh, s)
		} else {
			ready = append(ready, s)
		}
	}
	r.group(ready)
	for _, s := range ready {
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
	for e, s := range m.sessions {
		if e.at == at && s.seat.begun {
			return true
		}
	}
	return false
}

// begin begins a session.
func (r *roster) begin(s *session) {
	m, e := s.seat.member, s.seat.endpoint
	m.sessions[e] = s
	s.seat.begun = true
	for _, other := range s.seat.link.seats[s.peer] {
		if other != s && !other.seat.leaving { // further ones share already
			s.share()
			other.share()
			break
		}
	}
	if s.peer != s.place() {
		s.seat.link.sit(s.peer, s)
	}
	s.beginAt(time.Now().Add(time.Duration(float64(min(s.plan.interval, maxSpread)) * r.phase())))
	r.live++
	r.outcome.Sessions++
	r.p.counters.sessions.Add(1)
	r.p.counters.planned.Add(s.count)
	r.p.cfg.Begun(s.begin(r.p.cfg.Name))
	s.seat.link.order(join, s)
}

// end ends a session, which then waits for its last replies.
func (r *roster) end(s *session, why string) {
	if !s.seat.begun {
		r.abandon(s)
		return
	}
	r.depart(s)
	s.end(time.Now(), why)
	s.seat.link.order(call, s)
}

// cut ends a session that its reflector no longer serves. It says whether that
// makes a difference.
func (r *roster) cut(s *session, why string) bool {
	r.depart(s)
	early := s.cut(time.Now(), why)
	s.seat.link.order(call, s)
	return early
}

// abandon takes off a session that has not begun.
func (r *roster) abandon(s *session) {
	r.depart(s)
	r.release(s)
	r.unseat(s)
}

// depart has a session make way for another one in its place.
func (r *roster) depart(s *session) {
	r.leaving(s, true)
	if m := s.seat.member; m.sessions[s.seat.endpoint] == s {
		delete(m.sessions, s.seat.endpoint)
	}
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
	r.release(s)
	r.unseat(s)
}

// unseat frees a session's place on its link, and the link if it was the last
// one there.
func (r *roster) unseat(s *session) {
	r.leaving(s, true)
	l := s.seat.link
	drop(l.seats, s.place(), s)
	drop(l.seats, s.peer, s)
	if len(l.seats) == 0 && r.p.cfg.Continuous {
		r.sockets.close(l)
	}
}

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
