package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"

	"tinytwamp/shared/events"
)

// merge adds histograms of several reports as the doc comment of
// Series.Histogram tells consumers to.
func merge(t *testing.T, histograms []*events.Histogram) (base int64, merged *hdrhistogram.Histogram) {
	t.Helper()
	base = math.MaxInt64
	for _, h := range histograms {
		base = min(base, h.BaseNs)
	}
	merged = hdrhistogram.New(1, math.MaxInt64, 3)
	for _, h := range histograms {
		decoded, err := hdrhistogram.Decode([]byte(h.HDR))
		if err != nil {
			t.Fatal(err)
		}
		for _, bar := range decoded.Distribution() {
			if bar.Count == 0 {
				continue
			}
			v := h.BaseNs - base + bar.From + (bar.To-bar.From)/2
			if err := merged.RecordValues(v, bar.Count); err != nil {
				t.Fatal(err)
			}
		}
	}
	return base, merged
}

// quantile is the middle of the bucket that holds the nearest rank.
func quantile(h *hdrhistogram.Histogram, perMille int) int64 {
	rank := (h.TotalCount()*int64(perMille) + 999) / 1000
	for _, bar := range h.Distribution() {
		if rank -= bar.Count; rank <= 0 {
			return bar.From + (bar.To-bar.From)/2
		}
	}
	panic("no value has that rank")
}

func TestMergedHistograms(t *testing.T) {
	tests := map[string]struct {
		sizes []int
		start func(interval int) int64 // around where an interval's values are
		bound float64                  // error, as part of the distance from the base
		plain bool
	}{
		"round trip":              {[]int{10, 1, 500, 5000}, func(int) int64 { return 0 }, 0.0005, true},
		"round trip, overflown":   {[]int{Limit + 9000, 10, Limit + 20_000}, func(int) int64 { return 0 }, 0.0005, true},
		"one-way, drifting":       {[]int{10, 1, 500, 5000}, func(i int) int64 { return -1e17 - int64(i)*700_001 }, 0.001, false},
		"one-way, stepping":       {[]int{1000, 1000, 1000}, func(i int) int64 { return int64(i-1) * 1e15 }, 0.001, false},
		"one-way, overflown":      {[]int{Limit + 9000, 10, Limit + 20_000}, func(i int) int64 { return -int64(i) * 3_000_017 }, 0.0015, false},
		"one-way, huge and minus": {[]int{300, 300}, func(i int) int64 { return int64(i)*4e18 - 2e18 }, 0.001, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			var all []int64
			var histograms []*events.Histogram
			s := Series{oneWay: !test.plain}
			for i, size := range test.sizes {
				for range size {
					v := test.start(i) + int64(20e6*math.Exp(r.NormFloat64()))
					s.Add(v)
					all = append(all, v)
				}
				histograms = append(histograms, s.Histogram())
				s.Cut()
			}
			slices.Sort(all)
			base, merged := merge(t, histograms)
			if merged.TotalCount() != int64(len(all)) {
				t.Fatalf("%d values, want %d", merged.TotalCount(), len(all))
			}
			for _, perMille := range []int{1, 10, 250, 500, 900, 950, 990, 999, 1000} {
				got, want := base+quantile(merged, perMille), nearestRank(all, perMille)
				if distance(got, want) > test.bound*distance(want, base)+1 {
					t.Errorf("quantile %d: %d, want %d within %v of %v", perMille, got, want, test.bound, distance(want, base))
				}
			}
		})
	}
}

// Histograms of delays that are never negative can be added as they are: they
// state the same range.
func TestUsualRangeIsStable(t *testing.T) {
	for _, values := range [][]int64{{0}, {1, 2_000_000_000}, {usualRange}} {
		var s Series
		for _, v := range values {
			s.Add(v)
		}
		h, err := hdrhistogram.Decode([]byte(s.Histogram().HDR))
		if err != nil {
			t.Fatal(err)
		}
		if h.HighestTrackableValue() != usualRange || h.LowestTrackableValue() != 1 {
			t.Errorf("%v: range %d to %d", values, h.LowestTrackableValue(), h.HighestTrackableValue())
		}
	}
}

func TestBuckets(t *testing.T) {
	for _, v := range []uint64{0, 1, 2047, 2048, 2049, 4095, 4096, 1 << 20, 1<<63 - 1, 1 << 63, math.MaxUint64} {
		i := bucket(v)
		m := middle(i)
		if bucket(m) != i {
			t.Errorf("middle %d of the bucket of %d is in another one", m, v)
		}
		if off := max(v, m) - min(v, m); off > v/2048 {
			t.Errorf("%d is %d from the middle of its bucket", v, off)
		}
		if v > 0 && bucket(v-1) != i && bucket(v-1) != i-1 {
			t.Errorf("buckets of %d and %d are not neighbours", v-1, v)
		}
	}
}
