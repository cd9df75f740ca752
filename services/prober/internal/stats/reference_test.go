package stats

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"tinytwamp/shared/events"
)

// referenceDistribution is the obvious way: all values, sorted, and numbers of
// any size.
func referenceDistribution(values []int64) *events.Distribution {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	n := big.NewRat(int64(len(values)), 1)
	sum, squares, b, b2 := new(big.Int), new(big.Int), new(big.Int), new(big.Int)
	for _, v := range values {
		sum.Add(sum, b.SetInt64(v))
		squares.Add(squares, b2.Mul(b, b))
	}
	mean := new(big.Rat).Quo(new(big.Rat).SetInt(sum), n)
	variance := new(big.Rat).Quo(new(big.Rat).SetInt(squares), n)
	variance.Sub(variance, new(big.Rat).Mul(mean, mean))
	root := new(big.Float).SetPrec(400).SetRat(variance)
	root.Sqrt(root)
	stddev, _ := root.Rat(nil)
	return &events.Distribution{
		MinNs:    sorted[0],
		MeanNs:   nearest(mean),
		StddevNs: nearest(stddev),
		P50Ns:    nearestRank(sorted, 500),
		P90Ns:    nearestRank(sorted, 900),
		P95Ns:    nearestRank(sorted, 950),
		P99Ns:    nearestRank(sorted, 990),
		P999Ns:   nearestRank(sorted, 999),
		MaxNs:    sorted[len(sorted)-1],
		N:        uint64(len(values)),
	}
}

// nearest is floor(r + 1/2), or the largest int64.
func nearest(r *big.Rat) int64 {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	q := new(big.Int).Div(r.Num(), r.Denom())
	if !q.IsInt64() {
		return math.MaxInt64
	}
	return q.Int64()
}

func nearestRank(sorted []int64, perMille int) int64 {
	rank := (len(sorted)*perMille + 999) / 1000
	return sorted[rank-1]
}

// inputs are samples as a session may meet them, and worse. Sizes beyond Limit
// overflow the buffer.
func inputs() map[string][]int64 {
	r := rand.New(rand.NewPCG(1, 2))
	fill := func(n int, f func(i int) int64) []int64 {
		values := make([]int64, n)
		for i := range values {
			values[i] = f(i)
		}
		return values
	}
	lognormal := func(int) int64 { return int64(20e6 * math.Exp(r.NormFloat64())) }
	wide := func(int) int64 { return int64(r.Uint64()) >> r.IntN(64) }
	const year = 365 * 24 * 3600 * int64(1e9)
	return map[string][]int64{
		"one":                     {7},
		"one, negative":           {-7},
		"two":                     {2, 1},
		"all equal":               fill(1000, func(int) int64 { return 20_000_000 }),
		"extremes":                {math.MinInt64, math.MaxInt64, 0, -1, 1},
		"stddev beyond int64":     {math.MinInt64, math.MaxInt64},
		"smallest":                {math.MinInt64, math.MinInt64},
		"largest":                 {math.MaxInt64, math.MaxInt64, math.MaxInt64},
		"delays":                  fill(1000, lognormal),
		"nanoseconds, far offset": fill(999, func(int) int64 { return -40*year + r.Int64N(50) }),
		"wide":                    fill(5000, wide),
		"just not overflowing":    fill(Limit, lognormal),
		"just overflowing":        fill(Limit+1, lognormal),
		"overflow, all equal":     fill(Limit+5, func(int) int64 { return -3 }),
		// Not in the middle of their bucket, on both sides of it.
		"overflow, all equal, low":         fill(Limit+5, func(int) int64 { return 1_000_001 }),
		"overflow, all equal, high":        fill(Limit+5, func(int) int64 { return 1_000_400 }),
		"overflow, all equal, minus, low":  fill(Limit+5, func(int) int64 { return -1_000_001 }),
		"overflow, all equal, minus, high": fill(Limit+5, func(int) int64 { return -1_000_400 }),
		"overflow, delays":                 fill(Limit+9000, lognormal),
		"overflow, wide":                   fill(Limit+9000, wide),
		"overflow, any":                    fill(Limit+9000, func(int) int64 { return int64(r.Uint64()) }),
		"overflow, far offset":             fill(Limit+9000, func(i int) int64 { return 40*year + lognormal(i) }),
		"overflow, drifting down":          fill(2*Limit, func(i int) int64 { return lognormal(i) - int64(i)*500 }),
		"overflow, step down": fill(Limit+9000, func(i int) int64 {
			if i > Limit+1000 {
				return -year + lognormal(i)
			}
			return lognormal(i)
		}),
		"overflow, extremes last": append(fill(Limit, lognormal), math.MinInt64, math.MaxInt64),
	}
}

// eachSeries gathers each input, both as a plain quantity and as a one-way delay.
func eachSeries(t *testing.T, test func(t *testing.T, s *Series, values []int64)) {
	for name, values := range inputs() {
		for kind, s := range map[string]*Series{"plain": {}, "one-way": {oneWay: true}} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				for _, v := range values {
					s.Add(v)
				}
				test(t, s, values)
			})
		}
	}
}

// origin is from where the distance of a value of s bounds its error beyond
// Limit, as documented.
func origin(s *Series, values []int64) int64 {
	if s.oneWay {
		return slices.Min(values[:min(len(values), Limit)])
	}
	return 0
}

// distance is |a-b|, as a float64 so that it cannot overflow.
func distance(a, b int64) float64 {
	d, _ := new(big.Int).Sub(big.NewInt(a), big.NewInt(b)).Float64()
	return math.Abs(d)
}

func checkDistribution(t *testing.T, what string, got, want *events.Distribution) {
	t.Helper()
	if (got == nil) != (want == nil) || got != nil && *got != *want {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
