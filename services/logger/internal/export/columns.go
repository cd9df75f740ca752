package export

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tinytwamp/shared/events"
)

// Column is one of the CSV output. Columns are only ever added, at the end. A
// figure that was not measured is empty.
type Column struct {
	Name  string
	Help  string
	value func(e events.Event, r *events.RTT) string
}

// Columns are those of the CSV output, in order.
var Columns = concat(
	[]Column{
		{"time", "of the event, RFC 3339, UTC", func(e events.Event, _ *events.RTT) string { return instant(e.Time) }},
		{"prober", "its -name", func(_ events.Event, r *events.RTT) string { return plain(r.Prober) }},
		{"target", "its name", func(_ events.Event, r *events.RTT) string { return plain(r.Target.Name) }},
		{"address", "that was tested, with the port", func(_ events.Event, r *events.RTT) string { return addrPort(r.Target.Address) }},
		{"source", "the prober's address and port", func(_ events.Event, r *events.RTT) string { return addrPort(r.Session.Source) }},
		{"ssid", "session identifier, RFC 8972", func(_ events.Event, r *events.RTT) string { return number(uint64(r.Session.SSID)) }},
		{"mode", "stamp, light or twamp", func(_ events.Event, r *events.RTT) string { return plain(r.Session.Mode) }},
		{"report", "run or interval", func(_ events.Event, r *events.RTT) string { return plain(r.Report.Kind) }},
		{"start", "of the report, RFC 3339, UTC", func(_ events.Event, r *events.RTT) string { return instant(r.Report.Start) }},
		{"end", "of the report, RFC 3339, UTC", func(_ events.Event, r *events.RTT) string { return instant(r.Report.End) }},
		{"planned", "packets of the schedule", func(_ events.Event, r *events.RTT) string { return number(r.Planned) }},
		{"sent", "packets", func(_ events.Event, r *events.RTT) string { return number(r.Sent) }},
		{"received", "packets answered in time", func(_ events.Event, r *events.RTT) string { return number(r.Received) }},
		{"late", "packets answered after the timeout", func(_ events.Event, r *events.RTT) string { return number(r.Late) }},
		{"lost", "packets not answered", func(_ events.Event, r *events.RTT) string { return number(r.Lost) }},
		{"lost_forward", "packets lost on the way there", func(_ events.Event, r *events.RTT) string { return optional(r.LostForward) }},
		{"lost_backward", "packets lost on the way back", func(_ events.Event, r *events.RTT) string { return optional(r.LostBackward) }},
		{"duplicates", "replies beyond the first", func(_ events.Event, r *events.RTT) string { return number(r.Duplicates) }},
		{"reordered", "replies", func(_ events.Event, r *events.RTT) string { return number(r.Reordered) }},
	},
	delay("rtt", "round trip without the reflector's time", func(r *events.RTT) *events.Delay { return r.RTT }),
	delay("forward", "one way, there; holds the clocks' offset", func(r *events.RTT) *events.Delay { return oneWay(r.Forward) }),
	[]Column{{"forward_valid", "true if both clocks were synchronized", func(_ events.Event, r *events.RTT) string { return valid(r.Forward) }}},
	delay("backward", "one way, back; holds the clocks' offset", func(r *events.RTT) *events.Delay { return oneWay(r.Backward) }),
	[]Column{{"backward_valid", "true if both clocks were synchronized", func(_ events.Event, r *events.RTT) string { return valid(r.Backward) }}},
	delay("processing", "in the reflector", func(r *events.RTT) *events.Delay { return r.Processing }),
	[]Column{
		{"hops_forward", "routers passed, of the last packet", func(_ events.Event, r *events.RTT) string { return hops(r.HopsForward) }},
		{"hops_backward", "routers passed, of the last reply", func(_ events.Event, r *events.RTT) string { return hops(r.HopsBackward) }},
		{"remarked", "replies whose DSCP was changed", func(_ events.Event, r *events.RTT) string { return number(r.Marking.Remarked) }},
		{"suspect", "true if the figures may be the host's", func(_ events.Event, r *events.RTT) string { return strconv.FormatBool(r.Health.Suspect) }},
		{"reasons", "why, with ; between them", func(_ events.Event, r *events.RTT) string { return plain(strings.Join(r.Health.Reasons, "; ")) }},
		{"id", "of the event", func(e events.Event, _ *events.RTT) string { return plain(e.ID) }},
	},
)

func concat(parts ...[]Column) (all []Column) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// delay are the columns of one delay.
func delay(name, help string, of func(r *events.RTT) *events.Delay) []Column {
	var columns []Column
	for _, q := range []struct {
		name  string
		value func(d *events.Delay) int64
	}{
		{"min", func(d *events.Delay) int64 { return d.MinNs }},
		{"mean", func(d *events.Delay) int64 { return d.MeanNs }},
		{"stddev", func(d *events.Delay) int64 { return d.StddevNs }},
		{"p50", func(d *events.Delay) int64 { return d.P50Ns }},
		{"p90", func(d *events.Delay) int64 { return d.P90Ns }},
		{"p95", func(d *events.Delay) int64 { return d.P95Ns }},
		{"p99", func(d *events.Delay) int64 { return d.P99Ns }},
		{"p999", func(d *events.Delay) int64 { return d.P999Ns }},
		{"max", func(d *events.Delay) int64 { return d.MaxNs }},
		{"jitter", func(d *events.Delay) int64 { return d.JitterRFC3550Ns }},
	} {
		columns = append(columns, Column{name + "_" + q.name + "_ns", help, func(_ events.Event, r *events.RTT) string {
			if d := of(r); d != nil {
				return strconv.FormatInt(q.value(d), 10)
			}
			return ""
		}})
	}
	return columns
}

func oneWay(w *events.OneWay) *events.Delay {
	if w == nil {
		return nil
	}
	return &w.Delay
}

func valid(w *events.OneWay) string {
	if w == nil {
		return ""
	}
	return strconv.FormatBool(w.Valid)
}

func hops(h *events.Hops) string {
	if h == nil {
		return ""
	}
	return strconv.Itoa(int(h.Last))
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func optional(n *uint64) string {
	if n == nil {
		return ""
	}
	return number(*n)
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func addrPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// plain returns a text that came from elsewhere: as it is when it is printable
// and no spreadsheet takes it for a formula, else quoted and escaped.
func plain(s string) string {
	unprintable := strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
	if unprintable || s != "" && strings.ContainsRune("=+-@\"", rune(s[0])) {
		return strconv.Quote(s)
	}
	return s
}
