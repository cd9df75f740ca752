package prober

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

// report turns what an interval gathered into its event.
func (r *sealed) report(prober string, clock udp.Clock, throttled time.Duration) *events.RTT {
	s, i := r.session, r.interval
	e := &events.RTT{
		Prober:  prober,
		Target:  s.target,
		Session: s.describe(r.source),
		Report: events.Report{
			Kind: events.ReportRun, Index: r.index, Start: r.start.UTC(), End: r.end.UTC(), Cut: r.ended != "", Why: r.ended,
		},
		Planned: i.planned, Sent: i.sent, Received: i.received, Late: i.late, Lost: i.lost,
		LostForward: r.forward, LostBackward: r.backward, LostUnresolved: r.unresolved,
		Duplicates: i.duplicates, Reordered: i.reordered, Unexpected: i.unexpected, Implausible: i.implausible, HMACFailed: i.hmacFailed, Unreflected: i.unreflected,
		LateAfterReport: i.lateAfterReport, SendErrors: i.sendErrors,
		RTT: i.rtt.Report(), Processing: i.processing.Report(),
		LossPeriods: i.losses.Report(), HopsForward: i.hopsThere.Report(), HopsBackward: i.hopsBack.Report(),
		Marking: events.Marking{SentDSCP: s.dscp, Remarked: i.remarked},
		Timestamps: events.Timestamps{
			T1Kernel: i.t1Kernel, T1User: i.received - i.t1Kernel, T3Kernel: i.t3Kernel, T3User: i.received - i.t3Kernel,
			T4Kernel: i.t4Kernel, T4User: i.received - i.t4Kernel,
		},
		Clock: events.Clock{
			ProberSynchronized: clock.Synchronized, ProberErrorNs: int64(clock.Error), ProberSteps: i.steps,
		},
		Lateness: i.lateness.Distribution(),
		ICMP:     []events.ICMP{},
	}
	e.Samples, e.SamplesCut = i.list(s.samples)
	if s.count == 0 {
		e.Report.Kind = events.ReportInterval
	}
	if r.forward != nil {
		e.DuplicatesForward, e.DuplicatesBackward = new(i.doubledThere), new(i.doubledBack)
	}
	if i.returnedTOS >= 0 {
		dscp, ecn := uint8(i.returnedTOS>>2), uint8(i.returnedTOS&3)
		e.Marking.ReturnedDSCP, e.Marking.ReturnedECN = &dscp, &ecn
	}
	if i.reflectorTOS >= 0 {
		dscp, ecn := uint8(i.reflectorTOS>>2), uint8(i.reflectorTOS&3)
		e.Marking.ReflectorDSCP, e.Marking.ReflectorECN = &dscp, &ecn
	}
	if s.asks {
		e.Extensions = i.told.report(&e.Session, s.target.Address)
	}
	valid := clock.Synchronized && i.steps == 0
	if i.estimate != 0 {
		synchronized, bound := i.estimate.Synchronized(), int64(i.estimate.Duration())
		e.Clock.ReflectorSynchronized, e.Clock.ReflectorErrorNs = &synchronized, &bound
		valid = valid && synchronized
	}
	if d := i.forward.Report(); d != nil {
		e.Forward = &events.OneWay{Delay: *d, Valid: valid}
	}
	if d := i.backward.Report(); d != nil {
		e.Backward = &events.OneWay{Delay: *d, Valid: valid}
	}
	for _, x := range i.icmp {
		e.ICMP = append(e.ICMP, *x)
	}
	slices.SortFunc(e.ICMP, func(a, b events.ICMP) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.From.Compare(b.From), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Code, b.Code))
	})
	e.Health = health(e, r.drops, throttled)
	return e
}

// describe says how the session tests.
func (s *session) describe(source netip.AddrPort) events.Session {
	e := events.Session{
		SSID: s.ssid, Mode: s.mode.String(), Auth: s.auth(), Source: source, IntervalNs: int64(s.plan.interval),
		TimeoutNs: int64(s.timeout), Size: len(s.payload), Schedule: s.schedule.String(), Timestamp: s.format.String(),
		Message: s.message,
	}
	if s.terms != nil {
		e.SID, e.Port = s.terms.sid.String(), s.peer.Port()
	}
	return e
}

// begin is a report without figures, of a session that begins.
func (s *session) begin(prober string) *events.RTT {
	return &events.RTT{Prober: prober, Target: s.target, Session: s.describe(s.out.address())}
}

// throttledSince is how long the process was denied the CPU since the session's
// last report, or since it began.
func (s *session) throttledSince() time.Duration {
	now := throttled()
	since := now - s.throttled
	s.throttled = now
	return since
}

// suspectLateness is the lateness at which the host itself is in doubt.
const suspectLateness = 10 * time.Millisecond

// doubt is a reason to doubt the figures of a report.
type doubt struct {
	code string // as metrics name it
	text string
}

// Codes of doubts.
const (
	doubtKernelDrops  = "kernel_drops"
	doubtThrottled    = "throttled"
	doubtSendErrors   = "send_errors"
	doubtNotSent      = "not_sent"
	doubtLate         = "sent_late"
	doubtClockStepped = "clock_stepped"
	doubtT1User       = "t1_not_kernel"
	doubtT4User       = "t4_not_kernel"
)

var doubtCodes = []string{
	doubtKernelDrops, doubtThrottled, doubtSendErrors, doubtNotSent, doubtLate, doubtClockStepped, doubtT1User, doubtT4User,
}

// health says whether the figures may be the host's instead of the network's.
func health(e *events.RTT, drops uint64, throttled time.Duration) events.Health {
	h := events.Health{KernelDrops: drops, ThrottledNs: int64(throttled), Reasons: []string{}}
	for _, d := range doubts(e, &h) {
		h.Suspect = true
		h.Reasons = append(h.Reasons, d.text)
	}
	return h
}

func doubts(e *events.RTT, h *events.Health) (found []doubt) {
	doubtIf := func(yes bool, code, format string, args ...any) {
		if yes {
			found = append(found, doubt{code, fmt.Sprintf(format, args...)})
		}
	}
	doubtIf(h.KernelDrops > 0, doubtKernelDrops, "this host dropped %d datagrams for want of buffer", h.KernelDrops)
	doubtIf(h.ThrottledNs > 0, doubtThrottled, "this process was denied the CPU for %v by its cgroup", time.Duration(h.ThrottledNs))
	doubtIf(e.SendErrors > 0, doubtSendErrors, "this host refused to send %d packets", e.SendErrors)
	doubtIf(e.Sent+e.SendErrors < e.Planned, doubtNotSent, "%d planned packets were not sent", e.Planned-e.Sent-e.SendErrors)
	if e.Lateness != nil {
		late := time.Duration(e.Lateness.P99Ns)
		doubtIf(late > suspectLateness, doubtLate, "packets were sent late, in the 99th percentile by %v", late)
	}
	doubtIf(e.Clock.ProberSteps > 0, doubtClockStepped, "this host's clock stepped")
	doubtIf(e.Timestamps.T1User > 0, doubtT1User, "%d sending times are not the kernel's", e.Timestamps.T1User)
	doubtIf(e.Timestamps.T4User > 0, doubtT4User, "%d arrival times are not the kernel's", e.Timestamps.T4User)
	return found
}
