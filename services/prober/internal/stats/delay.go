package stats

import (
	"math"

	"tinytwamp/shared/events"
)

// Delay gathers one delay of a session's packets and its variation. Its zero
// value is for the round-trip time and the processing time, which are never
// negative; see [OneWay].
//
// It is told of packets twice: in sending order, when their fate is settled
// (Add or Skip), and in the order of arrival (Arrived).
type Delay struct {
	values Series

	ipdv      Series
	previous  int64 // delay of the packet sent before, if hasBefore
	hasBefore bool

	jitter     float64 // always less than the largest difference, so within int64
	transit    int64   // delay of the packet that arrived before, if hasTransit
	hasTransit bool
}

// OneWay is a Delay in one direction: signed, with the offset between two
// clocks in it.
func OneWay() Delay {
	return Delay{values: Series{oneWay: true}}
}

// Add takes the delay of the next packet in sending order.
//
// Its IPDV is its delay minus that of the packet sent just before it: the
// selection function of RFC 3393 section 2.5 is consecutive packets of the
// session, over the bounds of reports (RFC 5481 section 4.1).
func (d *Delay) Add(ns int64) {
	d.values.Add(ns)
	if d.hasBefore {
		d.ipdv.Add(subtract(ns, d.previous))
	}
	d.previous, d.hasBefore = ns, true
}

// Skip says that the next packet in sending order has no delay (lost, late or
// implausible): IPDV with it is undefined, RFC 3393 section 2.4.
func (d *Delay) Skip() { d.hasBefore = false }

// Arrived takes the delay of the next packet in the order of arrival, for the
// interarrival jitter of RFC 3550 section 6.4.1: the estimate moves by a 16th
// of the way to the difference from the packet that arrived before.
func (d *Delay) Arrived(ns int64) {
	if d.hasTransit {
		difference := math.Abs(float64(subtract(ns, d.transit)))
		d.jitter += (difference - d.jitter) / 16
	}
	d.transit, d.hasTransit = ns, true
}

// Follow begins the interval after that of before, which stays as it is until
// it is reported; d's own values are forgotten, and their room used again. The
// packet sent last is remembered, so that the IPDV of the next one is in that
// one's interval, and the jitter estimate runs on.
func (d *Delay) Follow(before *Delay) {
	d.previous, d.hasBefore = before.previous, before.hasBefore
	d.jitter, d.transit, d.hasTransit = before.jitter, before.transit, before.hasTransit
	d.values.Cut()
	d.ipdv.Cut()
}

// Merge adds what another session gathered in its interval. The jitter of the two
// is the larger one: an estimate of two streams mixed would be of neither.
func (d *Delay) Merge(o *Delay) {
	d.values.Merge(&o.values)
	d.ipdv.Merge(&o.ipdv)
	d.jitter = max(d.jitter, o.jitter)
}

// Report sums up the interval; nil when no packet had a delay. The jitter is
// the estimate as it stands now (RFC 3550: "the current value of J is
// sampled"), in whole nanoseconds as in its appendix A.8: rounded down.
func (d *Delay) Report() *events.Delay {
	all := d.values.Distribution()
	if all == nil {
		return nil
	}
	return &events.Delay{
		Distribution:    *all,
		IPDV:            d.ipdv.Distribution(),
		PDV:             above(*all),
		JitterRFC3550Ns: int64(d.jitter),
		P95P50Ns:        subtract(all.P95Ns, all.P50Ns),
		Histogram:       d.values.Histogram(),
	}
}

// above is the distribution of the values less their minimum: PDV, RFC 5481
// section 4.2. Only positions move.
func above(d events.Distribution) *events.Distribution {
	least := d.MinNs
	for _, ns := range []*int64{
		&d.MinNs, &d.MeanNs, &d.P50Ns, &d.P90Ns, &d.P95Ns, &d.P99Ns, &d.P999Ns, &d.MaxNs,
	} {
		*ns = subtract(*ns, least)
	}
	return &d
}
