package paths

import (
	"net/netip"
	"strings"
	"time"

	"tinytwamp/shared/events"
)

// maxLabel bounds a name that an event brings, in octets; more is cut off.
const maxLabel = 128

// path is what tells paths apart, as its labels.
type path struct{ prober, target, address string }

// Report is a report as far as metrics go.
type Report struct {
	path       path
	end        time.Time
	histograms [delays]Histogram
	unreadable int // histograms
	counts     []uint64
	states     []float64
}

// Delays of a path.
const (
	delayRTT = iota
	delayForward
	delayBackward
	delays // their number
)

// Read takes out of a report of a prober what [Metrics.Add] needs: most of the
// work, and safe to do side by side. It is nil for a report that is the
// sum of others, which come as well. The prober's name is to be one that can
// be trusted; the report's own is not looked at.
func (m *Metrics) Read(prober string, r *events.RTT) *Report {
	if m == nil || len(r.Session.Paths) > 0 {
		return nil
	}
	read := &Report{
		path:   path{label(prober), label(r.Target.Name), address(r.Target.Address)},
		end:    r.Report.End,
		counts: make([]uint64, len(counts)),
		states: make([]float64, len(states)),
	}
	for i := range counts {
		read.counts[i] = counts[i].of(r)
	}
	for i := range states {
		read.states[i] = states[i].of(r)
	}
	read.delay(delayRTT, r.RTT)
	if r.Forward != nil && r.Forward.Valid {
		read.delay(delayForward, &r.Forward.Delay)
	}
	if r.Backward != nil && r.Backward.Valid {
		read.delay(delayBackward, &r.Backward.Delay)
	}
	return read
}

// delay reads the values of a delay.
func (r *Report) delay(which int, d *events.Delay) {
	if d == nil {
		return
	}
	if d.Histogram == nil || r.histograms[which].read(d.Histogram) != nil {
		r.histograms[which] = Histogram{}
		r.unreadable++
	}
}

// label makes a name from elsewhere fit for a label.
func label(s string) string {
	if len(s) > maxLabel {
		s = s[:maxLabel]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// address is without the zone, which is free text.
func address(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port()).String()
}
