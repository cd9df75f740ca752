package stats

import "tinytwamp/shared/events"

// initialTTL is what packets set out with in either direction (RFC 4656 section
// 4.1.2, RFC 5357 section 4.2): what is missing of it on arrival is the length
// of the path.
const initialTTL = 255

// Hops follows the length of a path.
type Hops struct {
	last    uint8
	hasLast bool

	seen   bool // a packet, in the interval
	report events.Hops
}

// Add takes the TTL or hop limit with which the next packet in sending order
// arrived. Packets that did not arrive are left out.
func (h *Hops) Add(ttl uint8) {
	n := initialTTL - ttl
	if !h.seen {
		h.seen = true
		h.report.Min, h.report.Max = n, n
	}
	h.report.Min, h.report.Max = min(h.report.Min, n), max(h.report.Max, n)
	if h.hasLast && n != h.last {
		h.report.Changes++
	}
	h.last, h.hasLast = n, true
}

// Follow begins the interval after that of before. A change from the last
// packet of the old one to the first of the new one is counted in the new one.
func (h *Hops) Follow(before *Hops) {
	*h = Hops{last: before.last, hasLast: before.hasLast}
}

// Merge adds what was seen of another session's path in its interval.
func (h *Hops) Merge(o *Hops) {
	if !o.seen {
		return
	}
	if !h.seen {
		*h = *o
		return
	}
	h.report.Min, h.report.Max = min(h.report.Min, o.report.Min), max(h.report.Max, o.report.Max)
	h.report.Changes += o.report.Changes
	h.last = o.last
}

// Report tells the interval's hop counts; nil when no packet was seen.
func (h *Hops) Report() *events.Hops {
	if !h.seen {
		return nil
	}
	r := h.report
	r.Last = h.last
	return &r
}
