package stats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"tinytwamp/shared/events"
)

const ms = 1_000_000

// lost stands for a packet without a delay.
const lost = math.MinInt64

func feed(d *Delay, delays ...int64) {
	for _, ns := range delays {
		if ns == lost {
			d.Skip()
		} else {
			d.Add(ns)
		}
	}
}

func TestDelayVariation(t *testing.T) {
	tests := map[string]struct{ delays, ipdv, pdv []int64 }{
		"RFC 5481 figure 1": {
			delays: []int64{20 * ms, 10 * ms, 20 * ms, 25 * ms, 20 * ms},
			ipdv:   []int64{-10 * ms, 10 * ms, 5 * ms, -5 * ms},
			pdv:    []int64{10 * ms, 0, 10 * ms, 15 * ms, 10 * ms},
		},
		"RFC 5481 figure 5, lossless path change": {
			delays: []int64{4, 4, 4, 4, 9, 9, 9, 9, 9},
			ipdv:   []int64{0, 0, 0, 5, 0, 0, 0, 0},
			pdv:    []int64{0, 0, 0, 0, 5, 5, 5, 5, 5},
		},
		"a lost packet makes two pairs undefined": {
			delays: []int64{4, 5, lost, 9, 7},
			ipdv:   []int64{1, -2},
			pdv:    []int64{0, 1, 5, 3},
		},
		"every other one lost: no pair":  {delays: []int64{4, lost, 5, lost, 9}, pdv: []int64{0, 1, 5}},
		"one packet":                     {delays: []int64{-4}, pdv: []int64{0}},
		"clock offset, beyond any float": {delays: []int64{-1e18, -1e18 + 3, -1e18 + 1}, ipdv: []int64{3, -2}, pdv: []int64{0, 3, 1}},
		"beyond int64":                   {delays: []int64{math.MaxInt64, math.MinInt64 + 1}, ipdv: []int64{math.MinInt64}, pdv: []int64{math.MaxInt64, 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := OneWay()
			feed(&d, test.delays...)
			r := d.Report()
			checkDistribution(t, "IPDV", r.IPDV, referenceDistribution(test.ipdv))
			want := referenceDistribution(test.pdv)
			if name == "beyond int64" { // where the sample cannot be written down
				want.MeanNs, want.StddevNs = r.PDV.MeanNs, r.PDV.StddevNs
			}
			checkDistribution(t, "PDV", r.PDV, want)
		})
	}
}

func TestNoDelayNoReport(t *testing.T) {
	var d Delay
	d.Skip()
	d.Arrived(5)
	if r := d.Report(); r != nil {
		t.Errorf("got %+v, want none: no packet has a delay", r)
	}
}

// Every pair is in exactly one report: in that of its later packet.
func TestIPDVOverIntervalBound(t *testing.T) {
	intervals := []struct{ delays, ipdv []int64 }{
		{[]int64{10, 12}, []int64{2}},
		{[]int64{17, 16}, []int64{5, -1}},
		{[]int64{20, lost}, []int64{4}},
		{[]int64{30}, nil}, // after a lost one
		{[]int64{lost}, nil},
		{[]int64{31, 33}, []int64{2}},
	}
	var d Delay
	for i, interval := range intervals {
		feed(&d, interval.delays...)
		if r := d.Report(); r != nil {
			checkDistribution(t, fmt.Sprint("interval ", i), r.IPDV, referenceDistribution(interval.ipdv))
		}
		d.Follow(&d)
	}
}

// RFC 3550 section 6.4.1, J(i) = J(i-1) + (|D(i-1,i)| - J(i-1))/16, by hand.
func TestJitter(t *testing.T) {
	steps := []struct {
		arrived int64
		want    int64
	}{
		{5_000, 0},
		{6_600, 100}, // |D| 1600
		{6_600, 93},  // 93.75
		{6_440, 97},  // |D| 160: 97.890625
		{8_040, 191}, // |D| 1600: 191.77...; over an interval's bound
	}
	var d Delay
	for i, step := range steps {
		d.Add(1)
		d.Arrived(step.arrived)
		if got := d.Report().JitterRFC3550Ns; got != step.want {
			t.Errorf("after packet %d: %d ns, want %d", i, got, step.want)
		}
		d.Follow(&d)
	}
}

func TestJitterBeyondAnyClock(t *testing.T) {
	d := OneWay()
	d.Add(1)
	for i := range 1000 {
		d.Arrived([]int64{math.MinInt64, math.MaxInt64}[i%2])
	}
	if got := d.Report().JitterRFC3550Ns; got <= math.MaxInt64/2 {
		t.Errorf("jitter %d, want nearly the largest", got)
	}
}

// Property: whatever is lost, a report is what the definitions make of the
// whole interval.
func TestDelayAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	d := OneWay()
	before := int64(lost)
	for range 300 {
		var delays, values, ipdv, pdv []int64
		for range r.IntN(40) {
			ns := r.Int64N(1000) - 500
			if r.IntN(4) == 0 {
				ns = lost
			}
			delays = append(delays, ns)
			if ns != lost {
				values = append(values, ns)
				if before != lost {
					ipdv = append(ipdv, ns-before)
				}
			}
			before = ns
		}
		feed(&d, delays...)
		got := d.Report()
		d.Follow(&d)
		if len(values) == 0 {
			if got != nil {
				t.Fatalf("%v: got %+v, want none", delays, got)
			}
			continue
		}
		for _, ns := range values {
			pdv = append(pdv, ns-slices.Min(values))
		}
		checkDistribution(t, "delay", &got.Distribution, referenceDistribution(values))
		checkDistribution(t, "IPDV", got.IPDV, referenceDistribution(ipdv))
		checkDistribution(t, "PDV", got.PDV, referenceDistribution(pdv))
		if got.P95P50Ns != got.P95Ns-got.P50Ns {
			t.Errorf("p95-p50 is %d", got.P95P50Ns)
		}
		if t.Failed() {
			t.Fatal(delays)
		}
	}
}

// A report as it stands in an event. The histogram's text is left out: it may
// change with the compressor, and the library reads it in other tests.
func TestGoldenReport(t *testing.T) {
	d := OneWay()
	var l LossRuns
	var h Hops
	for i, ns := range []int64{20 * ms, 10 * ms, lost, lost, 20 * ms, 25 * ms, lost, 20 * ms} {
		feed(&d, ns)
		l.Add(ns == lost)
		if ns != lost {
			d.Arrived(ns)
			h.Add(uint8(250 - i/4))
		}
	}
	delay := d.Report()
	delay.Histogram.HDR = "..."
	got, err := json.MarshalIndent(map[string]any{
		"forward":      events.OneWay{Delay: *delay, Valid: true},
		"loss_periods": l.Report(),
		"hops_forward": h.Report(),
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(got, '\n'), want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
