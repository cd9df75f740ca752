package plot

import (
	"fmt"
	"time"

	"tinytwamp/services/logger/internal/history"
)

const (
	sparkWidth  = 120
	sparkHeight = 26
	sparkLoss   = 5 // that loss has of it
)

// Spark draws the median of the round trip of the last hour in the size of a
// word, with losses beneath.
func Spark(points []history.Point, now time.Time) []byte {
	var c canvas
	var least, most int64
	known := 0
	for _, p := range points {
		if p.RTT == nil {
			continue
		}
		if known == 0 || p.RTT.P50 < least {
			least = p.RTT.P50
		}
		most = max(most, p.RTT.P50)
		known++
	}
	title := "No round trip in the last hour"
	if known > 0 {
		title = fmt.Sprintf("Median round trip of the last hour, %s to %s", Duration(least), Duration(most))
	}
	c.begin("spark", sparkWidth, sparkHeight, title, "")
	// What varies by less than a fifth looks calm.
	low, high := float64(least), max(float64(most), 1.2*float64(least), float64(least)+1)
	s := scale{low, high, area{0, 2, sparkWidth, sparkHeight - sparkLoss - 3}}
	x := func(t time.Time) float64 {
		return min(max(sparkWidth*(1-float64(now.Sub(t))/float64(time.Hour)), 0), sparkWidth)
	}
	var line []point
	for i, p := range points {
		x0, x1 := x(p.Start), x(p.End)
		if p.Lost > 0 {
			c.rect("lost", x0, sparkHeight-sparkLoss, max(x1-x0-0.5, 1), sparkLoss, "")
		}
		if i > 0 && p.Start.After(points[i-1].End) || p.RTT == nil {
			c.shape("median", line, false)
			line = line[:0]
		}
		if p.RTT != nil {
			y := s.y(float64(p.RTT.P50))
			line = append(line, point{x0, y}, point{x1, y})
		}
	}
	c.shape("median", line, false)
	return c.end()
}
