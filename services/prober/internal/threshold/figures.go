package threshold

import (
	"slices"
	"strings"

	"tinytwamp/shared/events"
)

// figure is one number of a report.
type figure struct {
	name string
	unit unit
	of   func(*events.RTT) (n int64, ok bool) // in packets, as it is, or in ns; not ok: null
}

// unit is what a figure's limit is given in.
type unit uint8

const (
	packets  unit = iota // a number, or percent of the packets sent
	number               // of something else
	duration             // a time
)

// String says what a limit must be.
func (u unit) String() string {
	return [...]string{"a number of packets, or percent of those sent, such as 3 or 1%", "a whole number, such as 3", "a time, such as 500us or 50ms"}[u]
}

// figures are all that a rule can be about.
var figures = slices.Concat(counts, path, host, delays())

// find gives the figure of a name; nil: there is none.
func find(name string) *figure {
	if i := slices.IndexFunc(figures, func(f figure) bool { return f.name == name }); i >= 0 {
		return &figures[i]
	}
	return nil
}

// known lists the figures, those of delays by their parts.
func known() string {
	var all []string
	for _, f := range slices.Concat(counts, path, host) {
		all = append(all, f.name)
	}
	var ends, ways []string
	for _, q := range quantities {
		ends = append(ends, q.name)
	}
	for _, w := range directions {
		ways = append(ways, w.name)
	}
	each := strings.Join(ends, ", ")
	return strings.Join(all, ", ") + "; lateness_ with " + each + "; " + strings.Join(ways, "_, ") +
		"_ with " + each + ", ipdv_ or pdv_ and one of these, jitter, p95_p50"
}

func count(of func(*events.RTT) uint64) func(*events.RTT) (int64, bool) {
	return func(e *events.RTT) (int64, bool) { return int64(of(e)), true }
}

func pointed(of func(*events.RTT) *uint64) func(*events.RTT) (int64, bool) {
	return func(e *events.RTT) (int64, bool) {
		if n := of(e); n != nil {
			return int64(*n), true
		}
		return 0, false
	}
}

// counts are named as in a report. Loss is what was not received in time; what
// came late is the part of it that is not lost.
var counts = []figure{
	{"loss", packets, count(func(e *events.RTT) uint64 { return e.Lost + e.Late })},
	{"loss_forward", packets, pointed(func(e *events.RTT) *uint64 { return e.LostForward })},
	{"loss_backward", packets, pointed(func(e *events.RTT) *uint64 { return e.LostBackward })},
	{"planned", number, count(func(e *events.RTT) uint64 { return e.Planned })},
	{"sent", number, count(func(e *events.RTT) uint64 { return e.Sent })},
	{"received", packets, count(func(e *events.RTT) uint64 { return e.Received })},
	{"late", packets, count(func(e *events.RTT) uint64 { return e.Late })},
	{"lost", packets, count(func(e *events.RTT) uint64 { return e.Lost })},
	{"lost_forward", packets, pointed(func(e *events.RTT) *uint64 { return e.LostForward })},
	{"lost_backward", packets, pointed(func(e *events.RTT) *uint64 { return e.LostBackward })},
	{"lost_unresolved", packets, pointed(func(e *events.RTT) *uint64 { return e.LostUnresolved })},
	{"duplicates", packets, count(func(e *events.RTT) uint64 { return e.Duplicates })},
	{"duplicates_forward", packets, pointed(func(e *events.RTT) *uint64 { return e.DuplicatesForward })},
	{"duplicates_backward", packets, pointed(func(e *events.RTT) *uint64 { return e.DuplicatesBackward })},
	{"reordered", packets, count(func(e *events.RTT) uint64 { return e.Reordered })},
	{"implausible", packets, count(func(e *events.RTT) uint64 { return e.Implausible })},
	{"remarked", packets, count(func(e *events.RTT) uint64 { return e.Marking.Remarked })},
	{"unexpected", number, count(func(e *events.RTT) uint64 { return e.Unexpected })},
	{"late_after_report", number, count(func(e *events.RTT) uint64 { return e.LateAfterReport })},
	{"send_errors", number, count(func(e *events.RTT) uint64 { return e.SendErrors })},
}

// path is what the way of the packets is like.
var path = []figure{
	{"loss_periods", number, periods(func(l *events.LossPeriods) uint64 { return l.Count })},
	{"loss_periods_longest", number, periods(func(l *events.LossPeriods) uint64 { return l.Longest })},
	{"hops_forward_min", number, hops(forward, func(h *events.Hops) uint64 { return uint64(h.Min) })},
	{"hops_forward_max", number, hops(forward, func(h *events.Hops) uint64 { return uint64(h.Max) })},
	{"hops_forward_last", number, hops(forward, func(h *events.Hops) uint64 { return uint64(h.Last) })},
	{"hops_forward_changes", number, hops(forward, func(h *events.Hops) uint64 { return h.Changes })},
	{"hops_backward_min", number, hops(backward, func(h *events.Hops) uint64 { return uint64(h.Min) })},
	{"hops_backward_max", number, hops(backward, func(h *events.Hops) uint64 { return uint64(h.Max) })},
	{"hops_backward_last", number, hops(backward, func(h *events.Hops) uint64 { return uint64(h.Last) })},
	{"hops_backward_changes", number, hops(backward, func(h *events.Hops) uint64 { return h.Changes })},
	{"icmp", number, count(func(e *events.RTT) (n uint64) {
		for _, i := range e.ICMP {
			n += i.Count
		}
		return n
	})},
}

func forward(e *events.RTT) *events.Hops  { return e.HopsForward }
func backward(e *events.RTT) *events.Hops { return e.HopsBackward }

func hops(way func(*events.RTT) *events.Hops, of func(*events.Hops) uint64) func(*events.RTT) (int64, bool) {
	return func(e *events.RTT) (int64, bool) {
		if h := way(e); h != nil {
			return int64(of(h)), true
		}
		return 0, false
	}
}

// periods are 0 in a report that has none, as no packet was lost.
func periods(of func(*events.LossPeriods) uint64) func(*events.RTT) (int64, bool) {
	return func(e *events.RTT) (int64, bool) {
		if e.LossPeriods == nil {
			return 0, true
		}
		return int64(of(e.LossPeriods)), true
	}
}

// host is what makes figures doubtful.
var host = []figure{
	{"kernel_drops", number, count(func(e *events.RTT) uint64 { return e.Health.KernelDrops })},
	{"throttled", duration, func(e *events.RTT) (int64, bool) { return e.Health.ThrottledNs, true }},
	{"prober_steps", number, count(func(e *events.RTT) uint64 { return e.Clock.ProberSteps })},
	{"prober_error", duration, func(e *events.RTT) (int64, bool) { return e.Clock.ProberErrorNs, true }},
	{"reflector_error", duration, func(e *events.RTT) (int64, bool) {
		if e.Clock.ReflectorErrorNs == nil {
			return 0, false
		}
		return *e.Clock.ReflectorErrorNs, true
	}},
}
