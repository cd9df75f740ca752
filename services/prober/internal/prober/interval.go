package prober

import (
	"net/netip"
	"time"

	"tinytwamp/services/prober/internal/stats"
	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// interval gathers what one report says. Packets enter it in sending order,
// when their fate is settled; what is counted on arrival enters the interval
// that is gathered at that time.
type interval struct {
	planned, sent, received, late, lost   uint64
	sendErrors, unexpected, implausible   uint64
	hmacFailed, unreflected               uint64
	lateAfterReport, reordered            uint64
	duplicates, doubledThere, doubledBack uint64
	remarked                              uint64
	t1Kernel, t3Kernel, t4Kernel          uint64
	steps                                 uint64

	rtt, processing   stats.Delay
	forward, backward stats.Delay
	lateness          stats.Series
	losses            stats.LossRuns
	hopsThere         stats.Hops
	hopsBack          stats.Hops

	returnedTOS  int                 // of the last reply, -1 unknown
	reflectorTOS int                 // of the last request at the reflector, -1 unknown
	estimate     stamp.ErrorEstimate // the reflector's last, 0 none
	icmp         map[icmpKind]*events.ICMP
	told         told

	samples []sample // the first packets, as many as are asked for
}

// icmpKind tells ICMP errors apart.
type icmpKind struct {
	from       netip.Addr
	kind, code uint8
}

func newInterval() *interval {
	return &interval{forward: stats.OneWay(), backward: stats.OneWay(), returnedTOS: -1, reflectorTOS: -1}
}

// follow begins a new interval after before, whose memory of the last packet
// goes on: variation, loss runs and hop changes know no interval bounds.
func (i *interval) follow(before *interval) {
	*i = interval{
		rtt: i.rtt, processing: i.processing, forward: i.forward, backward: i.backward,
		lateness: i.lateness, losses: i.losses, hopsThere: i.hopsThere, hopsBack: i.hopsBack,
		returnedTOS: -1, reflectorTOS: -1, samples: i.samples[:0],
	}
	i.rtt.Follow(&before.rtt)
	i.processing.Follow(&before.processing)
	i.forward.Follow(&before.forward)
	i.backward.Follow(&before.backward)
	i.losses.Follow(&before.losses)
	i.hopsThere.Follow(&before.hopsThere)
	i.hopsBack.Follow(&before.hopsBack)
	i.lateness.Cut()
}

// settle takes the next packet in sending order, number n of the session. The
// first packets are kept as samples.
func (i *interval) settle(n uint64, p *slot, samples int) {
	i.sent++
	if len(i.samples) < samples {
		i.samples = append(i.samples, newSample(n, p))
	}
	i.lateness.Add(p.late)
	i.losses.Add(p.state == lost)
	if p.state != received {
		i.lost++
		i.skip(true, true)
		return
	}
	i.received++
	a := &p.answer
	if a.t1Kernel {
		i.t1Kernel++
	}
	if a.t3Kernel {
		i.t3Kernel++
	}
	if a.t4Kernel {
		i.t4Kernel++
	}
	if a.reordered {
		i.reordered++
	}
	if a.remarked {
		i.remarked++
	}
	if a.tos >= 0 {
		i.returnedTOS = int(a.tos)
	}
	if a.senderTOS >= 0 {
		i.reflectorTOS = int(a.senderTOS)
	}
	i.estimate = a.estimate
	if a.senderTTL >= 0 {
		i.hopsThere.Add(uint8(a.senderTTL))
	}
	if a.ttl >= 0 {
		i.hopsBack.Add(uint8(a.ttl))
	}
	if a.delays {
		i.rtt.Add(a.rtt)
	} else {
		i.implausible++
	}
	if a.oneWay {
		i.processing.Add(a.processing)
		i.forward.Add(a.forward)
		i.backward.Add(a.backward)
	}
	i.skip(!a.delays, !a.oneWay)
}

// skip says of which delays the packet has none.
func (i *interval) skip(rtt, oneWay bool) {
	if rtt {
		i.rtt.Skip()
	}
	if oneWay {
		i.processing.Skip()
		i.forward.Skip()
		i.backward.Skip()
	}
}

// arrived takes the first reply to a packet, in the order of arrival.
func (i *interval) arrived(a *answer) {
	if a.delays {
		i.rtt.Arrived(a.rtt)
	}
	if a.oneWay {
		i.processing.Arrived(a.processing)
		i.forward.Arrived(a.forward)
		i.backward.Arrived(a.backward)
	}
}

// icmpKinds bounds the kinds of ICMP errors kept in an interval: their senders
// can be forged.
const icmpKinds = 16

func (i *interval) addICMP(e *udp.Event) {
	k := icmpKind{from: e.From, kind: e.Type, code: e.Code}
	if x := i.icmp[k]; x != nil {
		x.Count++
		return
	}
	i.countICMP(k, events.ICMP{From: e.From, Type: e.Type, Code: e.Code, Text: e.Text(), MTU: e.MTU, Count: 1})
}

// countICMP counts errors of one kind.
func (i *interval) countICMP(k icmpKind, e events.ICMP) {
	if x := i.icmp[k]; x != nil {
		x.Count += e.Count
		return
	}
	if i.icmp == nil {
		i.icmp = make(map[icmpKind]*events.ICMP)
	}
	if len(i.icmp) < icmpKinds {
		i.icmp[k] = &e
	}
}

// sealed is an interval whose packets are all settled, with what else its
// report needs.
type sealed struct {
	session    *session
	interval   *interval
	index      uint64
	start, end time.Time
	last       bool   // of the session
	ended      string // why, if that was early

	source                        netip.AddrPort
	forward, backward, unresolved *uint64 // losses; nil: the reflector's numbers do not tell
	drops                         uint64
}

// why says why the session ended, if it did.
func (r *sealed) why() string {
	switch {
	case !r.last:
		return ""
	case r.ended == "":
		return whyComplete
	}
	return r.ended
}
