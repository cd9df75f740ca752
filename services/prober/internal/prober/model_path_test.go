package prober

import "tinytwamp/shared/events"

// path follows TTL and DSCP over the received packets.
func (m *model) path(e *events.RTT, k int) {
	var there, back hopList
	for n, p := range m.packets[:m.intervals[k].past] {
		if !p.received {
			continue
		}
		r, a := m.replies[p.answers[0]], m.arrivals[p.answers[0]]
		now := n >= m.intervals[k].first
		if r.TTLKnown && r.SenderTTL != 0 {
			there.add(r.SenderTTL, now)
		}
		if a.message.TTL >= 0 {
			back.add(uint8(a.message.TTL), now)
		}
		if !now {
			continue
		}
		if tos := a.message.TOS; tos >= 0 {
			e.Marking.ReturnedDSCP, e.Marking.ReturnedECN = new(uint8(tos/4)), new(uint8(tos%4))
			if uint8(tos/4) != uint8(m.test.DSCP) {
				e.Marking.Remarked++
			}
		}
		e.Clock.ReflectorSynchronized = new(r.ErrorEstimate.Synchronized())
		e.Clock.ReflectorErrorNs = new(int64(r.ErrorEstimate.Duration()))
	}
	e.HopsForward, e.HopsBackward = there.hops, back.hops
}

// hopList collects what the interval's hops are computed from.
type hopList struct {
	before int // hops of the last packet, plus 1; 0: none
	hops   *events.Hops
}

func (h *hopList) add(ttl uint8, now bool) {
	n := 255 - ttl
	if now && h.hops == nil {
		h.hops = &events.Hops{Min: n, Max: n}
	}
	if now {
		h.hops.Min, h.hops.Max, h.hops.Last = min(h.hops.Min, n), max(h.hops.Max, n), n
		if h.before > 0 && h.before-1 != int(n) {
			h.hops.Changes++
		}
	}
	h.before = int(n) + 1
}
