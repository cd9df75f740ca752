package plot

import (
	"fmt"
	"math"
	"slices"

	"tinytwamp/services/logger/internal/history"
)

const (
	barsHeight = 180
	maxBars    = 80
	decade     = 10 // of the largest value to the smallest, from which powers of ten are ticks enough
)

// Bars draws how the round trips of a time are distributed, on a logarithmic
// axis: bars are so many per cent wide.
func Bars(f Frame, bars []history.Bar) []byte {
	var c canvas
	a := f.area(barsHeight)
	for len(bars) > 0 && bars[len(bars)-1].N == 0 {
		bars = bars[:len(bars)-1]
	}
	for len(bars) > 0 && bars[0].N == 0 {
		bars = bars[1:]
	}
	bars = wider(bars)
	var most, all uint64
	for _, b := range bars {
		most = max(most, b.N)
		all += b.N
	}
	c.begin("plot bars", f.Width, barsHeight, fmt.Sprintf("Distribution of %d round trips", all), f.Style)
	if all == 0 {
		f.empty(&c, a, "No round trips in this time")
		c.line("axis", a.x0, a.y1, a.x1, a.y1)
		return c.end()
	}
	s := scale{0, float64(most) * 1.08, a}
	for _, v := range round(0, s.high, 3) {
		c.line("grid", a.x0, s.y(v), a.x1, s.y(v))
		if v == math.Trunc(v) {
			c.text("label", "end", a.x0-8, s.y(v)+4, countLabel(v))
		}
	}
	x, ticks := valueAxis(a, float64(bars[0].From), float64(bars[len(bars)-1].To))
	for _, t := range ticks {
		c.line("grid", x(t), a.y0, x(t), a.y1)
		c.text("label", "middle", x(t), a.y1+16, Duration(int64(t)))
	}
	for _, b := range bars {
		if b.N > 0 {
			x0, x1 := x(float64(b.From)), x(float64(b.To))
			height := max(s.y(0)-s.y(float64(b.N)), 1)
			c.rect("bar", x0, a.y1-height, max(x1-x0-0.5, 1), height,
				fmt.Sprintf("%s to %s: %d (%s)", Duration(b.From), Duration(b.To), b.N, Share(b.N, all)))
		}
	}
	c.line("axis", a.x0, a.y1, a.x1, a.y1)
	return c.end()
}

// valueAxis returns where a delay goes, and the delays that get a label.
func valueAxis(a area, low, high float64) (x func(v float64) float64, ticks []float64) {
	low = max(low, 1)
	high = max(high, low+1)
	place := func(v float64) float64 { return math.Log(max(v, low)) }
	if high/low < decade {
		ticks = round(low, high, int((a.x1-a.x0)/70))
	} else {
		ticks = decades(low, high)
	}
	from, to := place(low), place(high)
	return func(v float64) float64 { return a.x0 + (place(v)-from)/(to-from)*(a.x1-a.x0) }, ticks
}

// decades returns the powers of ten from low to high, and what lies between if
// there are few.
func decades(low, high float64) []float64 {
	between := []float64{1}
	if high/low < 1e3 {
		between = []float64{1, 2, 5}
	}
	var ticks []float64
	for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
		for _, m := range between {
			if v := m * power; v >= low && v <= high {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

// wider joins bars until there are few enough to draw.
func wider(bars []history.Bar) []history.Bar {
	each := (len(bars) + maxBars - 1) / maxBars
	if each < 2 {
		return bars
	}
	var list []history.Bar
	for group := range slices.Chunk(bars, each) {
		sum := history.Bar{From: group[0].From, To: group[len(group)-1].To}
		for _, b := range group {
			sum.N += b.N
		}
		list = append(list, sum)
	}
	return list
}

// Quantile returns what a share of the values of bars is not above.
func Quantile(bars []history.Bar, share float64) int64 {
	var all uint64
	for _, b := range bars {
		all += b.N
	}
	rank := uint64(math.Ceil(share * float64(all)))
	var below uint64
	for _, b := range bars {
		if below += b.N; below >= rank && b.N > 0 {
			return (b.From + b.To) / 2
		}
	}
	return 0
}

func countLabel(v float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"M", 1e6}, {"k", 1e3}} {
		if v >= u.of {
			return significant(v/u.of) + u.name
		}
	}
	return significant(v)
}
