// Package plot draws what is known of a path over time as SVG: delays as bands,
// losses by direction, distributions.
package plot

import (
	"math"
	"time"

	"tinytwamp/services/logger/internal/history"
)

// Frame is what the plots of a page have in common: below each other, they
// share their time axis.
type Frame struct {
	From, To time.Time
	Zone     *time.Location // of the labels
	Width    float64        // in units of which text is 12 high
	Style    string         // sheet that goes into the drawing; empty: the page has it
	Pointed  bool           // each interval tells its figures to who points at it
}

// Widths of plots: on a screen, in half of it, and where there is little room.
const (
	Wide   = 960
	Half   = 560
	Narrow = 400
)

// Margins of all plots.
const (
	left   = 66
	right  = 14
	top    = 10
	bottom = 24
)

// area is where the data goes.
type area struct{ x0, y0, x1, y1 float64 }

func (f Frame) area(height float64) area {
	return area{left, top, f.Width - right, height - bottom}
}

// x returns where an instant is, at the edge if it is beyond.
func (f Frame) x(t time.Time) float64 {
	whole := f.To.Sub(f.From)
	if whole <= 0 {
		return left
	}
	share := float64(t.Sub(f.From)) / float64(whole)
	return left + min(max(share, 0), 1)*(f.Width-left-right)
}

// steps of the time axis.
var steps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 5 * 24 * time.Hour, 10 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour, 365 * 24 * time.Hour,
}

const labelWidth = 84 // that a label of the time axis takes

// timeAxis draws lines and labels at round times of the frame's zone.
func (f Frame) timeAxis(c *canvas, a area) {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if float64(f.To.Sub(f.From))/float64(s) <= (a.x1-a.x0)/labelWidth {
			step = s
			break
		}
	}
	_, offset := f.From.In(f.Zone).Zone()
	shift := time.Duration(offset) * time.Second
	for clock := f.From.UTC().Add(shift).Truncate(step); ; clock = clock.Add(step) {
		t := clock.Add(-shift)
		if step > time.Hour { // the zone's clock may have changed since
			t = time.Date(clock.Year(), clock.Month(), clock.Day(), clock.Hour(), 0, 0, 0, f.Zone)
		}
		if t.After(f.To) {
			break
		}
		if t.Before(f.From) {
			continue
		}
		x := f.x(t)
		c.line("grid", x, a.y0, x, a.y1)
		anchor := "middle"
		switch {
		case x > a.x1-labelWidth/4:
			anchor = "end"
			x = a.x1 + right
		case x < a.x0+4:
			anchor = "start"
		}
		c.text("label", anchor, x, a.y1+16, timeLabel(t.In(f.Zone), step))
	}
}

func timeLabel(t time.Time, step time.Duration) string {
	switch {
	case step >= 24*time.Hour, t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0:
		return t.Format("Jan 2")
	case step < time.Minute:
		return t.Format("15:04:05")
	}
	return t.Format("15:04")
}

// scale maps values to heights.
type scale struct {
	low, high float64
	area
}

func (s scale) y(v float64) float64 {
	share := (min(max(v, s.low), s.high) - s.low) / (s.high - s.low)
	return s.y1 - share*(s.y1-s.y0)
}

// round returns about n round values from low to high.
func round(low, high float64, n int) []float64 {
	rough := (high - low) / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	step := 10 * power
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= rough {
			step = m * power
			break
		}
	}
	var values []float64
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9); i++ {
		values = append(values, i*step)
	}
	return values
}

// suspects shades the times in which the figures may be the prober's host's.
func (f Frame) suspects(c *canvas, a area, points []history.Point) {
	for i := 0; i < len(points); {
		if len(points[i].Suspect) == 0 {
			i++
			continue
		}
		first := i
		for i < len(points) && len(points[i].Suspect) > 0 {
			i++
		}
		x0, x1 := f.x(points[first].Start), f.x(points[i-1].End)
		c.rect("suspect", x0, a.y0, x1-x0, a.y1-a.y0, "")
	}
}

// empty says that there is nothing to draw.
func (f Frame) empty(c *canvas, a area, why string) {
	c.text("empty", "middle", (a.x0+a.x1)/2, (a.y0+a.y1)/2+4, why)
}
