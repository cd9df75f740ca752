package paths

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/events"
)

// Labels of a path, and of figures that each direction has.
const (
	labelProber, labelTarget, labelAddress = "prober", "target", "address"
	labelDirection                         = "direction"

	forward, backward, roundTrip = "forward", "backward", "round_trip"
	unknown                      = "unknown"
)

// figure is a metric that each path has one of, or one for each direction.
type figure[T any] struct {
	desc      *prometheus.Desc
	direction string // "": none
	of        func(*events.RTT) T
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{labelProber, labelTarget, labelAddress}, labels...), nil)
}

var (
	rtt    = desc("twamp_path_rtt_seconds", "Round-trip time without the time in the reflector.")
	oneWay = desc("twamp_path_one_way_delay_seconds", "Delay in one direction, of reports whose clocks were both synchronized.", labelDirection)
)

var (
	lost       = desc("twamp_path_packets_lost_total", "Test packets lost, by the direction in which they were; unknown where the reflector's sequence numbers do not tell.", labelDirection)
	hopChanges = desc("twamp_path_hop_changes_total", "Packets that came over another number of hops than the one before.", labelDirection)
)

// counts are what a report adds to.
var counts = []figure[uint64]{
	{desc("twamp_path_packets_sent_total", "Test packets sent: received, late or lost."), "", func(r *events.RTT) uint64 { return r.Sent }},
	{desc("twamp_path_packets_received_total", "Test packets answered in time."), "", func(r *events.RTT) uint64 { return r.Received }},
	{desc("twamp_path_packets_late_total", "Test packets answered after the timeout."), "", func(r *events.RTT) uint64 { return r.Late }},
	{lost, forward, func(r *events.RTT) uint64 { return known(r.LostForward) }},
	{lost, backward, func(r *events.RTT) uint64 { return known(r.LostBackward) }},
	{lost, unknown, func(r *events.RTT) uint64 {
		placed := known(r.LostForward) + known(r.LostBackward)
		return r.Lost - min(placed, r.Lost)
	}},
	{desc("twamp_path_duplicates_total", "Replies beyond the first to a packet."), "", func(r *events.RTT) uint64 { return r.Duplicates }},
	{desc("twamp_path_reordered_total", "Replies that came after a later packet's."), "", func(r *events.RTT) uint64 { return r.Reordered }},
	{desc("twamp_path_remarked_total", "Replies that came back with another DSCP than was sent."), "", func(r *events.RTT) uint64 { return r.Marking.Remarked }},
	{hopChanges, forward, func(r *events.RTT) uint64 { return changes(r.HopsForward) }},
	{hopChanges, backward, func(r *events.RTT) uint64 { return changes(r.HopsBackward) }},
	{desc("twamp_path_reports_total", "Reports."), "", func(*events.RTT) uint64 { return 1 }},
	{desc("twamp_path_suspect_reports_total", "Reports whose figures may be the prober's host's and not the network's."), "", func(r *events.RTT) uint64 {
		if r.Health.Suspect {
			return 1
		}
		return 0
	}},
}

var (
	hops   = desc("twamp_path_hops", "Hops of the last packet: 255 less its TTL or hop limit on arrival.", labelDirection)
	jitter = desc("twamp_path_jitter_seconds", "Interarrival jitter as RFC 3550 smooths it, at the end of the last report.", labelDirection)
)

// states are what the last report says; NaN: nothing.
var states = []figure[float64]{
	{hops, forward, func(r *events.RTT) float64 { return lastHops(r.HopsForward) }},
	{hops, backward, func(r *events.RTT) float64 { return lastHops(r.HopsBackward) }},
	{jitter, roundTrip, func(r *events.RTT) float64 { return jitterOf(r.RTT) }},
	{jitter, forward, func(r *events.RTT) float64 { return jitterOf(delay(r.Forward)) }},
	{jitter, backward, func(r *events.RTT) float64 { return jitterOf(delay(r.Backward)) }},
	{desc("twamp_path_clocks_valid", "Whether one-way delays can be trusted: 1 if both clocks are synchronized, else 0."), "", func(r *events.RTT) float64 {
		switch {
		case r.Forward == nil:
			return math.NaN()
		case r.Forward.Valid:
			return 1
		}
		return 0
	}},
	{desc("twamp_path_last_report_timestamp_seconds", "End of what the last report covers."), "", func(r *events.RTT) float64 {
		return float64(r.Report.End.UnixMilli()) / 1e3
	}},
	{desc("twamp_path_report_interval_seconds", "Time that a report of a continuous test covers. A burst has none, nor has a test that was ended."), "", func(r *events.RTT) float64 {
		if r.Report.Kind != events.ReportInterval || r.Report.Cut {
			return math.NaN()
		}
		return r.Report.End.Sub(r.Report.Start).Seconds()
	}},
}

func known(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return min(*n, math.MaxInt64) // of which the sum of two does not overflow
}

func changes(h *events.Hops) uint64 {
	if h == nil {
		return 0
	}
	return h.Changes
}

func lastHops(h *events.Hops) float64 {
	if h == nil {
		return math.NaN()
	}
	return float64(h.Last)
}

func delay(o *events.OneWay) *events.Delay {
	if o == nil {
		return nil
	}
	return &o.Delay
}

func jitterOf(d *events.Delay) float64 {
	if d == nil {
		return math.NaN()
	}
	return float64(d.JitterRFC3550Ns) / 1e9
}
