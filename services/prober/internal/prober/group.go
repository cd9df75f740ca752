package prober

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

// group is the sessions that test one address from several own ports: the paths
// of a network that spreads flows. Their reports are summed up, interval by
// interval, which needs that they began together. Its methods are for the maker
// of reports alone.
type group struct {
	ports []uint16 // set once: own ones of its sessions
	ended []uint64 // last intervals of those that have ended
	sums  map[uint64]*sum
}

// sum is an interval of a group, as far as its sessions have reported it.
type sum struct {
	sealed
	parts int
}

// add takes an interval of a session. It returns the intervals of the group that
// are complete with it, in their order.
func (g *group) add(r *sealed) (complete []*sealed) {
	if g == nil {
		return nil
	}
	x := g.sums[r.index]
	if x == nil {
		x = &sum{sealed: sealed{
			session: r.session, interval: newInterval(), index: r.index, start: r.start, end: r.end, ended: r.ended,
			source: r.source, forward: new(uint64), backward: new(uint64), unresolved: new(uint64),
		}}
		g.sums[r.index] = x
	}
	x.add(r)
	if r.last {
		g.ended = append(g.ended, r.index)
	}
	for _, index := range slices.Sorted(maps.Keys(g.sums)) {
		if x := g.sums[index]; x.parts == g.sessions(index) {
			delete(g.sums, index)
			x.last = len(g.ended) == len(g.ports) && len(g.sums) == 0
			complete = append(complete, &x.sealed)
		}
	}
	return complete
}

// sessions is how many have an interval, or will have it.
func (g *group) sessions(index uint64) int {
	n := len(g.ports)
	for _, last := range g.ended {
		if last < index {
			n--
		}
	}
	return n
}

// add adds an interval of a session.
func (x *sum) add(r *sealed) {
	x.parts++
	x.interval.merge(r.interval)
	x.forward, x.backward, x.unresolved = plus(x.forward, r.forward), plus(x.backward, r.backward), plus(x.unresolved, r.unresolved)
	x.drops += r.drops
	if r.start.Before(x.start) {
		x.start = r.start
	}
	if r.end.After(x.end) {
		x.end = r.end
	}
	if x.ended == "" {
		x.ended = r.ended
	}
}

// plus adds counts, unless one is unknown.
func plus(a, b *uint64) *uint64 {
	if a == nil || b == nil {
		return nil
	}
	return new(*a + *b)
}

// report turns the sum of an interval into its event.
func (g *group) report(r *sealed, prober string, clock udp.Clock, throttled time.Duration) *events.RTT {
	e := r.report(prober, clock, throttled)
	e.Session.SSID, e.Session.Paths = 0, g.ports
	e.Session.SID, e.Session.Port = "", 0
	e.Session.Source = netip.AddrPortFrom(e.Session.Source.Addr(), 0)
	e.Samples, e.SamplesCut = nil, 0
	if x := e.Extensions; x != nil {
		x.Location, x.DirectMeasurement = nil, nil // of one session alone
	}
	return e
}

// merge adds what another session's interval gathered.
func (i *interval) merge(o *interval) {
	for _, c := range []struct{ to, from *uint64 }{
		{&i.planned, &o.planned},
		{&i.sent, &o.sent},
		{&i.received, &o.received},
		{&i.late, &o.late},
		{&i.lost, &o.lost},
		{&i.sendErrors, &o.sendErrors},
		{&i.unexpected, &o.unexpected},
		{&i.implausible, &o.implausible},
		{&i.hmacFailed, &o.hmacFailed},
		{&i.unreflected, &o.unreflected},
		{&i.lateAfterReport, &o.lateAfterReport},
		{&i.reordered, &o.reordered},
		{&i.duplicates, &o.duplicates},
		{&i.doubledThere, &o.doubledThere},
		{&i.doubledBack, &o.doubledBack},
		{&i.remarked, &o.remarked},
		{&i.t1Kernel, &o.t1Kernel},
		{&i.t3Kernel, &o.t3Kernel},
		{&i.t4Kernel, &o.t4Kernel},
	} {
		*c.to += *c.from
	}
	i.steps = max(i.steps, o.steps) // each saw the same ones
	i.told.merge(&o.told)
	i.rtt.Merge(&o.rtt)
	i.processing.Merge(&o.processing)
	i.forward.Merge(&o.forward)
	i.backward.Merge(&o.backward)
	i.lateness.Merge(&o.lateness)
	i.losses.Merge(&o.losses)
	i.hopsThere.Merge(&o.hopsThere)
	i.hopsBack.Merge(&o.hopsBack)
	if o.returnedTOS >= 0 {
		i.returnedTOS = o.returnedTOS
	}
	if o.reflectorTOS >= 0 {
		i.reflectorTOS = o.reflectorTOS
	}
	if o.estimate != 0 {
		i.estimate = o.estimate
	}
	for k, x := range o.icmp {
		i.countICMP(k, *x)
	}
}
