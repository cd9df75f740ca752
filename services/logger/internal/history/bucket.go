package history

import (
	"slices"
	"strings"
	"time"
)

// Delays of a path. A one-way delay between clocks that cannot be trusted holds
// their offset, whatever that is: of such a one its variation is kept, which is
// how far a value is above the smallest of its report (RFC 5481, PDV).
const (
	delayRTT = iota
	delayForward
	delayBackward
	variationForward
	variationBackward
	delays // their number
)

// Counts of a path.
const (
	countSent = iota
	countReceived
	countLost
	countLate
	countDuplicates
	countReordered
	countRemarked
	counts // their number
)

const (
	maxReasons = 4  // that a bucket tells
	maxReason  = 96 // octets of each
)

// bucket sums up the reports of a path over a time. Merging is commutative but
// for the reasons: reports may come in any order.
type bucket struct {
	reports uint64
	counts  [counts]uint64
	lost    [2]optional // forward, backward
	hops    [2]hops
	last    int64 // end of the latest report, Unix milliseconds
	dscp    uint8 // as it sent
	reasons []string
	delays  [delays]delay
}

// optional is a number that may be unknown.
type optional struct {
	known bool
	n     uint64
}

type hops struct {
	known    bool
	min, max uint8
	changed  bool
}

// merge adds what another bucket sums up.
func (b *bucket) merge(o *bucket) {
	b.reports += o.reports
	for i, n := range o.counts {
		b.counts[i] += n
	}
	for i := range o.lost {
		b.lost[i].known = b.lost[i].known || o.lost[i].known
		b.lost[i].n += o.lost[i].n
		b.hops[i] = b.hops[i].merge(o.hops[i])
	}
	if o.last >= b.last {
		b.last, b.dscp = o.last, o.dscp
	}
	for _, r := range o.reasons {
		b.reason(r)
	}
	for i := range o.delays {
		b.delays[i].merge(&o.delays[i])
	}
}

func (h hops) merge(o hops) hops {
	switch {
	case !o.known:
		return h
	case !h.known:
		return o
	}
	return hops{
		known: true, min: min(h.min, o.min), max: max(h.max, o.max),
		changed: h.changed || o.changed || h.min != o.min || h.max != o.max,
	}
}

// reason takes note of why the figures may be the host's. Of those that differ
// only in their numbers the first stands for all.
func (b *bucket) reason(r string) {
	if len(b.reasons) >= maxReasons || slices.ContainsFunc(b.reasons, func(s string) bool { return shape(s) == shape(r) }) {
		return
	}
	b.reasons = append(b.reasons, r)
}

func shape(reason string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return -1
		}
		return r
	}, reason)
}

// point is what a page shows of a bucket from start to end.
func (b *bucket) point(start, end time.Time) Point {
	p := Point{Start: start, End: end, Reports: int(b.reports)}
	if b.reports == 0 {
		return p
	}
	p.Sent, p.Received, p.Lost = b.counts[countSent], b.counts[countReceived], b.counts[countLost]
	p.Late, p.Duplicates, p.Reordered = b.counts[countLate], b.counts[countDuplicates], b.counts[countReordered]
	p.Remarked, p.SentDSCP = b.counts[countRemarked], b.dscp
	p.LostForward, p.LostBackward = b.lost[0].value(), b.lost[1].value()
	p.HopsForward, p.HopsBackward = b.hops[0].value(), b.hops[1].value()
	p.Suspect = slices.Clone(b.reasons)
	if p.RTT = b.delays[delayRTT].figures(); p.RTT != nil {
		jitter := p.RTT.P95 - p.RTT.P50
		p.JitterNs = &jitter
	}
	forward, backward := &b.delays[delayForward], &b.delays[delayBackward]
	p.ClocksValid = forward.n+backward.n > 0
	if forward.n+backward.n < b.delays[variationForward].n+b.delays[variationBackward].n {
		p.ClocksValid = false // most of the time
		forward, backward = &b.delays[variationForward], &b.delays[variationBackward]
	}
	p.Forward, p.Backward = forward.figures(), backward.figures()
	return p
}

func (o optional) value() *uint64 {
	if !o.known {
		return nil
	}
	return &o.n
}

func (h hops) value() *Hops {
	if !h.known {
		return nil
	}
	return &Hops{Min: int(h.min), Max: int(h.max), Changed: h.changed}
}
