package page

import (
	"slices"
	"time"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/page/plot"
)

// State is how a path stands.
type State string

// States, the worst first.
const (
	NoReply State = "no reply"
	Loss    State = "loss"
	Slow    State = "slow"
	Stale   State = "stale"
	OK      State = "ok"
)

var states = []State{NoReply, Loss, Slow, Stale, OK}

func (s State) rank() int { return slices.Index(states, s) }

// Class is the state as a class of the style sheet.
func (s State) Class() string {
	if s == NoReply {
		return "silent"
	}
	return string(s)
}

// What makes a path stand out.
const (
	lossShare  = 0.01             // of packets lost from which it is said
	slowFactor = 2                // of the median's usual value
	slowLeast  = time.Millisecond // above it: less is the noise of hosts
	recent     = 5 * time.Minute  // that the state rests on
	staleEvery = 3                // reports that are missing
	staleLeast = 30 * time.Second // however often they come
	staleRuns  = 25 * time.Hour   // where nobody knows how often: a daily run
	usualShare = 0.25             // quantile of the medians that is usual: trouble of 3/4 of the time still shows
)

// condition is how a path stands, and what that rests on.
type condition struct {
	State   State
	Recent  history.Point // the last report, with the packets of the last minutes
	Trouble *Trouble      // nil: there is none
}

// diagnose judges a path by its points, the oldest first.
func diagnose(p history.Path, points []history.Point, now time.Time) condition {
	c := condition{State: OK, Recent: lately(p, points)}
	normal := usual(points, plot.RoundTrip)
	if now.Sub(p.Last) > staleAfter(p) {
		c.State = Stale
		c.Trouble = &Trouble{State: Stale, Start: p.Last, Open: true}
		return c
	}
	unsent := unsent(p)
	if c.State = judge(c.Recent, normal); unsent {
		c.State = NoReply
	}
	if c.State == OK {
		return c
	}
	all := troubles(points)
	if len(all) == 0 || unsent { // the last report is older than what is known, or points do not tell
		all = []Trouble{sumUp([]history.Point{c.Recent}, 0, 0, normal)}
	}
	c.Trouble = &all[len(all)-1]
	c.Trouble.State, c.Trouble.Open = c.State, true
	c.Trouble.Usual, c.Trouble.Median = normal, median(c.Recent, plot.RoundTrip)
	return c
}

// staleAfter is how long a path may be silent.
func staleAfter(p history.Path) time.Duration {
	if p.Every <= 0 || p.Every > staleRuns {
		return max(staleRuns, 2*min(p.Every, 365*24*time.Hour))
	}
	return max(staleEvery*p.Every, staleLeast)
}

// lately returns the last report with the packets of the last minutes: a
// report may hold too few to judge. A path that has just fallen silent, or
// answers again, is judged by its last report alone.
func lately(p history.Path, points []history.Point) history.Point {
	last, from := p.Latest, p.Last.Add(-recent)
	if last.Sent == 0 && !unsent(p) {
		last = lastSent(last, points, from)
	}
	if last.Received+last.Late == 0 {
		return last
	}
	sum := history.Point{LostForward: new(uint64), LostBackward: new(uint64)}
	for _, q := range points {
		if q.Reports > 0 && q.Start.After(from) && q.Received+q.Late > 0 {
			sum.Sent += q.Sent
			sum.Lost += q.Lost
			addKnown(&sum.LostForward, q.LostForward)
			addKnown(&sum.LostBackward, q.LostBackward)
		}
	}
	if sum.Sent > last.Sent {
		last.Sent, last.Lost, last.LostForward, last.LostBackward = sum.Sent, sum.Lost, sum.LostForward, sum.LostBackward
	}
	return last
}

// unsent tells whether the host sent nothing of what the last report was to have.
func unsent(p history.Path) bool {
	due := p.Interval > 0 && p.Latest.End.Sub(p.Latest.Start) >= 2*p.Interval
	return p.Latest.Sent == 0 && due && len(p.Latest.Suspect) > 0
}

// lastSent returns a report in which nothing was sent, as most are where packets
// are rarer than reports, with what became of the packets before.
func lastSent(last history.Point, points []history.Point, from time.Time) history.Point {
	for _, q := range slices.Backward(points) {
		if q.Sent > 0 && q.Start.After(from) {
			last.Sent, last.Received, last.Late, last.RTT = q.Sent, q.Received, q.Late, q.RTT
			last.Lost, last.LostForward, last.LostBackward = q.Lost, q.LostForward, q.LostBackward
			break
		}
	}
	return last
}

// addKnown adds to a sum that is unknown as soon as a part of it is.
func addKnown(sum **uint64, n *uint64) {
	switch {
	case *sum == nil:
	case n == nil:
		*sum = nil
	default:
		**sum += *n
	}
}

// judge says how a path stands by one point.
func judge(p history.Point, normal int64) State {
	switch {
	case p.Reports == 0, p.Sent == 0:
		return OK
	case p.Received+p.Late == 0:
		return NoReply
	case float64(p.Lost) >= lossShare*float64(p.Sent):
		return Loss
	}
	if now := median(p, plot.RoundTrip); normal > 0 && now > slowFactor*normal && now-normal > int64(slowLeast) {
		return Slow
	}
	return OK
}

func median(p history.Point, way plot.Way) int64 {
	if d := way.Of(p); d != nil {
		return d.P50
	}
	return 0
}

// usual is what the medians of most points are not below; 0: unknown.
func usual(points []history.Point, way plot.Way) int64 {
	var medians []int64
	for _, p := range points {
		if d := way.Of(p); d != nil {
			medians = append(medians, d.P50)
		}
	}
	if len(medians) == 0 {
		return 0
	}
	slices.Sort(medians)
	return medians[int(usualShare*float64(len(medians)-1))]
}
