package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

const indent = "  " // of what a line is continued with

// clean is text from elsewhere as it may reach a terminal: as it is when it is
// printable, else quoted and escaped.
func clean(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return text
	}
	return strconv.Quote(text)
}

// nameOf is what the user calls a target; empty if that is its address.
func nameOf(t *events.Target) string {
	if t.Name == t.Address.String() || t.Name == t.Address.Addr().String() {
		return ""
	}
	return clean(t.Name)
}

// where names a target and the address that is tested, in at most room columns:
// of a long name its beginning is left, of an address its end.
func where(t *events.Target, room int) string {
	name, address := nameOf(t), t.Address.String()
	if rest := room - len(" ()") - len(address); name != "" && rest >= min(cells(name), leastName) {
		return fmt.Sprintf("%s (%s)", fit(name, rest), address)
	}
	return tail(address, room)
}

// leastName is the beginning of a longer name that is worth being shown.
const leastName = 8

// tail cuts the beginning of an address.
func tail(address string, room int) string {
	if cut := len(address) - max(1, room); cut > 0 {
		return "…" + address[cut+1:]
	}
	return address
}

// protocol names a session's, and how it is protected if it is.
func protocol(s *events.Session) string {
	name := strings.ToUpper(clean(s.Mode))
	if s.Mode == "light" {
		name = "TWAMP Light"
	}
	if s.Auth != "none" && s.Auth != "" {
		name += ", " + clean(s.Auth)
	}
	return name
}

// begunText announces a session.
func begunText(e *events.RTT, path bool, s style) string {
	return join(fold(fmt.Sprintf("%s: %s, %s octets every %v", place(e, path, s.columns-len(":")), protocol(&e.Session),
		count(uint64(e.Session.Size)), time.Duration(e.Session.IntervalNs)), s.columns, indent))
}

// replyLine is in the manner of ping. The size of a reply is shown if it is not
// that of the packets, which is sent.
func replyLine(r *prober.Reply, sent int, s style) string {
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
		b.WriteString(s.paint(yellow, " duplicate"))
	}
	if r.Late {
		b.WriteString(s.paint(yellow, " late"))
	}
	return join(fold(b.String(), s.columns, indent))
}

// reportLine is a report of a continuous test in a pipe.
func reportLine(e *events.RTT, path bool, s style) string {
	rtt := "no reply"
	if e.RTT != nil {
		rtt = fmt.Sprintf("p50 %s, p99 %s", duration(e.RTT.P50Ns), duration(e.RTT.P99Ns))
	}
	when := e.Report.End.Local().Format(time.TimeOnly)
	return join(fold(fmt.Sprintf("%s %s: %s of %s, loss %s, %s", when, place(e, path, s.columns-len(when)-len(" :")),
		count(e.Received), count(e.Sent), percent(e.Lost, e.Sent), rtt), s.columns, indent))
}

// join ends each line.
func join(lines []string) string {
	return strings.Join(lines, "\n") + "\n"
}

// percent is of a whole, with three significant digits. Only a whole is 100 %.
func percent(part, whole uint64) string {
	if part == 0 || whole == 0 {
		return "0 %"
	}
	p := 100 * float64(part) / float64(whole)
	switch {
	case p < 0.001:
		return "< 0.001 %"
	case p > 99.9 && part < whole:
		return "> 99.9 %"
	}
	return strconv.FormatFloat(p, 'g', 3, 64) + " %"
}

// count shows a number with a comma before each three digits.
func count(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// many counts things: 1 packet, 2 packets.
func many(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		noun = stem + "ie"
	}
	return count(n) + " " + noun + "s"
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

// span shows how long something goes on, to the second at first: 59 s,
// 12 min 5 s, 3 h 20 min, 2 d 3 h.
func span(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	pair := func(major, minor int64, names ...string) string {
		if minor == 0 {
			return fmt.Sprintf("%d %s", major, names[0])
		}
		return fmt.Sprintf("%d %s %d %s", major, names[0], minor, names[1])
	}
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return pair(s/60, s%60, "min", "s")
	case s < 86_400:
		return pair(s/3600, s%3600/60, "h", "min")
	}
	return pair(s/86_400, s%86_400/3600, "d", "h")
}
