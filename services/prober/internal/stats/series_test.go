package stats

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/HdrHistogram/hdrhistogram-go"

	"tinytwamp/shared/events"
)

func quantiles(d *events.Distribution) []int64 {
	return []int64{d.MinNs, d.P50Ns, d.P90Ns, d.P95Ns, d.P99Ns, d.P999Ns, d.MaxNs}
}

func TestDistributionAgainstSortedValues(t *testing.T) {
	eachSeries(t, func(t *testing.T, s *Series, values []int64) {
		got, want := s.Distribution(), referenceDistribution(values)
		if s.N() != want.N {
			t.Errorf("N = %d, want %d", s.N(), want.N)
		}
		if !slices.IsSorted(quantiles(got)) {
			t.Errorf("quantiles do not ascend: %+v", got)
		}
		if len(values) <= Limit {
			if *got != *want {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
			return
		}
		for i, q := range quantiles(got) {
			exact := quantiles(want)[i]
			if distance(q, exact) > distance(exact, origin(s, values))/2048 {
				t.Errorf("quantile %d = %d, want %d: farther off than 1/2048 of its distance from the origin", i, q, exact)
			}
		}
		got.P50Ns, got.P90Ns, got.P95Ns, got.P99Ns, got.P999Ns = want.P50Ns, want.P90Ns, want.P95Ns, want.P99Ns, want.P999Ns
		if *got != *want {
			t.Errorf("beside the quantiles:\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestDistributionByHand(t *testing.T) {
	var s Series
	for _, v := range []int64{40, 10, 30, 20} {
		s.Add(v)
	}
	// The median of an even number is the lower one of the middle two, a value
	// that occurred. The variance is (15^2+15^2+5^2+5^2)/4 = 125.
	want := events.Distribution{
		MinNs: 10, MeanNs: 25, StddevNs: 11, P50Ns: 20,
		P90Ns: 40, P95Ns: 40, P99Ns: 40, P999Ns: 40, MaxNs: 40, N: 4,
	}
	if got := s.Distribution(); *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	s.Add(0) // after a report, before Cut
	if got := s.Distribution(); got.N != 5 || got.P50Ns != 20 || got.MinNs != 0 {
		t.Errorf("with one more value: %+v", got)
	}
}

func TestEmptySeries(t *testing.T) {
	var s Series
	if s.Distribution() != nil || s.Histogram() != nil || s.N() != 0 {
		t.Error("an empty series has a distribution, a histogram or values")
	}
}

// An interval knows nothing of the one before, whichever overflowed.
func TestSeriesCut(t *testing.T) {
	for _, oneWay := range []bool{false, true} {
		s := Series{oneWay: oneWay}
		for i, values := range [][]int64{
			slices.Repeat([]int64{5_000_000, -9}, Limit),
			{1, 2, 3},
			slices.Repeat([]int64{-70_000, 12_345_678, 100}, Limit/2),
			{},
			{4},
		} {
			fresh := Series{oneWay: oneWay}
			for _, v := range values {
				s.Add(v)
				fresh.Add(v)
			}
			checkDistribution(t, fmt.Sprint("interval ", i), s.Distribution(), fresh.Distribution())
			if got, want := s.Histogram(), fresh.Histogram(); got != nil && *got != *want {
				t.Errorf("interval %d: histogram %+v, want %+v", i, got, want)
			}
			s.Cut()
			if s.N() != 0 || s.Distribution() != nil {
				t.Errorf("interval %d: values left after Cut", i)
			}
		}
	}
}

func TestAddDoesNotAllocate(t *testing.T) {
	for name, before := range map[string]int{"buffer": 4096, "histogram": Limit + 4096} {
		t.Run(name, func(t *testing.T) {
			d := OneWay()
			var l LossRuns
			var h Hops
			interval := func(n int) {
				for i := range n {
					ns := int64(i%4096) * 1_000_003
					d.Arrived(ns)
					d.Add(ns)
					if i%10 == 0 {
						d.Skip()
					}
					l.Add(i%10 == 0)
					h.Add(uint8(i))
				}
				d.Follow(&d)
				l.Follow(&l)
				h.Follow(&h)
			}
			interval(before)
			if n := testing.AllocsPerRun(3, func() { interval(before) }); n != 0 {
				t.Errorf("%v allocations in an interval like the one before, want 0", n)
			}
		})
	}
}

// What 5,000 sessions hold must be small: four delays each, ten values in an
// interval.
func TestSmallIntervalIsSmall(t *testing.T) {
	var d Delay
	for i := range int64(10) {
		d.Add(i)
	}
	octets := int(unsafe.Sizeof(d)) + 8*cap(d.values.values) + 8*cap(d.ipdv.values)
	if octets > 400 {
		t.Errorf("a delay with 10 values takes %d octets, want at most 400", octets)
	}
}

func TestHistogramHoldsEveryValue(t *testing.T) {
	eachSeries(t, func(t *testing.T, s *Series, values []int64) {
		got := s.Histogram()
		base := slices.Min(values)
		if !s.oneWay {
			base = min(base, 0)
		}
		if got.BaseNs != base {
			t.Errorf("base %d, want %d", got.BaseNs, base)
		}
		h, err := hdrhistogram.Decode([]byte(got.HDR))
		if err != nil {
			t.Fatal(err)
		}
		if h.TotalCount() != int64(len(values)) || h.SignificantFigures() != 3 {
			t.Errorf("%d values of %d digits, want %d of 3", h.TotalCount(), h.SignificantFigures(), len(values))
		}
		if len(values) > Limit {
			return // rounded before: TestMergedHistograms bounds that
		}
		direct := hdrhistogram.New(1, h.HighestTrackableValue(), 3)
		for _, v := range values {
			if err := direct.RecordValue(subtract(v, base)); err != nil {
				t.Fatal(err)
			}
		}
		if !h.Equals(direct) {
			t.Error("not the histogram that the library makes of the values")
		}
	})
}
