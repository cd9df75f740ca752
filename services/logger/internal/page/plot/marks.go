package plot

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/history"
)

// marks draws what happened to the path beside its delays: a diamond where a
// DSCP was changed, with a line for as long as it was, a triangle where the
// number of hops did.
func (f Frame) marks(c *canvas, y float64, points []history.Point) {
	for _, run := range runs(points, func(p history.Point) bool { return p.Remarked > 0 }) {
		x0, x1 := f.x(run[0].Start), f.x(run[len(run)-1].End)
		c.line("remark", x0, y, x1, y)
		c.shape("remark", []point{{x0 - 4, y}, {x0, y - 4}, {x0 + 4, y}, {x0, y + 4}}, true)
	}
	for i, p := range points {
		if HopsChanged(points[:i], p) {
			x := (f.x(p.Start) + f.x(p.End)) / 2
			c.shape("hops", []point{{x - 5, y + 4}, {x, y - 5}, {x + 5, y + 4}}, true)
		}
	}
}

// HopsChanged tells whether the number of hops changed in a point, or from the
// last that is known before it.
func HopsChanged(before []history.Point, p history.Point) bool {
	return changed(before, p, func(p history.Point) *history.Hops { return p.HopsForward }) ||
		changed(before, p, func(p history.Point) *history.Hops { return p.HopsBackward })
}

func changed(before []history.Point, p history.Point, hops func(history.Point) *history.Hops) bool {
	now := hops(p)
	if now == nil {
		return false
	}
	if now.Changed || now.Min != now.Max {
		return true
	}
	for i := len(before) - 1; i >= 0; i-- {
		if last := hops(before[i]); last != nil {
			return last.Max != now.Min
		}
	}
	return false
}

// hits lays a sheet over each interval that tells its figures.
func (f Frame) hits(c *canvas, a area, points []history.Point) {
	for _, p := range points {
		x0, x1 := f.x(p.Start), f.x(p.End)
		if x1 <= x0 {
			continue
		}
		c.rect("hit", x0, a.y0, x1-x0, a.y1-a.y0, f.figures(p))
	}
}

// figures are those of a point, in lines.
func (f Frame) figures(p history.Point) string {
	const day = 24 * time.Hour
	form := "15:04:05"
	if f.To.Sub(f.From) > day {
		form = "Jan 2 15:04"
	}
	lines := []string{p.Start.In(f.Zone).Format(form) + " to " + p.End.In(f.Zone).Format(form)}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if p.Reports == 0 {
		add("nothing is known")
		return strings.Join(lines, "\n")
	}
	for _, way := range []Way{RoundTrip, Forward, Backward} {
		if d := way.Of(p); d != nil {
			add("%s: min %s, p50 %s, p99 %s", way, Duration(d.Min), Duration(d.P50), Duration(d.P99))
		}
	}
	add("lost %d of %d (%s), forward %s, backward %s", p.Lost, p.Sent, Share(p.Lost, p.Sent), known(p, p.LostForward), known(p, p.LostBackward))
	if p.Remarked > 0 {
		add("DSCP changed in %d", p.Remarked)
	}
	if p.HopsForward != nil || p.HopsBackward != nil {
		add("hops %s forward, %s backward", Hops(p.HopsForward), Hops(p.HopsBackward))
	}
	if len(p.Suspect) > 0 {
		add("suspect: %s", strings.Join(p.Suspect, ", "))
	}
	return strings.Join(lines, "\n")
}

func known(p history.Point, n *uint64) string {
	if !LostOneWay(p, n) {
		return "unknown"
	}
	return strconv.FormatUint(*n, 10)
}

// Hops returns hop counts in words.
func Hops(h *history.Hops) string {
	switch {
	case h == nil:
		return "–"
	case h.Min == h.Max:
		return strconv.Itoa(h.Min)
	}
	return fmt.Sprintf("%d–%d", h.Min, h.Max)
}
