package stats

import (
	"iter"
	"slices"

	"tinytwamp/shared/events"
)

// Limit is how many values of a report are kept as they are: 512 KiB. Of more,
// only counts are kept.
const Limit = 1 << 16

// Series gathers the values of one quantity, in signed nanoseconds.
//
// Number, minimum, maximum, mean and standard deviation are always exact, to
// the nanosecond. Quantiles are exact up to [Limit] values. Beyond, a quantile
// is off by at most 1/2048 (0.05 %) of its distance from the origin: zero, or
// for a one-way delay the minimum of the first Limit values.
type Series struct {
	oneWay bool // an offset between two clocks is in the values: zero means nothing

	values []int64
	dense  *dense // in use when it holds values; kept for the next interval
}

// Add takes a value.
func (s *Series) Add(ns int64) {
	switch {
	case s.overflown():
		s.dense.add(ns)
	case len(s.values) < Limit:
		s.values = append(s.values, ns)
	default:
		s.overflow()
		s.dense.add(ns)
	}
}

// Merge adds the values of another series of the same quantity.
func (s *Series) Merge(o *Series) {
	for _, ns := range o.values {
		s.Add(ns)
	}
	if o.overflown() {
		s.overflow()
		s.dense.merge(o.dense)
	}
}

// Cut forgets the values.
func (s *Series) Cut() {
	s.values = s.values[:0]
	if s.dense != nil {
		s.dense.reset()
	}
}

// N is the number of values.
func (s *Series) N() uint64 {
	if s.overflown() {
		return s.dense.n
	}
	return uint64(len(s.values))
}

// Cap is how many values it has room for.
func (s *Series) Cap() int {
	if s.dense != nil {
		return Limit
	}
	return cap(s.values)
}

// Distribution sums up the values; nil when there are none. Quantiles are by
// nearest rank (the smallest value that at least so many are not above), the
// standard deviation is that of the whole population. What is beyond int64 is
// reported as its limit.
func (s *Series) Distribution() *events.Distribution {
	if s.N() == 0 {
		return nil
	}
	m := s.moments()
	d := &events.Distribution{
		MinNs: m.min, MeanNs: m.mean(), StddevNs: m.stddev(), MaxNs: m.max,
		N: m.n,
	}
	quantiles := []struct {
		perMille uint64
		ns       *int64
	}{{500, &d.P50Ns}, {900, &d.P90Ns}, {950, &d.P95Ns}, {990, &d.P99Ns}, {999, &d.P999Ns}}
	var seen uint64
	for ns, count := range s.All() {
		seen += count
		for len(quantiles) > 0 && seen*1000 >= m.n*quantiles[0].perMille {
			*quantiles[0].ns = ns
			quantiles = quantiles[1:]
		}
		if len(quantiles) == 0 {
			break
		}
	}
	return d
}

// Histogram encodes the values for the event; nil when there are none. Its
// base is zero, or the minimum when a value is negative or the quantity is a
// one-way delay.
//
// A recorded value's bucket is at most 1/1024 as wide as its distance from the
// base, so its middle is within 0.05 % of that distance. To merge histograms
// of different bases, record base plus middle of each bucket, less the
// smallest base, into a new one: that adds as much again, so that a quantile
// is within 0.1 % of its distance from the smallest base. It is 0.15 % for a
// one-way delay that fell below its minimum after [Limit] values. Distances
// beyond 2^63-1 ns are recorded as that.
func (s *Series) Histogram() *events.Histogram {
	if s.N() == 0 {
		return nil
	}
	m := s.moments()
	base := min(m.min, 0)
	if s.oneWay {
		base = m.min
	}
	return &events.Histogram{BaseNs: base, HDR: encodeHDR(base, m.max, s.All())}
}

func (s *Series) overflown() bool { return s.dense != nil && s.dense.n > 0 }

// overflow moves the values to s.dense, if they are not there, which takes the
// place of the buffer for the rest of the interval.
func (s *Series) overflow() {
	if s.overflown() {
		return
	}
	if s.dense == nil {
		s.dense = new(dense)
	}
	s.dense.origin = 0
	if s.oneWay && len(s.values) > 0 {
		s.dense.origin = slices.Min(s.values)
	}
	for _, ns := range s.values {
		s.dense.add(ns)
	}
	s.values = s.values[:0]
}

func (s *Series) moments() moments {
	if s.overflown() {
		return s.dense.moments
	}
	var m moments
	for _, ns := range s.values {
		m.add(ns)
	}
	return m
}

// All yields the values from the smallest to the largest, each with how
// often it occurred (a value may come several times in a row). It sorts the
// buffer in place: the order of arrival is of no use any more.
func (s *Series) All() iter.Seq2[int64, uint64] {
	if s.overflown() {
		return s.dense.ascending
	}
	slices.Sort(s.values)
	return func(yield func(int64, uint64) bool) {
		for _, ns := range s.values {
			if !yield(ns, 1) {
				return
			}
		}
	}
}
