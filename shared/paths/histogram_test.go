package paths

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	dto "github.com/prometheus/client_model/go"

	"tinytwamp/shared/events"
)

// encode has the HdrHistogram library record values, less a base.
func encode(t testing.TB, base int64, values ...int64) *events.Histogram {
	t.Helper()
	h := hdrhistogram.New(1, math.MaxInt64, 3)
	for _, v := range values {
		if err := h.RecordValue(v - base); err != nil {
			t.Fatal(err)
		}
	}
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return &events.Histogram{BaseNs: base, HDR: string(text)}
}

// bucketsOf are the bounds and counts of a native histogram as it is scraped,
// from the smallest value up.
func bucketsOf(h *dto.Histogram) (bounds [][2]float64, counts []uint64) {
	base := math.Pow(2, math.Pow(2, -float64(h.GetSchema())))
	read := func(spans []*dto.BucketSpan, deltas []int64, sign float64) {
		i, at, count := 0, int32(0), int64(0)
		for _, s := range spans {
			at += s.GetOffset()
			for range s.GetLength() {
				count += deltas[i]
				near, far := sign*math.Pow(base, float64(at-1)), sign*math.Pow(base, float64(at))
				bounds, counts = append(bounds, [2]float64{min(near, far), max(near, far)}), append(counts, uint64(count))
				i++
				at++
			}
		}
	}
	read(h.GetNegativeSpan(), h.GetNegativeDelta(), -1)
	slices.Reverse(bounds)
	slices.Reverse(counts)
	bounds, counts = append(bounds, [2]float64{-h.GetZeroThreshold(), h.GetZeroThreshold()}), append(counts, h.GetZeroCount())
	read(h.GetPositiveSpan(), h.GetPositiveDelta(), 1)
	return bounds, counts
}

// quantileIn is the bucket that holds a quantile by nearest rank.
func quantileIn(h *dto.Histogram, q float64) [2]float64 {
	bounds, counts := bucketsOf(h)
	rank, seen := uint64(math.Ceil(q*float64(h.GetSampleCount()))), uint64(0)
	for i, n := range counts {
		if seen += n; seen >= rank {
			return bounds[i]
		}
	}
	return [2]float64{math.NaN(), math.NaN()}
}

// scraped is a histogram as Prometheus gets it.
func scraped(t *testing.T, h *Histogram) *dto.Histogram {
	t.Helper()
	var m dto.Metric
	if err := h.Metric(rtt, at, "p", "t", "a").Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram()
}

// Values of any size and sign come out of the library's histogram in the right
// bucket of Prometheus, with the right number and sum.
func TestHistogramHoldsWhatTheLibraryEncoded(t *testing.T) {
	for name, draw := range map[string]func(r *rand.Rand) int64{
		"network delays":      func(r *rand.Rand) int64 { return int64(5e6 * math.Exp(r.NormFloat64())) },
		"one-way, both signs": func(r *rand.Rand) int64 { return int64(1e5 * r.NormFloat64()) },
		"below 100 ns":        func(r *rand.Rand) int64 { return r.Int64N(100) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			values := make([]int64, 10_000)
			sum := 0.0
			for i := range values {
				values[i] = draw(r)
				sum += float64(values[i]) / 1e9
			}
			slices.Sort(values)
			base := min(values[0], 0)
			var h Histogram
			if err := h.read(encode(t, base, values...)); err != nil {
				t.Fatal(err)
			}
			got := scraped(t, &h)
			if got.GetSampleCount() != uint64(len(values)) || math.Abs(got.GetSampleSum()-sum) > 1e-3*math.Abs(sum)+1e-6 {
				t.Errorf("%d values with the sum %v, want %d with %v", got.GetSampleCount(), got.GetSampleSum(), len(values), sum)
			}
			for _, q := range []float64{0.001, 0.01, 0.5, 0.9, 0.99, 0.999, 1} {
				want := float64(values[int(math.Ceil(q*float64(len(values))))-1]) / 1e9
				in := quantileIn(got, q)
				slack := 1e-3 * float64(values[len(values)-1]-base) / 1e9 // of HDR buckets
				if want < in[0]-slack || want > in[1]+slack {
					t.Errorf("quantile %v is %v, in the bucket from %v to %v", q, want, in[0], in[1])
				}
				if width := in[1] / in[0]; in[0] > 0 && width > 1.045 {
					t.Errorf("a bucket is from %v to %v: too wide", in[0], in[1])
				}
			}
		})
	}
}

