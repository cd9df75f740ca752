package prober

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Why sessions end.
const (
	whyComplete = "test complete"
	whySignal   = "stopped by a signal"
	whyRemoved  = "no longer a target"
	whyChanged  = "its target was changed"
	whyAddress  = "its name no longer has this address"
	whyNoSSID   = "replies come without the SSID"
	whyControl  = "its control connection was lost"
)

// mendEvery is the time after which a continuous test tries again what could not
// be opened: an own address may come back with its interface.
const mendEvery = 30 * time.Second

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

	controls controls

	members map[string]*member // by target name
	names   names
	found   *mailbox[lookedUp]
	pending []Target           // of a reload whose names are being looked up; nil: none
	waits   map[*name]struct{} // these
	live    int                // sessions that have not made their last report
	opened  uint64             // sessions, ever
	mend    time.Time          // when addresses that were left out are tried again; zero: there are none
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

func newRoster(running context.Context, p *Prober, tasks *errgroup.Group) *roster {
	r := &roster{p: p, running: running, tasks: tasks, members: make(map[string]*member), found: newMailbox[lookedUp](0), ssids: make(ssids)}
	r.sockets = sockets{open: r.openSocket}
	r.controls = controls{all: make(map[*controlConn]struct{}), spoken: newMailbox[spoken](0)}
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
		if next := r.next(time.Now()); !next.IsZero() && !r.stopped {
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
		case <-r.controls.spoken.filled:
			r.hear()
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

// next begins what is due, and says when more will be; never, if the time is
// zero.
func (r *roster) next(now time.Time) time.Time {
	r.mendDue(now)
	next := r.mend
	for _, at := range []time.Time{r.names.next(now), r.connect(now)} {
		if next.IsZero() || !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// mendDue tries again to open what could not be, if that is due.
func (r *roster) mendDue(now time.Time) {
	if r.stopped || r.mend.IsZero() || r.mend.After(now) {
		return
	}
	r.mend = time.Time{}
	for _, m := range r.members {
		if len(m.reported) > 0 {
			r.sync(m)
		}
	}
}

func (r *roster) done() bool {
	switch {
	case r.live > 0 || !r.controls.idle():
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

// report says what keeps an address from being tested, once. A continuous test
// tries again.
func (r *roster) report(m *member, e endpoint, err error) {
	if r.p.cfg.Continuous && r.mend.IsZero() {
		r.mend = time.Now().Add(mendEvery)
	}
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
