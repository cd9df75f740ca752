package prober

import (
	"time"

	"tinytwamp/shared/events"
)

// sample is what a report keeps of a single packet, if it is asked to.
type sample struct {
	sequence uint32
	state    state
	sent     int64 // Unix ns
	answer   answer
}

// newSample makes that of packet n, which is settled.
func newSample(n uint64, p *slot) sample {
	x := sample{sequence: uint32(n), state: p.state, sent: p.t1, answer: p.answer}
	if p.state == received && p.answer.t1Kernel {
		x.sent = p.tx
	}
	return x
}

// list gives the samples for the report, and how many of its packets are not
// among them. They share nothing with the interval, which is used again.
func (i *interval) list(asked int) (all []events.Sample, cut uint64) {
	if asked == 0 {
		return nil, 0
	}
	for k := range i.samples {
		all = append(all, i.samples[k].report())
	}
	return all, i.sent - uint64(len(all))
}

func (x *sample) report() events.Sample {
	e := events.Sample{Sequence: x.sequence, Sent: time.Unix(0, x.sent).UTC(), State: events.SampleLost}
	switch x.state {
	case overdue:
		e.State = events.SampleLate
		return e
	case received:
		e.State = events.SampleReceived
	default:
		return e
	}
	a := &x.answer
	if a.delays {
		e.RTTNs = new(a.rtt)
	}
	if a.oneWay {
		e.ForwardNs, e.BackwardNs, e.ProcessingNs = new(a.forward), new(a.backward), new(a.processing)
	}
	if a.senderTTL >= 0 {
		e.SenderTTL = new(uint8(a.senderTTL))
	}
	if a.ttl >= 0 {
		e.TTL = new(uint8(a.ttl))
	}
	return e
}
