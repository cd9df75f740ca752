package plot

import (
	"math"
	"strconv"
)

// unit is what a duration is counted in.
type unit struct {
	name string
	ns   float64
}

var units = []unit{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}, {"ns", 1}}

// unitFor returns the largest unit of which ns is at least one.
func unitFor(ns float64) unit {
	for _, u := range units {
		if math.Abs(ns) >= u.ns {
			return u
		}
	}
	return units[len(units)-1]
}

// Duration returns nanoseconds with three significant digits and their unit.
func Duration(ns int64) string {
	u := unitFor(float64(ns))
	return significant(float64(ns)/u.ns) + " " + u.name
}

// significant returns v with three significant digits, or all those before its
// point.
func significant(v float64) string {
	decimals := 2
	for limit := 9.995; decimals > 0 && math.Abs(v) >= limit; limit *= 10 {
		decimals--
	}
	if v == math.Trunc(v) {
		decimals = 0
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// Share returns n of total in percent; little is told from nothing.
func Share(n, total uint64) string {
	if total == 0 {
		return "–"
	}
	percent := 100 * float64(n) / float64(total)
	if percent > 0 && percent < 0.01 {
		return "< 0.01 %"
	}
	return significant(percent) + " %"
}
