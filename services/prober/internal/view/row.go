package view

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"tinytwamp/shared/events"
)

// row is what a table shows of a session, or of all from an address's own
// ports: of thousands the reports themselves would take too much memory.
type row struct {
	target events.Target
	name   string // printable; empty if it is the address
	port   uint16 // own
	path   bool   // one own port of several
	paths  int    // that this sums up
	alone  bool   // no other target has its name
	live   int    // sessions that go on: two while one follows on another
	ended  bool

	known                   bool // there was a report: the rest is from it
	sent, lost              uint64
	lostThere, lostBack     *uint64
	delays                  bool
	min, p50, p99, max, jit int64
	troubles                int // remarks that are trouble, the first of all
	remarks                 []remark
}

func newRow(e *events.RTT) *row {
	return &row{target: e.Target, name: nameOf(&e.Target), port: e.Session.Source.Port(), paths: len(e.Session.Paths)}
}

// end takes whether a session ends with a report.
func (r *row) end(ended bool) {
	if ended {
		r.live = max(r.live, 1) - 1
	}
	r.ended = ended && r.live == 0
}

// take fills the row from a report.
func (r *row) take(e *events.RTT) {
	r.known = true
	r.sent, r.lost, r.lostThere, r.lostBack = e.Sent, e.Lost, e.LostForward, e.LostBackward
	if r.delays = e.RTT != nil; r.delays {
		r.min, r.p50, r.p99, r.max, r.jit = e.RTT.MinNs, e.RTT.P50Ns, e.RTT.P99Ns, e.RTT.MaxNs, e.RTT.JitterRFC3550Ns
	}
	r.remarks, r.troubles = remarks(e), 0
	for _, m := range r.remarks {
		if m.short != "" {
			r.troubles++
		}
	}
}

// well says that there is nothing to worry about.
func (r *row) well() bool { return r.lost == 0 && r.troubles == 0 }

// loss is the lost part.
func (r *row) loss() float64 { return float64(r.lost) / float64(max(1, r.sent)) }

// worse sorts by trouble: loss, all of it first, then remarks, then delay; names
// make the order stable. Who has not reported yet comes last.
func worse(a, b *row) int {
	trouble := cmp.Or(
		isFirst(a.known, b.known), cmp.Compare(b.loss(), a.loss()),
		isFirst(a.troubles > 0, b.troubles > 0), cmp.Compare(b.p99, a.p99))
	if trouble != 0 {
		return trouble
	}
	return cmp.Or(strings.Compare(a.name, b.name), a.target.Address.Compare(b.target.Address), cmp.Compare(a.port, b.port))
}

// isFirst sorts the true before the false.
func isFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// label names the row in at most room columns: a path by its port, a target by
// its name alone if that is clear and there is no room for more.
func (r *row) label(room int) string {
	if r.path {
		return fmt.Sprintf("  from port %d", r.port)
	}
	if r.alone && r.name != "" && cells(r.title(math.MaxInt)) > room {
		suffix := pathsOf(r.paths)
		return fit(r.name, room-len(suffix)) + suffix
	}
	return r.title(room)
}

// title names the row by itself.
func (r *row) title(room int) string { return titled(&r.target, r.port, r.path, r.paths, room) }

// titled names a target, with its own port if it is one path of several, or
// with the paths that are summed up.
func titled(t *events.Target, port uint16, path bool, paths, room int) string {
	suffix := pathsOf(paths)
	if path {
		suffix = fmt.Sprintf(", from port %d", port)
	}
	return where(t, room-len(suffix)) + suffix
}

func pathsOf(n int) string {
	if n == 0 {
		return ""
	}
	return ", " + many(uint64(n), "path")
}
