package prober

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// After a failure a control connection is tried again: after about a second
	// at first, then after twice as long each time, up to a minute.
	leastBackoff = time.Second
	mostBackoff  = time.Minute
)

// lost ends the sessions of a control connection that ended. In a continuous test
// others take their places as soon as there is another connection.
func (r *roster) lost(c *controlConn, err error) {
	r.p.cfg.Log.Error("control connection lost", "targets", c.targets(), "address", c.at, "err", err)
	failures := 0
	if time.Since(c.since) < mostBackoff { // one that never lasts is not to be set up every second
		failures = c.failures
	}
	var next []*session
	for _, s := range slices.Clone(c.sessions) {
		m, e := s.seat.member, s.seat.endpoint
		goesOn := m.sessions[e] == s
		r.release(s)
		if r.cut(s, whyControl) && !r.p.cfg.Continuous {
			r.outcome.Cut++
		}
		if !goesOn || !r.p.cfg.Continuous || r.stopped {
			continue
		}
		n, err := r.build(m, e)
		if err != nil {
			r.report(m, e, err)
			continue
		}
		m.sessions[e] = n
		next = append(next, n)
	}
	if len(next) > 0 {
		r.later(&controlConn{controlKey: c.controlKey, told: err.Error()}, next, failures+1)
	}
}

// again says what keeps sessions from being tested, once. In a continuous test
// there will be another attempt; in a burst they are left out.
func (r *roster) again(c *controlConn, sessions []*session, failures int, err error) {
	for _, s := range sessions {
		r.release(s)
	}
	next := &controlConn{controlKey: c.controlKey, told: err.Error()}
	if r.p.cfg.Continuous {
		r.later(next, sessions, failures)
	}
	if c.told != next.told {
		log := r.p.cfg.Log.With("targets", targetNames(sessions), "address", c.at, "err", err)
		if r.p.cfg.Continuous {
			log.Error("no session with the server, another attempt follows", "in", time.Until(next.due).Round(time.Millisecond))
		} else {
			log.Error("target left out")
		}
	}
	if !r.p.cfg.Continuous {
		for _, s := range sessions {
			r.abandon(s)
		}
	}
}

// later has sessions wait for another attempt.
func (r *roster) later(c *controlConn, sessions []*session, failures int) {
	c.failures = failures
	c.due = time.Now().Add(backoff(failures))
	for _, s := range sessions {
		c.join(s)
	}
	r.await(c)
}

// backoff is how long to wait after so many failures, from 1 on: half of it is at
// random, so that those who failed together do not come back together.
func backoff(failures int) time.Duration {
	d := mostBackoff
	if shift := failures - 1; shift < 6 {
		d = min(leastBackoff<<shift, mostBackoff)
	}
	return d/2 + rand.N(d/2)
}
