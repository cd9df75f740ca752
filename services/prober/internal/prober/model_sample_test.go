package prober

import (
	"time"

	"tinytwamp/shared/events"
)

// samples lists the first packets of interval k.
func (m *model) samples(e *events.RTT, k int) {
	if m.test.Samples == 0 {
		return
	}
	i := m.intervals[k]
	for n := i.first; n < i.past; n++ {
		if n >= i.first+m.test.Samples {
			e.SamplesCut++
			continue
		}
		p, t := m.packets[n], m.times(n)
		x := events.Sample{
			Sequence: uint32(n), Sent: time.Unix(0, p.t1).UTC(), State: "lost",
			RTTNs: t.rtt, ForwardNs: t.forward, BackwardNs: t.backward, ProcessingNs: t.processing,
		}
		switch {
		case p.received:
			x.State = "received"
			r, a := m.replies[p.answers[0]], m.arrivals[p.answers[0]].message
			if p.stampedBy(a.Time) {
				x.Sent = time.Unix(0, p.tx).UTC()
			}
			if r.TTLKnown && r.SenderTTL != 0 {
				x.SenderTTL = new(r.SenderTTL)
			}
			if a.TTL >= 0 {
				x.TTL = new(uint8(a.TTL))
			}
		case len(p.answers) > 0 && p.answers[0] < i.sealed:
			x.State = "late"
		}
		e.Samples = append(e.Samples, x)
	}
}
