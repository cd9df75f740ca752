package events

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kinds of [Line] beside the [RecordKind] of each record.
const (
	KindRTT        = "rtt"         // of a report
	KindOmitted    = "omitted"     // records were left out of the log
	KindDeadLetter = "dead_letter" // a message of the stream could not be read
)

// Line is one line of the readable log: its time, then its text. The text is
// one line of printable characters whatever the network put into it.
type Line struct {
	Time time.Time
	Kind string // a [RecordKind] or one of the Kind constants
	Text string // without the time
}

// Lines returns the event as the readable log shows it: nothing for a type
// that has no readable form, or for data that cannot be read.
func (e Event) Lines() []Line {
	switch e.Type {
	case TypeRTT:
		if r, err := e.RTT(); err == nil {
			return r.Lines(e.Time)
		}
	case TypeLog:
		if l, err := e.Log(); err == nil {
			return l.lines(e.Time)
		}
	case TypeDeadLetter:
		if d, err := e.DeadLetter(); err == nil {
			return []Line{{Time: e.Time, Kind: KindDeadLetter, Text: d.text()}}
		}
	}
	return nil
}

// Lines returns the report as the readable log shows it; at is the time of its
// event.
func (r *RTT) Lines(at time.Time) []Line {
	var lines []Line
	for _, text := range r.Texts() {
		lines = append(lines, Line{Time: at, Kind: KindRTT, Text: text})
	}
	return lines
}

func (l *Log) lines(at time.Time) []Line {
	lines := make([]Line, 0, len(l.Records)+1)
	for _, r := range l.Records {
		lines = append(lines, Line{Time: r.Time, Kind: kind(r.Kind), Text: r.Text()})
	}
	if l.Omitted > 0 {
		text := fmt.Sprintf("Left out of the log: %s of %s", count(l.Omitted, "record"), word(l.Service))
		lines = append(lines, Line{Time: at, Kind: KindOmitted, Text: text})
	}
	return lines
}

// Texts returns the two lines of a report: the round-trip time with what it
// rests on, and the note that it was taken down.
func (r *RTT) Texts() []string {
	value, noted := "none", "Client logged no round-trip time"
	basis := fmt.Sprintf("%d received, %d sent", r.Received, r.Sent)
	if n := len(r.Session.Paths); n > 0 {
		basis += fmt.Sprintf(" on %d paths", n)
	}
	if r.RTT != nil {
		value = duration(r.RTT.P50Ns)
		noted = "Client logged round-trip time: " + value
		basis = "p50 of " + basis
	}
	return []string{
		fmt.Sprintf("Round-trip time: %s (%s, %s, from %s)", value, basis, r.Target.text(), word(r.Prober)),
		noted,
	}
}

// text names the target and its address, once if they are the same.
func (t *Target) text() string {
	if t.Name == t.Address.String() {
		return t.Name
	}
	return word(t.Name) + " " + address(t.Address)
}

// Text returns the record as the readable log shows it, without its time.
func (r Record) Text() string {
	switch r.Kind {
	case SessionOpened:
		return "Session opened with " + address(r.Peer) + r.negotiated()
	case PacketReceived:
		text := "Received test packet from " + address(r.Peer)
		if r.Message != "" {
			text += ": " + strconv.Quote(clip(r.Message))
		}
		return text
	case ResponseSent:
		return "Sent response to " + address(r.Peer)
	case PacketDropped:
		text := "Dropped " + count(r.Count, "packet")
		if r.Peer.IsValid() {
			text += " from " + address(r.Peer)
		}
		return text + ": " + sentence(r.Reason)
	case ResultReceived:
		return "Test result for client " + address(r.Peer) + ": Round-trip time received: " + r.Result.text()
	case SessionEnded:
		return fmt.Sprintf("Session with %s ended: %s (%s)", address(r.Peer), sentence(r.Reason), count(r.Count, "packet"))
	case EventsLost:
		return "Lost " + count(r.Count, "event") + ": " + sentence(r.Reason)
	case ControlOpened:
		return "Control connection from " + address(r.Peer) + r.negotiated()
	case ControlRefused:
		return "Control connection from " + address(r.Peer) + " refused: " + sentence(r.Reason) + r.negotiated()
	case ControlClosed:
		return "Control connection from " + address(r.Peer) + " ended: " + sentence(r.Reason)
	case SessionRefused:
		return "Session with " + address(r.Peer) + " refused: " + sentence(r.Reason)
	default:
		return fmt.Sprintf("Record %q of %s", clip(string(r.Kind)), address(r.Peer))
	}
}

// negotiated is what TWAMP-Control says of a session or connection, if it is of
// one.
func (r Record) negotiated() string {
	text := ""
	if r.Mode != "" {
		text = ", mode " + sentence(r.Mode)
	}
	if r.KeyID != "" {
		text += ", key id " + strconv.Quote(clip(r.KeyID))
	}
	return text
}

func (r *Result) text() string {
	if r == nil {
		return "no reply"
	}
	text := "no reply"
	if r.RTTNs != nil {
		text = "Round-trip time: " + duration(*r.RTTNs)
	}
	if !r.Verified {
		text += " (unverified)"
	}
	return text
}

func (d *DeadLetter) text() string {
	return fmt.Sprintf("Message %d of the stream (%s, %d octets) could not be read: %s",
		d.StreamSeq, word(d.Subject), d.Size, sentence(d.Reason))
}

// kind returns k for a [Line]: a known one, or "" for what another version of
// this program, or a stranger, made up.
func kind(k RecordKind) string {
	switch k {
	case SessionOpened, PacketReceived, ResponseSent, PacketDropped, ResultReceived, SessionEnded, EventsLost,
		ControlOpened, ControlRefused, ControlClosed, SessionRefused:
		return string(k)
	}
	return ""
}

// address returns the bare address in brackets. A zone is left out: it is free
// text, and means something on its own host only.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return "[unknown]"
	}
	return "[" + a.Addr().Unmap().WithZone("").String() + "]"
}

// duration returns ns as a time.Duration of four significant digits.
func duration(ns int64) string {
	unit := time.Duration(1)
	for d := ns; d <= -10_000 || d >= 10_000; d /= 10 {
		unit *= 10
	}
	return time.Duration(ns).Round(unit).String()
}

func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatUint(n, 10) + " " + noun + "s"
}

// word returns a name that came from elsewhere: as it is when it is a plain
// word, else quoted and escaped.
func word(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.:/@", r)
	})
	if plain && utf8.ValidString(s) {
		return clip(s)
	}
	return strconv.Quote(clip(s))
}

// sentence returns words that came from elsewhere: as they are when they are
// printable, else quoted and escaped.
func sentence(s string) string {
	s = clip(s)
	if s == "" {
		return "no reason given"
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	return strconv.Quote(s)
}

// maxText bounds what one field can add to a line, in octets: the length of
// the longest readable message.
const maxText = 256

// clip cuts s to maxText octets, at a character's edge, and marks the cut.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
