// Package tail holds the newest lines of the readable log, with what is known
// of where they come from, for those who look at them as they come.
package tail

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tinytwamp/shared/events"
)

// Size is how many lines are held.
const Size = 2000

// Line is a line of the readable log. Its texts are the event's: escape them.
type Line struct {
	Number   uint64 // counts lines from 1
	Time     time.Time
	Kind     string         // as events.Line has it; empty: unknown
	Service  string         // that made the event
	Instance string         // its name
	Prober   string         // of a result; empty: unknown
	Target   netip.AddrPort // of a report
	Ends     [2]netip.Addr  // of what a record tells
	Text     string         // printable
}

// Of tells whether the line may be of the path from a prober to an address. A
// record of the test log knows the addresses, but not the port that was asked.
func (l Line) Of(prober string, target netip.AddrPort) bool {
	switch {
	case l.Prober != "" && l.Prober != prober:
		return false
	case l.Target.IsValid():
		return l.Target == bare(target)
	}
	return slices.Contains(l.Ends[:], end(target))
}

// FromReport returns the lines of a report.
func FromReport(e events.Event, lines []events.Line, r *events.RTT) []Line {
	list := make([]Line, len(lines))
	for i, l := range lines {
		list[i] = line(e, l)
		list[i].Prober = r.Prober
		list[i].Target = bare(r.Target.Address)
	}
	return list
}

// FromEvent returns the lines of an event that is no report.
func FromEvent(e events.Event, lines []events.Line) []Line {
	var records []events.Record
	if e.Type == events.TypeLog {
		if l, err := e.Log(); err == nil {
			records = l.Records
		}
	}
	list := make([]Line, len(lines))
	for i, l := range lines {
		list[i] = line(e, l)
		if i >= len(records) { // of what was left out
			continue
		}
		r := records[i]
		list[i].Ends = [2]netip.Addr{end(r.Peer), end(r.Local)}
		if r.Result != nil {
			list[i].Prober = r.Result.Prober
		}
	}
	return list
}

func line(e events.Event, l events.Line) Line {
	service, _, _ := strings.Cut(strings.TrimPrefix(e.Source, "/"), "/")
	return Line{Time: l.Time, Kind: l.Kind, Service: service, Instance: e.Name(), Text: l.Text}
}

func bare(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(end(a), a.Port()) }

func end(a netip.AddrPort) netip.Addr { return a.Addr().Unmap().WithZone("") }

// Tail is the newest lines. A nil Tail takes lines and holds none. It is safe
// for concurrent use.
type Tail struct {
	mu      sync.Mutex
	ring    []Line
	count   uint64 // lines ever added
	waiting map[chan struct{}]bool
}

// New returns a tail without lines.
func New() *Tail { return &Tail{waiting: map[chan struct{}]bool{}} }

// Add adds lines, and tells those who wait for them.
func (t *Tail) Add(lines []Line) {
	if t == nil || len(lines) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range lines {
		t.count++
		l.Number = t.count
		if len(t.ring) < Size {
			t.ring = append(t.ring, l)
		} else {
			t.ring[(t.count-1)%Size] = l
		}
	}
	for ch := range t.waiting {
		select {
		case ch <- struct{}{}:
		default: // told already
		}
	}
}

// Newest returns at most limit of the lines that are wanted, the newest first.
func (t *Tail) Newest(limit int, wanted func(Line) bool) []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Line
	for i := t.count; i > t.count-uint64(len(t.ring)) && len(list) < limit; i-- {
		if l := t.ring[(i-1)%Size]; wanted(l) {
			list = append(list, l)
		}
	}
	return list
}

// Subscribe returns a channel that says when there are new lines, until cancel
// is called.
func (t *Tail) Subscribe() (news <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting[ch] = true
	return ch, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waiting, ch)
	}
}
