package view

import (
	"net/netip"
	"slices"

	"tinytwamp/shared/events"
)

// board holds all sessions with what was last reported of each.
type board struct {
	groups   map[site]*group
	sessions int
}

// site is what is tested: its sessions differ by their own ports.
type site struct {
	name    string
	address netip.AddrPort
}

type group struct {
	sum      *row // over all own ports; nil: there is no such report
	sessions map[uint16]*row
	size     int // octets of each packet
}

func siteOf(e *events.RTT) site { return site{e.Target.Name, e.Target.Address} }

// begin takes a session that begins. It may follow on another by the same own
// port, which has yet to make its last report.
func (b *board) begin(e *events.RTT) {
	r := b.session(e)
	r.live++
	r.ended = false
}

// session finds the row of a session, or makes it.
func (b *board) session(e *events.RTT) *row {
	g, port := b.group(e), e.Session.Source.Port()
	r := g.sessions[port]
	if r == nil {
		r = newRow(e)
		g.sessions[port] = r
		b.sessions++
		g.count()
	}
	return r
}

// count says of the sessions whether each is one of several, which are summed
// up also if only one of them could be opened.
func (g *group) count() {
	for _, r := range g.sessions {
		r.path = len(g.sessions) > 1 || g.sum != nil
	}
}

func (b *board) group(e *events.RTT) *group {
	g := b.groups[siteOf(e)]
	if g == nil {
		g = &group{sessions: make(map[uint16]*row), size: e.Session.Size}
		if b.groups == nil {
			b.groups = make(map[site]*group)
		}
		b.groups[siteOf(e)] = g
	}
	return g
}

// size is that of the packets to a target; what is not known is as it should be.
func (b *board) size(t *events.Target, otherwise int) int {
	if g := b.groups[site{t.Name, t.Address}]; g != nil {
		return g.size
	}
	return otherwise
}

// row finds that of a report.
func (b *board) row(e *events.RTT) *row {
	if len(e.Session.Paths) == 0 {
		return b.session(e)
	}
	g := b.group(e)
	if g.sum == nil {
		g.sum = newRow(e)
		g.count()
	}
	return g.sum
}

// take takes a report. The last one of a continuous test is of what was left of
// an interval, and says less than the one before, which stays.
func (b *board) take(e *events.RTT, ended bool) {
	r := b.row(e)
	r.end(ended)
	if !ended || !r.known {
		r.take(e)
	}
}

// isPath says whether a report is of one own port of several.
func (b *board) isPath(e *events.RTT) bool {
	return len(e.Session.Paths) == 0 && b.session(e).path
}

// purge forgets the sessions that have ended.
func (b *board) purge() {
	for at, g := range b.groups {
		for port, r := range g.sessions {
			if r.ended {
				delete(g.sessions, port)
				b.sessions--
			}
		}
		if g.sum != nil && g.sum.ended {
			g.sum = nil
		}
		g.count()
		if len(g.sessions) == 0 && g.sum == nil {
			delete(b.groups, at)
		}
	}
}

// rows are all, sorted by trouble, those of single own ports behind their sum.
func (b *board) rows() []*row {
	var tops []*row
	paths := make(map[*row][]*row)
	for _, g := range b.groups {
		var own []*row
		for _, r := range g.sessions {
			own = append(own, r)
		}
		top := g.sum
		if top == nil && len(own) > 1 { // until there is a report of all
			top = &row{target: own[0].target, name: own[0].name, paths: len(own)}
		}
		if top == nil {
			tops = append(tops, own...)
			continue
		}
		slices.SortFunc(own, worse)
		tops, paths[top] = append(tops, top), own
	}
	slices.SortFunc(tops, worse)
	names := make(map[string]int)
	for _, r := range tops {
		names[r.target.Name]++
	}
	for _, r := range tops {
		r.alone = names[r.target.Name] == 1
	}
	var all []*row
	for _, r := range tops {
		all = append(append(all, r), paths[r]...)
	}
	return all
}
