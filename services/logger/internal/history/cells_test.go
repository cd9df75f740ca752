package history

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A value lies within the bounds of its cell, whose middle is off by 1.6 % at
// most, and cells follow one another without gaps.
func TestCells(t *testing.T) {
	for index := int32(-maxIndex); index < maxIndex; index++ {
		from, to := bounds(index)
		middle := middle(index)
		if got := indexOf(middle); got != index {
			t.Fatalf("%d, the middle of cell %d, is in cell %d", middle, index, got)
		}
		if next, _ := bounds(index + 1); index >= 0 && next != to {
			t.Fatalf("cell %d ends at %d, the next begins at %d", index, to, next)
		}
		if width := float64(to-from) / 2; math.Abs(float64(middle)) > 64 && width/math.Abs(float64(middle)) > 0.016 {
			t.Fatalf("cell %d from %d to %d: too wide", index, from, to)
		}
	}
	for _, v := range []int64{0, 1, 63, 64, 65, 1e6, largest - 1, largest} {
		if from, to := bounds(indexOf(v)); v < from || v >= to || indexOf(v) > maxIndex || indexOf(-v) != -indexOf(v) {
			t.Errorf("%d is in cell %d, from %d to %d", v, indexOf(v), from, to)
		}
	}
}

// pooled returns the quantile of all values, by nearest rank.
func pooled(sorted []int64, q float64) int64 {
	return sorted[max(int(math.Ceil(q*float64(len(sorted)))), 1)-1]
}

// distributionOf adds values.
func distributionOf(values []int64) *delay {
	d := new(delay)
	for _, v := range slices.Sorted(slices.Values(values)) {
		d.add(v, 1)
	}
	return d
}

// Quantiles of merged delays are those of all their values together, and not,
// say, means of quantiles: here most reports are calm, and few hold the tail.
func TestMergedQuantilesAreThoseOfAllValues(t *testing.T) {
	for name, draw := range map[string]func(r *rand.Rand, report int) int64{
		"calm, few with a tail": func(r *rand.Rand, report int) int64 {
			v := 10e6 + 1e5*r.ExpFloat64()
			if report%50 == 0 {
				v *= 1 + 20*r.Float64()
			}
			return int64(v)
		},
		"both signs":   func(r *rand.Rand, _ int) int64 { return int64(2e5 * r.NormFloat64()) },
		"microseconds": func(r *rand.Rand, _ int) int64 { return int64(2e3 + 500*r.ExpFloat64()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			var all []int64
			merged := new(delay)
			sum := 0.0
			for report := range 720 {
				values := make([]int64, 1+r.IntN(30))
				for i := range values {
					values[i] = draw(r, report)
					sum += float64(values[i])
				}
				all = append(all, values...)
				merged.merge(distributionOf(values))
			}
			slices.Sort(all)
			f := merged.figures()
			if f.N != uint64(len(all)) || f.Min != all[0] || f.Max != all[len(all)-1] || math.Abs(f.Mean-sum/float64(len(all))) > 1 {
				t.Errorf("%+v of %d values", f, len(all))
			}
			for q, got := range map[float64]int64{0.25: f.P25, 0.5: f.P50, 0.75: f.P75, 0.95: f.P95, 0.99: f.P99, 0.999: f.P999} {
				if want := pooled(all, q); math.Abs(float64(got-want)) > 0.016*math.Abs(float64(want))+1 {
					t.Errorf("quantile %v is %d, of all values %d", q, got, want)
				}
			}
		})
	}
}

// Values made to fill the disk do not: the largest keep their cells.
func TestCellsAreBounded(t *testing.T) {
	d := new(delay)
	for i := int32(0); i < maxIndex; i++ {
		from, _ := bounds(i)
		one := new(delay)
		one.add(min(from, largest), 1)
		d.merge(one)
	}
	if len(d.cells) > maxCells || d.n != maxIndex {
		t.Fatalf("%d cells with %d values", len(d.cells), d.n)
	}
	for _, q := range []float64{0.6, 0.9, 0.99} {
		if got, want := d.quantile(q), int32(q*maxIndex); indexOf(got) < want-1 || indexOf(got) > want+1 {
			t.Errorf("quantile %v is %d, in cell %d, want %d", q, got, indexOf(got), want)
		}
	}
}