// Bounds of buckets are those of Prometheus: a value on one belongs below.
func TestBucketBounds(t *testing.T) {
	for v, want := range map[float64]int{1: 0, 2: 16, 0.5: -16, math.Nextafter(1, 2): 1, 4: 32, 1.0 / 1024: -160} {
		if got := index(v); got != want {
			t.Errorf("%v is in bucket %d, want %d", v, got, want)
		}
	}
}

// What no network does is counted at the end of the scale, and takes no room
// beyond it.
func TestHistogramIsBounded(t *testing.T) {
	var h Histogram
	for _, v := range []float64{math.MaxFloat64, -math.MaxFloat64, 1e-300, -1e-300, 0, math.Inf(1), 1e-7 + 1e-12, -1e-7 - 1e-12} {
		h.Add(v, 1)
	}
	if room := len(h.positive.counts) + len(h.negative.counts); room > 1200 {
		t.Errorf("room for %d buckets", room)
	}
	got := scraped(t, &h)
	if got.GetSampleCount() != 8 || got.GetZeroCount() != 3 {
		t.Errorf("%d values, %d of them zero", got.GetSampleCount(), got.GetZeroCount())
	}
}

func TestUnreadableHistograms(t *testing.T) {
	good := encode(t, 0, 20e6, 30e6)
	packed, err := base64.StdEncoding.DecodeString(good.HDR)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":            "",
		"not base64":       "%%%%",
		"another cookie":   base64.StdEncoding.EncodeToString(append([]byte{0}, packed[1:]...)),
		"cut off":          base64.StdEncoding.EncodeToString(packed[:len(packed)-6]),
		"no header":        pack(t, nil),
		"another accuracy": pack(t, header(2, 1)),
		"another unit":     pack(t, header(3, 1000)),
		"counts cut off":   pack(t, header(3, 1, 0x80)),
		"beyond int64":     pack(t, header(3, 1, append(binary.AppendVarint(nil, math.MinInt64), 2)...)),
		"too many values":  pack(t, header(3, 1, binary.AppendVarint(nil, maxCount+1)...)),
		"too many in all":  pack(t, header(3, 1, slices.Repeat(binary.AppendVarint(nil, maxCount/2+1), 2)...)),
		"much air":         pack(t, header(3, 1, make([]byte, maxPlain)...)),
	} {
		var h Histogram
		if err := h.read(&events.Histogram{HDR: text}); !errors.Is(err, errHDR) && !errors.Is(err, errCount) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var h Histogram
	if err := h.read(good); err != nil || h.count != 2 { // the pool has seen much by now
		t.Errorf("good: %d values, %v", h.count, err)
	}
}

// FuzzHistogram reads what a stranger may send: no panic, and no more than the
// bounds allow.
func FuzzHistogram(f *testing.F) {
	f.Add(int64(0), encode(f, 0, 0, 1, 20e6, math.MaxInt64).HDR)
	f.Add(int64(-5), encode(f, -5, -5, 5e9).HDR)
	f.Add(int64(math.MinInt64), pack(f, header(3, 1, 2, 3, 2)))
	f.Fuzz(func(t *testing.T, base int64, text string) {
		var h Histogram
		if h.read(&events.Histogram{BaseNs: base, HDR: text}) != nil {
			return
		}
		if h.count > maxCount || len(h.positive.counts)+len(h.negative.counts) > 1200 || math.IsNaN(h.sum) {
			t.Errorf("%d values in %d buckets, sum %v", h.count, len(h.positive.counts)+len(h.negative.counts), h.sum)
		}
		h.Metric(rtt, at, "p", "t", "a") // panics where buckets and number do not agree
	})
}

func BenchmarkRead(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var values []int64
	for range 100 {
		values = append(values, int64(5e6*math.Exp(r.NormFloat64()/4)))
	}
	encoded := encode(b, 0, values...)
	b.ReportAllocs()
	for b.Loop() {
		var h Histogram
		if err := h.read(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
