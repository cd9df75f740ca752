package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// where names a target and the address that is tested, if they differ.
func where(t *events.Target) string {
	if t.Name == t.Address.String() {
		return t.Name
	}
	return fmt.Sprintf("%s (%v)", t.Name, t.Address)
}

func protocol(mode string) string {
	if mode == "light" {
		return "TWAMP Light"
	}
	return strings.ToUpper(mode)
}

// replyLine is in the manner of ping.
func replyLine(r *prober.Reply) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d octets from %v: seq=%d", r.Size, r.Target.Address, r.Number)
	if r.Known {
		fmt.Fprintf(&b, " rtt=%s", duration(int64(r.RTT)))
	}
	if r.Hops >= 0 {
		fmt.Fprintf(&b, " hops=%d", r.Hops)
	}
	if r.Duplicate {
		b.WriteString(" duplicate")
	}
	if r.Late {
		b.WriteString(" late")
	}
	b.WriteByte('\n')
	return b.String()
}

// reportLine is a report of a continuous test.
func reportLine(e *events.RTT) string {
	rtt := "no reply"
	if e.RTT != nil {
		rtt = fmt.Sprintf("rtt p50 %s p99 %s", duration(e.RTT.P50Ns), duration(e.RTT.P99Ns))
	}
	return fmt.Sprintf("%s %s: %d of %d received, loss %s, %s\n",
		e.Report.End.Local().Format(time.DateTime), where(&e.Target), e.Received, e.Sent, percent(e.Lost, e.Sent), rtt)
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
		{e.Duplicates, "duplicates"},
		{e.Reordered, "reordered"},
		{e.Unexpected, "unexpected"},
		{e.Implausible, "implausible"},
		{e.SendErrors, "not sent"},
	} {
		if c.n > 0 {
			fmt.Fprintf(&b, ", %d %s", c.n, c.what)
		}
	}
	b.WriteByte('\n')
	table(&b, e)
	remarks(&b, e)
	return b.String()
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
		fmt.Fprintf(b, "%d replies came back with another DSCP than %d, the last with %d\n", e.Marking.Remarked, e.Marking.SentDSCP, *r)
	}
	for _, i := range e.ICMP {
		fmt.Fprintf(b, "%d times ICMP from %v: %s\n", i.Count, i.From, i.Text)
	}
	for _, r := range e.Health.Reasons {
		fmt.Fprintf(b, "suspect: %s\n", r)
	}
}

// percent is of a whole, with as many digits as tell a thousandth.
func percent(part, whole uint64) string {
	if whole == 0 {
		return "0 %"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'g', 4, 64) + " %"
}

// duration shows nanoseconds with four significant digits and a unit.
func duration(ns int64) string {
	d, unit := float64(ns), "ns"
	for _, u := range []string{"µs", "ms", "s"} {
		if d < 1000 && d > -1000 {
			break
		}
		d, unit = d/1000, u
	}
	return strconv.FormatFloat(d, 'g', 4, 64) + " " + unit
}
