package history

import (
	"crypto/sha256"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
)

// Bounds on what a report may bring.
const (
	maxText   = 128 // octets of a name, and of a label
	maxLabels = 16
	maxSent   = 1 << 40          // packets: as many as shared/paths lets a histogram hold
	maxLength = 24 * time.Hour   // of a report
	maxAhead  = 10 * time.Minute // of its end before the stream stored it
)

// Why a report is left out, as the label of its metric.
const (
	leftLimit      = "limit"      // of another path than those that there is room for
	leftFuture     = "future"     // it ends after it was stored
	leftPast       = "past"       // older than the history
	leftLength     = "length"     // it ends before it starts, or is longer than a day
	leftUnreadable = "unreadable" // it, or a histogram of it
)

// arrival is a report on its way into the history.
type arrival struct {
	id     pathID
	path   Path // without Latest and Spark; First and Last are the report's own
	run    bool // a burst: the next comes when somebody starts it
	middle time.Time
	sums   bucket
	torn   int // histograms that could not be read
}

// read takes out of a report what the history keeps, or tells why it is left
// out. The stream stored the report at a time that can be trusted, and let the
// prober publish under that name.
func read(prober string, r *events.RTT, stored time.Time) (a arrival, left string) {
	start, end := r.Report.Start, r.Report.End
	switch {
	case end.After(stored.Add(maxAhead)):
		return a, leftFuture
	case start.Unix() <= 0:
		return a, leftPast
	case end.Before(start) || end.Sub(start) > maxLength:
		return a, leftLength
	}
	a.path = Path{
		Prober: clip(prober, maxText), Target: clip(r.Target.Name, maxText), Address: address(r.Target.Address),
		Labels: labels(r.Target.Labels), Mode: clip(r.Session.Mode, maxText), Interval: max(time.Duration(r.Session.IntervalNs), 0),
		First: start.UTC(), Last: end.UTC(),
	}
	switch {
	case r.Report.Kind != events.ReportInterval:
		a.run = true
	case !r.Report.Cut:
		a.path.Every = end.Sub(start)
	}
	a.middle = start.Add(end.Sub(start) / 2)
	a.identify()
	a.sum(r)
	return a, ""
}

// identify gives the path its name: prober, target and address tell it apart.
func (a *arrival) identify() {
	sum := sha256.Sum256([]byte(a.path.Prober + "\x00" + a.path.Target + "\x00" + a.path.Address))
	copy(a.id[:], sum[:])
	a.path.ID = a.id.String()
}

func (a *arrival) sum(r *events.RTT) {
	b := &a.sums
	b.reports, b.last, b.dscp = 1, r.Report.End.UnixMilli(), r.Marking.SentDSCP
	for i, n := range [counts]uint64{
		countSent: r.Sent, countReceived: r.Received, countLost: r.Lost, countLate: r.Late,
		countDuplicates: r.Duplicates, countReordered: r.Reordered, countRemarked: r.Marking.Remarked,
	} {
		b.counts[i] = min(n, maxSent)
	}
	for i, lost := range []*uint64{r.LostForward, r.LostBackward} {
		if lost != nil {
			b.lost[i] = optional{true, min(*lost, maxSent)}
		}
	}
	for i, h := range []*events.Hops{r.HopsForward, r.HopsBackward} {
		if h != nil {
			b.hops[i] = hops{known: true, min: h.Min, max: h.Max, changed: h.Changes > 0}
		}
	}
	if r.Health.Suspect {
		if len(r.Health.Reasons) == 0 {
			b.reason("the prober does not say why")
		}
		for _, reason := range r.Health.Reasons[:min(len(r.Health.Reasons), maxReasons)] {
			b.reason(clip(reason, maxReason))
		}
	}
	a.delay(delayRTT, r.RTT, false)
	a.oneWay(delayForward, variationForward, r.Forward)
	a.oneWay(delayBackward, variationBackward, r.Backward)
}

func (a *arrival) oneWay(valid, variation int, o *events.OneWay) {
	switch {
	case o == nil:
	case o.Valid:
		a.delay(valid, &o.Delay, false)
	default:
		a.delay(variation, &o.Delay, true)
	}
}

// delay reads the values of a delay, or by how much they vary.
func (a *arrival) delay(which int, d *events.Delay, variation bool) {
	if d == nil {
		return
	}
	to, base, err := &a.sums.delays[which], 0.0, errNoHistogram
	if d.Histogram != nil {
		err = paths.Values(d.Histogram, func(ns float64, times uint64) {
			if variation && to.n == 0 {
				base = ns
			}
			to.add(int64(max(-float64(largest), min(ns-base, float64(largest)))), times)
		})
	}
	if err != nil {
		*to = delay{}
		a.torn++
	}
	to.trim()
}

var errNoHistogram = errors.New("history: a delay without a histogram")

// labels are a target's labels, or the first of too many.
func labels(from map[string]string) map[string]string {
	if len(from) == 0 {
		return nil
	}
	to := make(map[string]string, min(len(from), maxLabels))
	for _, k := range slices.Sorted(maps.Keys(from)) {
		if len(to) == maxLabels {
			break
		}
		to[clip(k, maxText)] = clip(from[k], maxText)
	}
	return to
}

// clip makes text from elsewhere short and valid.
func clip(s string, octets int) string {
	s = strings.ToValidUTF8(s[:min(len(s), octets)], "")
	return strings.Clone(s) // the event is large, and this outlives it
}

// address is without the zone, which is free text.
func address(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}
