package logger

import (
	"fmt"
	"strings"

	"tinytwamp/services/logger/internal/peek"
	"tinytwamp/services/logger/internal/tail"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
)

// cause is why a message is poison, as its counter's label.
type cause string

const (
	malformed  cause = "malformed"  // no CloudEvent
	misplaced  cause = "misplaced"  // of another type than its subject's, or on a subject of no form that we know
	forged     cause = "forged"     // of another source than its subject's
	unreadable cause = "unreadable" // its data is not that of its type
)

// poison is what is wrong with a message that cannot be kept as an event.
type poison struct {
	cause  cause
	reason string
}

// check reads a message and holds it to the contract. The name in the subject
// is what the server lets a user publish under, so an event is believed to come
// from no other.
func (l *Logger) check(d bus.Delivery) checked {
	if l.Paths == nil { // whose metrics need more of a report than its lines do
		if c, ok := l.checkReport(d); ok {
			return c
		}
	}
	refuse := func(c cause, reason string) checked { return checked{Delivery: d, poison: &poison{c, reason}} }
	e, err := events.Decode(d.Body)
	if err != nil {
		return refuse(malformed, err.Error())
	}
	name, ok := events.SubjectName(d.Subject)
	if !ok || !isOf(d.Subject, e.Type) {
		return refuse(misplaced, fmt.Sprintf("an event of type %.100q does not belong on this subject", e.Type))
	}
	if e.Name() != name {
		return refuse(forged, fmt.Sprintf("source %.100q is not the %s of the subject", e.Source, name))
	}
	if e.Type == events.TypeRTT {
		r, err := e.RTT()
		if err != nil {
			return refuse(unreadable, err.Error())
		}
		lines := r.Lines(e.Time)
		return checked{Delivery: d, id: e.ID, lines: lines, seen: l.seenReport(e, lines, r), report: l.Paths.Read(name, r)}
	}
	lines := e.Lines()
	if len(lines) == 0 {
		if err := readData(e); err != nil {
			return refuse(unreadable, err.Error())
		}
	}
	c := checked{Delivery: d, id: e.ID, lines: lines}
	if l.Tail != nil {
		c.seen = tail.FromEvent(e, lines)
	}
	return c
}

// seenReport returns the lines of a report for the page.
func (l *Logger) seenReport(e events.Event, lines []events.Line, r *events.RTT) []tail.Line {
	if l.Tail == nil {
		return nil
	}
	return tail.FromReport(e, lines, r)
}

// checkReport is check for reports as our own probers write them, which are
// nearly all there is, and long. It is false for what needs a closer look.
func (l *Logger) checkReport(d bus.Delivery) (checked, bool) {
	if !strings.HasPrefix(d.Subject, events.TypeRTT+".") {
		return checked{}, false
	}
	e, r, ok := peek.Report(d.Body)
	if !ok {
		return checked{}, false
	}
	name, ok := events.SubjectName(d.Subject)
	if !ok || e.Name() != name {
		return checked{}, false
	}
	lines := r.Lines(e.Time)
	return checked{Delivery: d, id: e.ID, lines: lines, seen: l.seenReport(e, lines, r)}, true
}

// isOf tells whether a type is that of a subject, and not a part of it.
func isOf(subject, eventType string) bool {
	switch eventType {
	case events.TypeRTT, events.TypeLog, events.TypeDeadLetter:
		return strings.HasPrefix(subject, eventType+".")
	}
	return false
}

func readData(e events.Event) (err error) {
	switch e.Type {
	case events.TypeLog:
		_, err = e.Log()
	case events.TypeDeadLetter:
		_, err = e.DeadLetter()
	}
	return err
}
