package plot

import (
	"math"
	"slices"
	"strconv"

	"tinytwamp/services/logger/internal/history"
)

// Way is what a delay is of.
type Way string

// Ways, which are also the classes of their plots.
const (
	RoundTrip Way = "rtt"
	Forward   Way = "forward"
	Backward  Way = "backward"
)

// Name returns the way in words.
func (w Way) Name() string {
	switch w {
	case Forward:
		return "Forward, to the target"
	case Backward:
		return "Backward, from the target"
	}
	return "Round trip"
}

// Of returns the delay of a point; nil: there is none. One-way delays of clocks
// that do not agree are only their variation.
func (w Way) Of(p history.Point) *history.Delay {
	switch w {
	case Forward:
		return p.Forward
	case Backward:
		return p.Backward
	}
	return p.RTT
}

const (
	delayHeight = 216
	wayHeight   = 168 // of one direction
	laneHeight  = 14  // of the marks beneath the bands
	delayTicks  = 4
)

// Delay draws bands: from the least to the 99th percentile, the middle half
// within it, and the median. One-way delays of clocks that do not agree are left
// out, unless there are no others: then their variation is drawn.
func Delay(f Frame, way Way, points []history.Point) []byte {
	var c canvas
	relative := way != RoundTrip && Relative(points)
	if way != RoundTrip && !relative {
		points = believed(points)
	}
	height := float64(delayHeight)
	if way != RoundTrip {
		height = wayHeight
	}
	c.begin("plot "+string(way), f.Width, height, way.Name()+": delay over time", f.Style)
	a := f.area(height)
	a.y1 -= laneHeight
	s, ok := delayScale(a, way, points)
	f.suspects(&c, a, points)
	axis := a
	axis.y1 += laneHeight
	f.timeAxis(&c, axis)
	if !ok {
		f.empty(&c, a, "No delays in this time")
		c.line("axis", a.x0, a.y1, a.x1, a.y1)
		return c.end()
	}
	delayAxis(&c, s, relative)
	for _, run := range runs(points, func(p history.Point) bool { return way.Of(p) != nil }) {
		f.bands(&c, s, way, run)
	}
	f.over(&c, s, way, points)
	c.line("axis", a.x0, a.y1, a.x1, a.y1)
	f.marks(&c, a.y1+laneHeight/2, points)
	if f.Pointed {
		f.hits(&c, axis, points)
	}
	return c.end()
}

// Relative tells whether the one-way delays of points cannot be believed as
// they are, but only their changes.
func Relative(points []history.Point) bool {
	return !slices.ContainsFunc(points, func(p history.Point) bool { return p.ClocksValid })
}

// believed returns the points without one-way delays of clocks that do not
// agree.
func believed(points []history.Point) []history.Point {
	list := slices.Clone(points)
	for i, p := range list {
		if !p.ClocksValid {
			list[i].Forward, list[i].Backward = nil, nil
		}
	}
	return list
}

// delayScale fits the scale to the data: from 0 unless all is far above it; a
// few outliers do not flatten the rest, they are cut and marked.
func delayScale(a area, way Way, points []history.Point) (s scale, ok bool) {
	var tops []float64
	var least, half float64
	for _, p := range points {
		d := way.Of(p)
		if d == nil {
			continue
		}
		if len(tops) == 0 || float64(d.Min) < least {
			least = float64(d.Min)
		}
		if len(tops) == 0 || float64(d.P75) > half {
			half = float64(d.P75)
		}
		tops = append(tops, float64(d.P99))
	}
	if len(tops) == 0 {
		return scale{}, false
	}
	slices.Sort(tops)
	const usual = 0.95
	high := max(half, tops[int(usual*float64(len(tops)-1))])
	if most := tops[len(tops)-1]; most < 1.5*high {
		high = most
	}
	low := least
	if low > 0 && low < 0.8*high {
		low = 0
	}
	if high <= low {
		high = low + max(1, 0.1*low)
	}
	margin := 0.08 * (high - low)
	if low != 0 {
		low -= margin
	}
	return scale{low, high + margin, a}, true
}

func delayAxis(c *canvas, s scale, relative bool) {
	sign := ""
	if relative {
		sign = "+"
	}
	u := unitFor(max(math.Abs(s.low), math.Abs(s.high)))
	for _, v := range round(s.low, s.high, delayTicks) {
		c.line("grid", s.x0, s.y(v), s.x1, s.y(v))
		label := "0"
		if v != 0 {
			label = strconv.FormatFloat(v/u.ns, 'g', 6, 64) + " " + u.name
		}
		c.text("label", "end", s.x0-8, s.y(v)+4, sign+label)
	}
}

// runs cuts points into those that follow each other and have something.
func runs(points []history.Point, has func(history.Point) bool) [][]history.Point {
	var list [][]history.Point
	for i := 0; i < len(points); {
		first := i
		for i < len(points) && has(points[i]) {
			i++
		}
		if i > first {
			list = append(list, points[first:i])
		} else {
			i++
		}
	}
	return list
}

// bands draws a run without gaps, each interval as long as it is.
func (f Frame) bands(c *canvas, s scale, way Way, run []history.Point) {
	edge := func(value func(*history.Delay) int64) []point {
		var line []point
		for _, p := range run {
			y := s.y(float64(value(way.Of(p))))
			line = append(line, point{f.x(p.Start), y}, point{f.x(p.End), y})
		}
		return line
	}
	between := func(class string, low, high func(*history.Delay) int64) {
		back := edge(low)
		slices.Reverse(back)
		c.shape(class, append(edge(high), back...), true)
	}
	between("smoke", func(d *history.Delay) int64 { return d.Min }, func(d *history.Delay) int64 { return d.P99 })
	between("half", func(d *history.Delay) int64 { return d.P25 }, func(d *history.Delay) int64 { return d.P75 })
	c.shape("median", edge(func(d *history.Delay) int64 { return d.P50 }), false)
}

// over marks intervals that go on above the plot.
func (f Frame) over(c *canvas, s scale, way Way, points []history.Point) {
	for _, p := range points {
		if d := way.Of(p); d != nil && float64(d.P99) > s.high {
			x := (f.x(p.Start) + f.x(p.End)) / 2
			c.shape("over", []point{{x - 4, s.y0}, {x, s.y0 - 6}, {x + 4, s.y0}}, true)
		}
	}
}
