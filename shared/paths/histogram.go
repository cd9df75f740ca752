package paths

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Histograms have the standard exponential buckets of Prometheus: each is 4.4 %
// wide (2 to the power of 2 to the power of -schema), so a quantile is off by
// less than that.
const schema = 4

// What lies between these is told apart. Nothing that is measured here is
// shorter than the least, nor can a reply be awaited for longer than the
// largest; what an event claims beyond them counts as that. Together they bound
// a histogram to some 600 buckets of each sign.
const (
	least   = 100e-9 // of seconds
	largest = 3600.0
)

// Histogram counts seconds, signed, in the buckets of a native histogram. Unlike
// that of client_golang it takes any number of equal values at once, as reports
// hold them. Its zero value is empty.
type Histogram struct {
	count, zero        uint64
	sum                float64
	positive, negative buckets
}

// Add counts a value so many times.
func (h *Histogram) Add(seconds float64, times uint64) {
	seconds = max(-largest, min(seconds, largest))
	h.count += times
	h.sum += seconds * float64(times)
	switch {
	case math.Abs(seconds) <= least:
		h.zero += times
	case seconds > 0:
		h.positive.add(index(seconds), times)
	default:
		h.negative.add(index(-seconds), times)
	}
}

// Merge adds what another one counts.
func (h *Histogram) Merge(o *Histogram) {
	h.count += o.count
	h.zero += o.zero
	h.sum += o.sum
	h.positive.merge(&o.positive)
	h.negative.merge(&o.negative)
}

// Metric is the histogram as it stands, which has counted since created.
func (h *Histogram) Metric(d *prometheus.Desc, created time.Time, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstNativeHistogram(d, h.count, h.sum, h.positive.all(), h.negative.all(), h.zero, schema, least, created, labels...)
}

// index is the bucket of a value: the one whose upper bound, base to the power
// of the index, is the first that is not below.
func index(v float64) int {
	return int(math.Ceil(math.Ldexp(math.Log2(v), schema)))
}

// buckets are counts from bucket first on.
type buckets struct {
	first  int
	counts []uint64
}

func (b *buckets) add(i int, times uint64) {
	b.reach(i)
	b.counts[i-b.first] += times
}

func (b *buckets) merge(o *buckets) {
	if len(o.counts) == 0 {
		return
	}
	b.reach(o.first)
	b.reach(o.first + len(o.counts) - 1)
	for i, n := range o.counts {
		b.counts[o.first-b.first+i] += n
	}
}

// reach makes room for bucket i.
func (b *buckets) reach(i int) {
	switch {
	case len(b.counts) == 0:
		b.first, b.counts = i, make([]uint64, 1)
	case i < b.first:
		b.counts = append(make([]uint64, b.first-i, b.first-i+len(b.counts)), b.counts...)
		b.first = i
	case i >= b.first+len(b.counts):
		b.counts = append(b.counts, make([]uint64, i-b.first-len(b.counts)+1)...)
	}
}

// all are the buckets that hold something, as client_golang wants them.
func (b *buckets) all() map[int]int64 {
	m := make(map[int]int64, len(b.counts))
	for i, n := range b.counts {
		if n > 0 {
			m[b.first+i] = int64(n)
		}
	}
	return m
}
