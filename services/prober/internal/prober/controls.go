package prober

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/shared/twamp"
)

const (
	// talksAtOnce bounds the control connections that are being set up: the
	// others wait for their turn.
	talksAtOnce = 16
	// sessionsPerControl bounds what depends on one control connection.
	sessionsPerControl = 64
)

// controlKey is what sessions must have in common to share a control connection.
type controlKey struct {
	at                netip.AddrPort // with its zone
	local             netip.Addr     // invalid: any
	least, extensions twamp.Mode
	keyID, passphrase string
}

// controlConn is a control connection, from the first attempt at it to the end of its
// last session. It is the roster's.
type controlConn struct {
	controlKey
	sessions []*session
	end      func()    // ends the attempt or the connection; nil: neither is there
	due      time.Time // of the next attempt, if neither is there
	since    time.Time // sessions run
	failures int       // in a row
	told     string    // of the last failure, what the log has
}

// controls are those of a test, and the sessions that wait for one.
type controls struct {
	fresh   []*session
	all     map[*controlConn]struct{}
	waiting []*controlConn // those with another attempt to come
	spoken  *mailbox[spoken]
}

func (cs *controls) idle() bool { return len(cs.all) == 0 && len(cs.fresh) == 0 }

// controlKey is that of a session.
func (s *session) controlKey() controlKey {
	t := &s.seat.member.target.Test
	k := controlKey{at: s.seat.endpoint.at, least: t.Auth.mode(), extensions: t.extensions()}
	if a := t.Source.Addr(); a.IsValid() && !a.IsUnspecified() {
		k.local = a
	}
	k.keyID, k.passphrase = t.passphrase()
	return k
}

// connect gives sessions that have none a control connection, those that came
// together the same one if they can share it. It begins the attempts that are
// due, and says when the next one will be; never, if the time is zero.
func (r *roster) connect(now time.Time) (next time.Time) {
	open := make(map[controlKey]*controlConn)
	for _, s := range r.controls.fresh {
		if s.seat.leaving {
			continue
		}
		k := s.controlKey()
		c := open[k]
		if c == nil || len(c.sessions) == sessionsPerControl {
			c = &controlConn{controlKey: k, due: now}
			open[k] = c
			r.await(c)
		}
		c.join(s)
	}
	r.controls.fresh = nil
	r.controls.waiting = slices.DeleteFunc(r.controls.waiting, func(c *controlConn) bool {
		switch {
		case len(c.sessions) == 0: // they have gone meanwhile
			return true
		case c.due.After(now):
			if next.IsZero() || c.due.Before(next) {
				next = c.due
			}
			return false
		}
		r.talk(c)
		return true
	})
	return next
}

// await has an attempt be made when it is due.
func (r *roster) await(c *controlConn) {
	r.controls.all[c] = struct{}{}
	r.controls.waiting = append(r.controls.waiting, c)
}

func (c *controlConn) join(s *session) {
	c.sessions = append(c.sessions, s)
	s.seat.control = c
}

// talk makes an attempt at a control connection.
func (r *roster) talk(c *controlConn) {
	ctx, end := context.WithCancel(r.running)
	c.end = end
	t := &talk{Prober: r.p, control: c, key: c.controlKey, say: r.controls.spoken.put}
	for _, s := range c.sessions {
		t.asks = append(t.asks, ask{s, &s.seat.member.target.Test, s.target.Address.Addr(), s.seat.link.local.Port()})
	}
	r.tasks.Go(func() error {
		defer end()
		x := t.run(ctx)
		x.control = c
		t.say(x)
		return nil
	})
}

// release takes a session off its control connection, which ends with the last
// one.
func (r *roster) release(s *session) {
	c := s.seat.control
	if c == nil {
		return
	}
	s.seat.control = nil
	c.sessions = slices.DeleteFunc(c.sessions, func(x *session) bool { return x == s })
	switch {
	case len(c.sessions) > 0:
	case c.end != nil:
		c.end()
	default: // an attempt was to come
		delete(r.controls.all, c)
	}
}

// hear takes what control connections have come to.
func (r *roster) hear() {
	all, _ := r.controls.spoken.take()
	for i := range all {
		x := &all[i]
		c := x.control
		if x.what == talkAgreed {
			r.agreed(c, x.answers)
			continue
		}
		delete(r.controls.all, c)
		c.end = nil
		if !c.since.IsZero() {
			r.p.counters.controls.Add(-1)
		}
		switch {
		case x.what == talkOver && x.err != nil:
			r.p.cfg.Log.Warn("the server could not be told that its sessions are over", "address", c.at, "err", x.err)
		case len(c.sessions) == 0: // nobody needs it any more
		case x.what == talkFailed:
			r.p.counters.controlsFailed.Add(1)
			r.again(c, slices.Clone(c.sessions), c.failures+1, x.err)
		case x.what == talkLost:
			r.p.counters.controlsLost.Add(1)
			r.lost(c, x.err)
		}
	}
}

// agreed begins the sessions that a server has started.
func (r *roster) agreed(c *controlConn, answers []agreement) {
	c.since = time.Now()
	r.p.counters.controls.Add(1)
	log := r.p.cfg.Log.With("targets", c.targets(), "address", c.at)
	var begin, refused []*session
	var why error
	for i := range answers {
		a := &answers[i]
		s := a.of
		if s.seat.control != c {
			continue // it has gone meanwhile
		}
		if a.err == nil && s.seat.link.taken(a.peer) {
			a.err = errTaken
		}
		if a.err != nil {
			refused, why = append(refused, s), a.err
			continue
		}
		log.Debug("session agreed on", "mode", a.mode.String(), "sid", a.session.SID.String(), "port", a.session.Port)
		s.agree(a)
		begin = append(begin, s)
	}
	if c.told != "" && len(begin) > 0 {
		log.Info("control connection is there")
	}
	told := c.told
	c.told = ""
	r.group(begin)
	for _, s := range begin {
		r.begin(s)
	}
	if len(refused) > 0 {
		r.again(&controlConn{controlKey: c.controlKey, told: told}, refused, c.failures+1, why)
	}
	if len(c.sessions) == 0 {
		c.end()
	}
}

// targets are the names of those that need the connection.
func (c *controlConn) targets() []string { return targetNames(c.sessions) }

func targetNames(sessions []*session) []string {
	var names []string
	for _, s := range sessions {
		if n := s.target.Name; !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}
