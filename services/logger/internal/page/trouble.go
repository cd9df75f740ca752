package page

import (
	"fmt"
	"time"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/page/plot"
)

const (
	quietLeast = 5 * time.Minute // without trouble, which is over then
	quietSteps = 2               // likewise, in intervals
	halfOfIt   = 0.5             // of what a round trip grew by, which its ways must have grown by; of packets lost, whose way must be known
	oneWayPart = 0.75            // of a trouble from which one direction has it
)

// Trouble is a time in which a path stood out, short quiet times in it
// included.
type Trouble struct {
	State      State // the worst
	Start, End time.Time
	Before     bool   // it was there already when the known time begins
	Open       bool   // it is there now
	Direction  string // forward, backward or both ways; empty: unknown
	Sent, Lost uint64
	Usual      int64 // median of the round trip, in ns; 0: unknown
	Median     int64 // likewise, the highest of the trouble
}

// troubles finds those of a time, the oldest first.
func troubles(points []history.Point) []Trouble {
	normal := usual(points, plot.RoundTrip)
	var list []Trouble
	first, last := -1, -1 // points of the trouble that is under way
	end := func() {
		if first >= 0 {
			list = append(list, sumUp(points, first, last, normal))
		}
		first, last = -1, -1
	}
	for i, p := range points {
		if judge(p, normal) != OK {
			if first < 0 {
				first = i
			}
			last = i
		} else if last >= 0 && p.End.Sub(points[last].End) > max(quietLeast, quietSteps*p.End.Sub(p.Start)) {
			end()
		}
	}
	end()
	return list
}

// sumUp says what the trouble from one point to another is.
func sumUp(points []history.Point, first, last int, normal int64) Trouble {
	t := Trouble{State: OK, Start: points[first].Start, End: points[last].End, Before: true, Usual: normal}
	for _, p := range points[:first] {
		if p.Reports > 0 {
			t.Before = false
			break
		}
	}
	var forward, backward float64
	for _, p := range points[first : last+1] {
		if s := judge(p, normal); s.rank() < t.State.rank() {
			t.State = s
		}
		t.Sent += p.Sent
		t.Lost += p.Lost
		t.Median = max(t.Median, median(p, plot.RoundTrip))
		forward += count(p.LostForward)
		backward += count(p.LostBackward)
	}
	if t.State == Slow {
		now := points[first : last+1]
		forward, backward = grown(points, now, plot.Forward), grown(points, now, plot.Backward)
		if forward+backward < halfOfIt*grown(points, now, plot.RoundTrip) { // the one-way delays that are known do not tell
			forward, backward = 0, 0
		}
	}
	if t.State != Slow && forward+backward < halfOfIt*float64(t.Lost) { // nobody knows of most
		forward, backward = 0, 0
	}
	t.Direction = direction(forward, backward)
	return t
}

func count(n *uint64) float64 {
	if n == nil {
		return 0
	}
	return float64(*n)
}

// grown is by how much a delay exceeds its usual value.
func grown(all, now []history.Point, way plot.Way) float64 {
	return max(float64(usual(now, way)-usual(all, way)), 0)
}

func direction(forward, backward float64) string {
	all := forward + backward
	switch {
	case all == 0:
		return ""
	case forward >= oneWayPart*all:
		return "forward"
	case backward >= oneWayPart*all:
		return "backward"
	}
	return "both ways"
}

// What tells what the trouble is.
func (t Trouble) What() string {
	where := map[string]string{
		"forward":   " forward, on the way to the target",
		"backward":  " backward, on the way from the target",
		"both ways": " both ways",
	}[t.Direction]
	switch t.State {
	case NoReply:
		if t.Sent == 0 {
			return "The prober could not send"
		}
		return "No reply"
	case Loss:
		if where == "" {
			where = ", direction unknown"
		}
		return fmt.Sprintf("%s of packets lost%s", plot.Share(t.Lost, t.Sent), where)
	case Slow:
		text := fmt.Sprintf("Round trip of %s, usually %s", plot.Duration(t.Median), plot.Duration(t.Usual))
		if where != "" {
			text += "; it grew" + where
		}
		return text
	case Stale:
		return "No report"
	}
	return "Nothing wrong"
}
