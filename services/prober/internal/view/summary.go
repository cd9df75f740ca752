package view

import (
	"fmt"
	"strings"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

const (
	labelWidth  = 12  // of what stands before a fact
	figureWidth = 10  // of a figure in a table
	allFigures  = 120 // columns from which on a summary has all of them
)

// summary is what an engineer wants to read of a report. Of the session of one
// own port among several it says which.
func summary(e *events.RTT, path bool, s style) []string {
	lines := []string{s.paint(bold, "--- "+place(e, path, s.columns-len("---  ---"))+" ---")}
	lines = append(lines, fold(counts(e, s), s.columns, indent)...)
	lines = append(lines, delays(e, s)...)
	lines = append(lines, facts(e, s)...)
	return append(lines, remarkLines(remarks(e), "", s)...)
}

// place names what a report is of, see titled.
func place(e *events.RTT, path bool, room int) string {
	return titled(&e.Target, e.Session.Source.Port(), path, len(e.Session.Paths), room)
}

// counts says what became of the packets.
func counts(e *events.RTT, s style) string {
	var b strings.Builder
	lost := fmt.Sprintf("%s lost (%s%s)", count(e.Lost), percent(e.Lost, e.Sent), ways(e))
	if e.Lost > 0 {
		lost = s.paint(red, lost)
	}
	fmt.Fprintf(&b, "%s sent, %s received, %s", count(e.Sent), count(e.Received), lost)
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
			b.WriteString(", " + s.paint(yellow, count(c.n)+" "+c.what))
		}
	}
	if e.Report.Cut {
		b.WriteString(", stopped early")
	}
	return b.String()
}

// ways tells where packets were lost, if it is known.
func ways(e *events.RTT) string {
	if e.Lost == 0 || e.LostForward == nil || e.LostBackward == nil {
		return ""
	}
	text := fmt.Sprintf(": %s forward, %s backward", count(*e.LostForward), count(*e.LostBackward))
	if e.LostUnresolved != nil && *e.LostUnresolved > 0 {
		text += fmt.Sprintf(", %s unknown", count(*e.LostUnresolved))
	}
	return text
}

// figure is a column of delays.
type figure struct {
	name string
	of   func(*events.Delay) int64
	wide bool // for terminals that are
}

var figures = []figure{
	{"min", func(d *events.Delay) int64 { return d.MinNs }, false},
	{"mean", func(d *events.Delay) int64 { return d.MeanNs }, false},
	{"stddev", func(d *events.Delay) int64 { return d.StddevNs }, true},
	{"p50", func(d *events.Delay) int64 { return d.P50Ns }, false},
	{"p90", func(d *events.Delay) int64 { return d.P90Ns }, true},
	{"p95", func(d *events.Delay) int64 { return d.P95Ns }, false},
	{"p99", func(d *events.Delay) int64 { return d.P99Ns }, false},
	{"p99.9", func(d *events.Delay) int64 { return d.P999Ns }, true},
	{"max", func(d *events.Delay) int64 { return d.MaxNs }, false},
	{"jitter", func(d *events.Delay) int64 { return d.JitterRFC3550Ns }, false},
}

// delays is a table of them: a line for the names of figures, then one for each
// direction.
func delays(e *events.RTT, s style) []string {
	if e.RTT == nil {
		return nil
	}
	row := func(name string, cell func(figure) string) string {
		var b strings.Builder
		b.WriteString(left(name, figureWidth))
		for _, f := range figures {
			if !f.wide || s.columns >= allFigures {
				b.WriteString(right(cell(f), figureWidth))
			}
		}
		return b.String()
	}
	lines := []string{s.paint(faint, row("", func(f figure) string { return f.name }))}
	add := func(name string, d *events.Delay) {
		lines = append(lines, row(name, func(f figure) string { return duration(f.of(d)) }))
	}
	add("round trip", e.RTT)
	if e.Forward != nil && e.Backward != nil {
		add("forward", &e.Forward.Delay)
		add("backward", &e.Backward.Delay)
	}
	if e.Processing != nil {
		add("reflector", e.Processing)
	}
	return lines
}

// facts are what the figures rest on, a label before each.
func facts(e *events.RTT, s style) []string {
	if e.Received == 0 {
		return nil
	}
	var lines []string
	for _, f := range []struct{ label, text string }{
		{"hops", hops(e)},
		{"DSCP", marking(&e.Marking)},
		{"clocks", clocks(e)},
		{"timestamps", timestamps(&e.Timestamps)},
		{"T2 and T3", clockSources(e)},
		{"packets", counted(e)},
		{"location", location(e)},
	} {
		if f.text == "" {
			continue
		}
		folded := fold(left(f.label, labelWidth)+f.text, s.columns, strings.Repeat(" ", labelWidth))
		folded[0] = s.paint(faint, folded[0][:labelWidth]) + folded[0][labelWidth:]
		lines = append(lines, folded...)
	}
	return lines
}

func hops(e *events.RTT) string {
	switch forward, backward := e.HopsForward, e.HopsBackward; {
	case forward != nil && backward != nil:
		return fmt.Sprintf("%d forward, %d backward", forward.Last, backward.Last)
	case forward != nil:
		return fmt.Sprintf("%d forward", forward.Last)
	case backward != nil:
		return fmt.Sprintf("%d backward", backward.Last)
	}
	return ""
}

func marking(m *events.Marking) string {
	text := stamp.DSCP(m.SentDSCP).String() + " sent"
	if m.ReflectorDSCP != nil {
		text += fmt.Sprintf(", %v at the reflector", stamp.DSCP(*m.ReflectorDSCP))
	}
	if m.ReturnedDSCP != nil {
		text += fmt.Sprintf(", %v returned", stamp.DSCP(*m.ReturnedDSCP))
	}
	return text
}

func clocks(e *events.RTT) string {
	c := &e.Clock
	reflector := c.ReflectorSynchronized != nil && c.ReflectorErrorNs != nil
	one := func(synchronized bool, bound int64) string {
		if !synchronized {
			return "not synchronized"
		}
		return "synchronized to " + duration(bound)
	}
	text := "prober " + one(c.ProberSynchronized, c.ProberErrorNs)
	switch {
	case reflector && !c.ProberSynchronized && !*c.ReflectorSynchronized:
		text = "neither is synchronized"
	case reflector:
		text += ", reflector " + one(*c.ReflectorSynchronized, *c.ReflectorErrorNs)
	}
	if e.Forward != nil && !e.Forward.Valid {
		text += ": one-way delays hold their offset"
	}
	return text
}

func timestamps(t *events.Timestamps) string {
	source := func(kernel, program uint64) string {
		switch {
		case program == 0:
			return "kernel"
		case kernel == 0:
			return "program"
		}
		return fmt.Sprintf("kernel for %s of %s", count(kernel), count(kernel+program))
	}
	return fmt.Sprintf("sent (T1): %s, reflected (T3): %s, received (T4): %s",
		source(t.T1Kernel, t.T1User), source(t.T3Kernel, t.T3User), source(t.T4Kernel, t.T4User))
}

// remarkLines are a line for each remark, or more. Trouble is marked.
func remarkLines(all []remark, before string, s style) []string {
	var lines []string
	for _, r := range all {
		mark, code := "! ", yellow
		if r.short == "" {
			mark, code = "- ", faint
		}
		for _, line := range fold(before+mark+r.text, s.columns, before+indent) {
			lines = append(lines, s.paint(code, line))
		}
	}
	return lines
}
