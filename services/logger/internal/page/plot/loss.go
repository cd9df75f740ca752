package plot

import "tinytwamp/services/logger/internal/history"

const (
	lossHeight = 148
	leastLoss  = 0.02 // that the axis goes up to
)

// Loss draws the share of packets that were lost: on the way to the target
// upward, on the way back downward; of those whose way is unknown, upward and
// in grey.
func Loss(f Frame, points []history.Point) []byte {
	var c canvas
	c.begin("plot loss", f.Width, lossHeight, "Loss over time, forward upward, backward downward", f.Style)
	a := f.area(lossHeight)
	f.suspects(&c, a, points)
	f.timeAxis(&c, a)
	most := leastLoss
	known := false
	for _, p := range points {
		forward, backward, unknown := shares(p)
		most = max(most, forward+unknown, backward)
		known = known || p.Sent > 0
	}
	s := scale{-min(1, most*1.1), min(1, most*1.1), a}
	if most >= 1 {
		s.low, s.high = -1, 1
	}
	lossAxis(&c, s)
	if !known {
		f.empty(&c, a, "Nothing was sent in this time")
		return c.end()
	}
	for _, p := range points {
		f.losses(&c, s, p)
	}
	c.line("axis", a.x0, s.y(0), a.x1, s.y(0))
	if f.Pointed {
		f.hits(&c, a, points)
	}
	return c.end()
}

// shares are those of the packets of a point that were lost on each way.
func shares(p history.Point) (forward, backward, unknown float64) {
	if p.Sent == 0 {
		return 0, 0, 0
	}
	var f, b uint64
	if p.LostForward != nil {
		f = min(*p.LostForward, p.Lost)
	}
	if p.LostBackward != nil {
		b = min(*p.LostBackward, p.Lost-f)
	}
	sent := float64(p.Sent)
	return float64(f) / sent, float64(b) / sent, float64(p.Lost-f-b) / sent
}

// Unresolved is how many of the packets lost nobody knows the way of: a prober
// tells it by later answers.
func Unresolved(p history.Point) uint64 {
	n := p.Lost
	for _, way := range []*uint64{p.LostForward, p.LostBackward} {
		if way != nil {
			n -= min(*way, n)
		}
	}
	return n
}

// LostOneWay tells whether n of a point is how many it lost on a way: 0 is not,
// as long as others may have been lost there.
func LostOneWay(p history.Point, n *uint64) bool {
	return n != nil && (*n > 0 || Unresolved(p) == 0)
}

func lossAxis(c *canvas, s scale) {
	for _, v := range round(0, s.high, 2) {
		label := significant(100*v) + " %"
		for _, at := range []float64{v, -v} {
			c.line("grid", s.x0, s.y(at), s.x1, s.y(at))
			if v > 0 {
				c.text("label", "end", s.x0-8, s.y(at)+4, label)
			}
		}
	}
	c.text("label", "end", s.x0-8, s.y(0)+4, "0")
	c.text("way", "start", s.x0+6, s.y0+12, "forward ↑")
	c.text("way", "start", s.x0+6, s.y1-5, "backward ↓")
}

func (f Frame) losses(c *canvas, s scale, p history.Point) {
	x := f.x(p.Start)
	width := f.x(p.End) - x
	if width > 3 { // a seam between intervals
		width--
	}
	width = max(width, 1.5)
	forward, backward, unknown := shares(p)
	bar := func(class string, low, high float64) {
		if high > low { // what was lost can be seen, be it ever so little
			height := max(s.y(low)-s.y(high), 2)
			c.rect(class, x, s.y(low)-height, width, height, "")
		}
	}
	bar("forward", 0, forward)
	bar("unknown", forward, forward+unknown)
	if backward > 0 {
		c.rect("backward", x, s.y(0), width, max(s.y(-backward)-s.y(0), 2), "")
	}
}
