package prober

import (
	"math"
	"math/big"
	"slices"

	"tinytwamp/shared/events"
)

// times are a packet's delays as its four timestamps give them.
type times struct {
	rtt, processing, forward, backward *int64 // nil: has none
}

// times computes those of packet n.
func (m *model) times(n int) (t times) {
	p := m.packets[n]
	if !p.received {
		return t
	}
	a, r := m.arrivals[p.answers[0]], m.replies[p.answers[0]]
	t1, t4 := p.t1, a.message.Time
	if p.stampedBy(t4) {
		t1 = p.tx
	}
	format := r.ErrorEstimate.Format()
	t2, ok2 := r.ReceiveTimestamp.UnixNano(format)
	t3, ok3 := r.Timestamp.UnixNano(format)
	switch {
	case !ok2 || !ok3:
		t.rtt = new(t4 - t1)
	case t3-t2 >= 0 && t3-t2 <= t4-t1:
		t.rtt, t.processing, t.forward, t.backward = new((t4-t1)-(t3-t2)), new(t3-t2), new(t2-t1), new(t4-t3)
	}
	return t
}

// stampedBy says whether the kernel's transmit time can be believed.
func (p *packet) stampedBy(t4 int64) bool { return p.tx != 0 && p.tx >= p.t1 && p.tx <= t4 }

// delays computes all that is about time.
func (m *model) delays(e *events.RTT, k int) {
	i := m.intervals[k]
	for n := i.first; n < i.past; n++ {
		p := m.packets[n]
		if !p.received {
			continue
		}
		a := m.arrivals[p.answers[0]]
		if p.stampedBy(a.message.Time) {
			e.Timestamps.T1Kernel++
		} else {
			e.Timestamps.T1User++
		}
		e.Timestamps.T3User++
		if a.message.Kernel {
			e.Timestamps.T4Kernel++
		} else {
			e.Timestamps.T4User++
		}
		if m.times(n).rtt == nil {
			e.Implausible++
		}
	}
	e.RTT = m.delay(k, func(t times) *int64 { return t.rtt })
	e.Processing = m.delay(k, func(t times) *int64 { return t.processing })
	if d := m.delay(k, func(t times) *int64 { return t.forward }); d != nil {
		e.Forward = &events.OneWay{Delay: *d}
	}
	if d := m.delay(k, func(t times) *int64 { return t.backward }); d != nil {
		e.Backward = &events.OneWay{Delay: *d}
	}
}

// delay computes the distribution of one delay and its variation.
func (m *model) delay(k int, of func(times) *int64) *events.Delay {
	var values, ipdv, pdv []int64
	for n := m.intervals[k].first; n < m.intervals[k].past; n++ {
		v := of(m.times(n))
		if v == nil {
			continue
		}
		values = append(values, *v)
		if n > 0 && of(m.times(n-1)) != nil { // RFC 3393 section 2.5
			ipdv = append(ipdv, *v-*of(m.times(n - 1)))
		}
	}
	if len(values) == 0 {
		return nil
	}
	for _, v := range values {
		pdv = append(pdv, v-slices.Min(values)) // RFC 5481 section 4.2
	}
	d := distribution(values)
	return &events.Delay{
		Distribution: *d, IPDV: distribution(ipdv), PDV: distribution(pdv),
		JitterRFC3550Ns: m.jitter(k, of), P95P50Ns: d.P95Ns - d.P50Ns,
	}
}

// jitter is the estimate of RFC 3550 section 6.4.1 when the report was made.
func (m *model) jitter(k int, of func(times) *int64) int64 {
	var j float64
	var before *int64
	for _, r := range m.replies[:m.intervals[k].sealed] {
		if r.packet < 0 || r.nth > 0 {
			continue
		}
		v := of(m.times(r.packet))
		if v == nil {
			continue
		}
		if before != nil {
			j += (math.Abs(float64(*v-*before)) - j) / 16
		}
		before = v
	}
	return int64(j)
}

// lossPeriods are those of RFC 3357, of which what is late counts as lost.
func (m *model) lossPeriods(k int) *events.LossPeriods {
	i := m.intervals[k]
	l := &events.LossPeriods{}
	run, previous := uint64(0), -1
	for n, p := range m.packets[:i.past] {
		if p.received {
			run = 0
			continue
		}
		run++
		if n >= i.first {
			l.Longest = max(l.Longest, run)
			if run == 1 {
				l.Count++
			}
			if distance := uint64(n - previous); previous >= 0 {
				if l.MinDistance == nil {
					l.MinDistance, l.MaxDistance = new(distance), new(distance)
				}
				*l.MinDistance, *l.MaxDistance = min(*l.MinDistance, distance), max(*l.MaxDistance, distance)
			}
		}
		previous = n
	}
	if l.Longest == 0 {
		return nil
	}
	return l
}

// distribution sums values up; nil when there are none. It is exact.
func distribution(values []int64) *events.Distribution {
	if len(values) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(values))
	count := big.NewRat(int64(len(values)), 1)
	mean, variance := new(big.Rat), new(big.Rat)
	for _, v := range values {
		mean.Add(mean, big.NewRat(v, 1))
	}
	mean.Quo(mean, count)
	for _, v := range values {
		d := new(big.Rat).Sub(big.NewRat(v, 1), mean)
		variance.Add(variance, d.Mul(d, d))
	}
	variance.Quo(variance, count)
	root := new(big.Float).SetPrec(300).SetRat(variance)
	stddev, _ := root.Sqrt(root).Rat(nil)
	rank := func(perMille int) int64 { return sorted[(len(sorted)*perMille+999)/1000-1] }
	return &events.Distribution{
		MinNs: sorted[0], MeanNs: nearest(mean), StddevNs: nearest(stddev), MaxNs: sorted[len(sorted)-1],
		P50Ns: rank(500), P90Ns: rank(900), P95Ns: rank(950), P99Ns: rank(990), P999Ns: rank(999),
		N: uint64(len(values)),
	}
}

// nearest is floor(r + 1/2).
func nearest(r *big.Rat) int64 {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	return new(big.Int).Div(r.Num(), r.Denom()).Int64()
}
