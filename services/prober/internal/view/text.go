package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// where names a target and the address that is tested, if they differ. It is
// at most whereWidth wide.
func where(t *events.Target) string {
	address := t.Address.String()
	if t.Name == address {
		return address
	}
	name, room := []rune(t.Name), whereWidth-len(" ()")-len(address)
	if len(name) > room {
		name = append(name[:room-1], '…')
	}
	return fmt.Sprintf("%s (%s)", string(name), address)
}

func protocol(mode string) string {
	if mode == "light" {
		return "TWAMP Light"
	}
	return strings.ToUpper(mode)
}

// begunText announces a session.
func begunText(e *events.RTT) string {
	return fold(fmt.Sprintf("%s: %s, %d octets every %v\n",
		where(&e.Target), protocol(e.Session.Mode), e.Session.Size, time.Duration(e.Session.IntervalNs)))
}

// replyLine is in the manner of ping. The size of a reply is shown if it is not
// that of the packets, which is sent.
func replyLine(r *prober.Reply, sent int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: seq=%d", r.Target.Address, r.Number)
	if r.Known {
		fmt.Fprintf(&b, " rtt=%s", duration(int64(r.RTT)))
	}
	if r.Hops >= 0 {
		fmt.Fprintf(&b, " hops=%d", r.Hops)
	}
	if r.Size != sent {
		fmt.Fprintf(&b, " octets=%d", r.Size)
	}
	if r.Duplicate {
		b.WriteString(" duplicate")
	}
	if r.Late {
		b.WriteString(" late")
	}
	b.WriteByte('\n')
	return fold(b.String())
}

// reportLine is a report of a continuous test.
func reportLine(e *events.RTT) string {
	rtt := "no reply"
	if e.RTT != nil {
		rtt = fmt.Sprintf("p50 %s, p99 %s", duration(e.RTT.P50Ns), duration(e.RTT.P99Ns))
	}
	return fold(fmt.Sprintf("%s %s: %d of %d, loss %s, %s\n",
		e.Report.End.Local().Format(time.TimeOnly), where(&e.Target), e.Received, e.Sent, percent(e.Lost, e.Sent), rtt))
}

// summary is what ping says at its end, for each direction.
func summary(e *events.RTT) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n--- %s ---\n", where(&e.Target))
	fmt.Fprintf(&b, "%d sent, %d received, %d lost (%s)%s", e.Sent, e.Received, e.Lost, percent(e.Lost, e.Sent), ways(e))
	for _, c := range []struct {
		n    uint64
		what string
	}{
		{e.Late, "late"},
		{e.Duplicates, "duplicated"},
		{e.Reordered, "reordered"},
		{e.Unexpected, "unexpected"},
		{e.Implausible, "implausible"},
		{e.SendErrors, "not sent"},
	} {
		if c.n > 0 {
			fmt.Fprintf(&b, ", %d %s", c.n, c.what)
		}
	}
	if e.Report.Cut {
		b.WriteString(", stopped by a signal")
	}
	b.WriteByte('\n')
	table(&b, e)
	remarks(&b, e)
	return fold(b.String())
}

// ways tells where packets were lost, if it is known.
func ways(e *events.RTT) string {
	if e.Lost == 0 || e.LostForward == nil || e.LostBackward == nil {
		return ""
	}
	return fmt.Sprintf(", %d forward and %d backward", *e.LostForward, *e.LostBackward)
}

// table shows the delays, a column each 10 characters wide.
func table(b *strings.Builder, e *events.RTT) {
	if e.RTT == nil {
		return
	}
	fmt.Fprintf(b, "%-12s%10s%10s%10s%10s%10s%10s\n", "", "min", "mean", "p50", "p99", "max", "jitter")
	row := func(name string, d *events.Delay) {
		fmt.Fprintf(b, "%-12s%10s%10s%10s%10s%10s%10s\n", name, duration(d.MinNs), duration(d.MeanNs), duration(d.P50Ns),
			duration(d.P99Ns), duration(d.MaxNs), duration(d.JitterRFC3550Ns))
	}
	row("round trip", e.RTT)
	if e.Forward != nil && e.Backward != nil {
		row("forward", &e.Forward.Delay)
		row("backward", &e.Backward.Delay)
	}
	if e.Processing != nil {
		row("reflector", e.Processing)
	}
}

// remarks say in words what figures alone do not.
func remarks(b *strings.Builder, e *events.RTT) {
	if e.HopsForward != nil && e.HopsBackward != nil {
		fmt.Fprintf(b, "hops: %d forward, %d backward\n", e.HopsForward.Last, e.HopsBackward.Last)
	}
	if e.Forward != nil && !e.Forward.Valid {
		b.WriteString("one-way delays hold the offset of two clocks that are not both synchronized\n")
	}
	if r := e.Marking.ReturnedDSCP; r != nil && e.Marking.Remarked > 0 {
		fmt.Fprintf(b, "replies with another DSCP than %d: %d, the last with %d\n", e.Marking.SentDSCP, e.Marking.Remarked, *r)
	}
	for _, i := range e.ICMP {
		fmt.Fprintf(b, "ICMP from %v: %s (%d)\n", i.From, i.Text, i.Count)
	}
	for _, r := range e.Health.Reasons {
		fmt.Fprintf(b, "suspect: %s\n", r)
	}
}

// percent is of a whole, with four significant digits.
func percent(part, whole uint64) string {
	if part == 0 || whole == 0 {
		return "0 %"
	}
	p := 100 * float64(part) / float64(whole)
	if p < 0.001 {
		return "< 0.001 %"
	}
	return strconv.FormatFloat(p, 'g', 4, 64) + " %"
}

// units are those that a duration is shown in, each so many of the one before.
var units = []struct {
	size float64
	name string
}{{1000, "µs"}, {1000, "ms"}, {1000, "s"}, {86_400, "d"}}

// duration shows nanoseconds with four significant digits and a unit, in at
// most nine characters. Days are what clocks are apart when one was never set.
func duration(ns int64) string {
	d, unit := float64(ns), "ns"
	for _, u := range units {
		if math.Abs(d) < u.size {
			break
		}
		d, unit = d/u.size, u.name
	}
	if math.Abs(d) >= 1000 {
		return strconv.FormatFloat(d, 'f', 0, 64) + " " + unit
	}
	return strconv.FormatFloat(d, 'g', 4, 64) + " " + unit
}
