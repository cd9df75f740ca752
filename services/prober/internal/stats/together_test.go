package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The values of several sessions together are what one series of all of them
// holds: exactly, as long as no buffer overflows, and within 0.1 % beyond.
func TestSeriesMerge(t *testing.T) {
	for name, sizes := range map[string][]int{
		"small": {10, 0, 1, 500}, "the sum overflows": {Limit - 5, 10}, "one overflows": {10, Limit + 10, 20},
		"all overflow": {Limit + 1, Limit + 2}, "into nothing": {0, Limit + 9},
	} {
		for _, oneWay := range []bool{false, true} {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			base := int64(0)
			if oneWay {
				base = 40 * 365 * 24 * 3600 * 1e9 // two clocks
			}
			sum := Series{oneWay: oneWay}
			var all []int64
			for _, size := range sizes {
				part := Series{oneWay: oneWay}
				for range size {
					v := base + 1_000_000 + r.Int64N(9_000_000)
					all = append(all, v)
					part.Add(v)
				}
				sum.Merge(&part)
			}
			got, want := sum.Distribution(), referenceDistribution(all)
			if len(all) <= Limit {
				checkDistribution(t, name, got, want)
				continue
			}
			if got.N != want.N || got.MinNs != want.MinNs || got.MaxNs != want.MaxNs || got.MeanNs != want.MeanNs || got.StddevNs != want.StddevNs {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
			for i, q := range quantiles(got) {
				if off := math.Abs(float64(q - quantiles(want)[i])); off > 0.001*10_000_000 {
					t.Errorf("%s: quantile %d is off by %v", name, i, off)
				}
			}
		}
	}
}

func TestDelaysTogether(t *testing.T) {
	var a, b, sum Delay
	for _, v := range []int64{10, 30, 20} {
		a.Add(v)
		a.Arrived(v)
	}
	for _, v := range []int64{100, 100} {
		b.Add(v)
		b.Arrived(v)
	}
	sum.Merge(&b)
	sum.Merge(&a)
	r := sum.Report()
	if r.N != 5 || r.MinNs != 10 || r.MaxNs != 100 || r.MeanNs != 52 {
		t.Errorf("%+v", r.Distribution)
	}
	// Each session's own consecutive packets: +20, -10 and 0, none across.
	if r.IPDV.N != 3 || r.IPDV.MinNs != -10 || r.IPDV.MaxNs != 20 || r.JitterRFC3550Ns != a.Report().JitterRFC3550Ns {
		t.Errorf("IPDV %+v, jitter %d", r.IPDV, r.JitterRFC3550Ns)
	}
}

func TestLossesTogether(t *testing.T) {
	var a, b, sum LossRuns
	addAll(&a, "xrrrrx")
	addAll(&b, "rxxxrx")
	sum.Merge(&a)
	sum.Merge(new(LossRuns))
	sum.Merge(&b)
	r := sum.Report()
	if r.Count != 4 || r.Longest != 3 || *r.MinDistance != 1 || *r.MaxDistance != 5 {
		t.Errorf("%s", inJSON(t, r))
	}
	if new(LossRuns).Report() != nil {
		t.Error("nothing is lost, but a report is there")
	}
}

func TestHopsTogether(t *testing.T) {
	var a, b, sum Hops
	for _, ttl := range []uint8{250, 249, 250} {
		a.Add(ttl)
	}
	b.Add(240)
	for _, h := range []*Hops{new(Hops), &a, new(Hops), &b} {
		sum.Merge(h)
	}
	r := sum.Report()
	if r.Min != 5 || r.Max != 15 || r.Last != 15 || r.Changes != 2 {
		t.Errorf("%+v", r)
	}
	if !slices.Equal([]uint8{a.Report().Min, a.Report().Max}, []uint8{5, 6}) {
		t.Errorf("what was merged has changed: %+v", a.Report())
	}
}
