package view

import (
	"fmt"

	"tinytwamp/shared/events"
)

// initialTTL is what packets of TWAMP and STAMP leave with (RFC 5357 section
// 4.1.2); usualTTL is the highest that a host uses which does not know that,
// and the paths of the Internet are shorter than their difference.
const (
	initialTTL = 255
	usualTTL   = 128
)

// hopsRemarks are of the path's length.
func hopsRemarks(e *events.RTT) (all []remark) {
	for _, d := range []struct {
		hops *events.Hops
		way  string
	}{{e.HopsForward, "there"}, {e.HopsBackward, "back"}} {
		if d.hops != nil && d.hops.Changes > 0 {
			all = append(all, remark{"path changed", fmt.Sprintf("the way %s changed %s: between %d and %d hops, now %d", d.way,
				many(d.hops.Changes, "time"), d.hops.Min, d.hops.Max, d.hops.Last)})
		}
	}
	if h := e.HopsBackward; h != nil && h.Last >= initialTTL-usualTTL {
		all = append(all, remark{"", fmt.Sprintf("replies arrive with TTL %d: the reflector does not send with %d, and the hops back are not as many",
			initialTTL-int(h.Last), initialTTL)})
	}
	return all
}

// clockRemarks are of timestamps that cannot be right, or are not the best.
func clockRemarks(e *events.RTT) (all []remark) {
	if e.Forward != nil && e.Backward != nil && e.Forward.Valid && e.Backward.Valid {
		switch least := min(e.Forward.MinNs, e.Backward.MinNs); {
		case least < -bound(&e.Clock):
			all = append(all, remark{"clocks disagree", "a one-way delay is below 0 though both clocks say that they are synchronized: one of them is wrong"})
		case least < bound(&e.Clock):
			all = append(all, remark{"", "one-way delays are no more exact than the clocks, to " + duration(bound(&e.Clock))})
		}
	}
	if p := e.Processing; p != nil && p.MinNs == 0 && p.MaxNs == 0 {
		all = append(all, remark{"", "the reflector gives one time for arrival and sending: its own part of the round trip is not taken off"})
	}
	return all
}

// bound is how far both clocks may be apart.
func bound(c *events.Clock) int64 {
	if c.ReflectorErrorNs == nil {
		return c.ProberErrorNs
	}
	return c.ProberErrorNs + *c.ReflectorErrorNs
}
