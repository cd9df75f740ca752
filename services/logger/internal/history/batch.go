package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

// Bounds on a batch, which is in memory until it is committed.
const (
	maxReports    = 2000
	maxOctets     = 32 << 20 // of lines
	maxBatchCells = 1 << 18
)

// batch is what has been read of the journal, to be committed as a whole.
type batch struct {
	store    *Store
	now      time.Time
	progress map[string]int64 // in parts
	gone     map[string]bool  // parts that are not there any more
	points   map[key]*bucket
	paths    map[pathID]*change
	fresh    int // of these: paths that the store does not have
	reports  int
	cells    int
	left     map[string]int // out, by reason
}

// change is what a batch does to a path.
type change struct {
	Path
	known  bool    // what is known of it has changed
	latest *bucket // its last report; nil: none is later than before
}

func newBatch(s *Store, now time.Time) *batch {
	return &batch{
		store: s, now: now,
		progress: make(map[string]int64), gone: make(map[string]bool),
		points: make(map[key]*bucket), paths: make(map[pathID]*change), left: make(map[string]int),
	}
}

func (b *batch) empty() bool { return len(b.progress) == 0 && len(b.gone) == 0 }

// fill reads lines until the batch is full, which it tells, or ctx ends, or the
// lines do. Its error is that of the file.
func (b *batch) fill(ctx context.Context, lines *journal.Cursor) (full bool, err error) {
	from := lines.Offset()
	for ctx.Err() == nil && b.reports < maxReports && b.cells < maxBatchCells && lines.Offset()-from < maxOctets {
		line, err := lines.Next()
		switch {
		case err == nil:
			b.line(line)
		case errors.Is(err, journal.ErrLine):
			b.left[leftUnreadable]++
		case errors.Is(err, io.EOF):
			return false, nil
		default:
			return false, err
		}
	}
	return true, nil
}

// head is more than comes before the end of the subject's type in a line of the
// journal. What is no report need not be parsed.
const head = 256

// line takes a line of the journal.
func (b *batch) line(line []byte) {
	if !bytes.Contains(line[:min(head, len(line))], []byte(events.TypeRTT)) {
		return
	}
	var record struct {
		Time    time.Time
		Subject string
		Event   struct{ Data *events.RTT }
	}
	err := json.Unmarshal(line, &record)
	if err == nil && !strings.HasPrefix(record.Subject, events.TypeRTT+".") {
		return
	}
	prober, ok := events.SubjectName(record.Subject)
	if err != nil || !ok || record.Event.Data == nil {
		b.left[leftUnreadable]++
		return
	}
	if len(record.Event.Data.Session.Paths) > 0 { // the sum of others, which come as well
		return
	}
	a, left := read(prober, record.Event.Data, record.Time)
	if left == "" {
		b.left[leftUnreadable] += a.torn
		left = b.add(a)
	}
	if left != "" {
		b.left[left]++
	}
}

// add takes a report into all tiers that hold its time, or tells why not.
func (b *batch) add(a arrival) (left string) {
	age := b.now.Sub(a.middle)
	if age > b.store.keep {
		return leftPast
	}
	c := b.change(a.id, a.path)
	if c == nil {
		return leftLimit
	}
	c.update(&a)
	b.reports++
	for i := range a.sums.delays {
		b.cells += len(a.sums.delays[i].cells)
	}
	for i, t := range b.store.tiers {
		if age > t.keep {
			continue
		}
		k := key{uint8(i), t.index(a.middle), a.id}
		if b.points[k] == nil {
			b.points[k] = new(bucket)
		}
		b.points[k].merge(&a.sums)
	}
	return ""
}

// change returns the change of a path; nil: there is no room for it.
func (b *batch) change(id pathID, p Path) *change {
	if c := b.paths[id]; c != nil {
		return c
	}
	s := b.store
	c := &change{Path: p, known: true}
	if old := s.paths[id]; old != nil { // only Run changes it, and waits for this
		c = &change{Path: old.Path}
	} else if len(s.paths)+b.fresh >= s.limit {
		return nil
	} else {
		b.fresh++
		c.Last, c.Every = time.Time{}, 0
	}
	b.paths[id] = c
	return c
}

// update takes a report into account.
func (c *change) update(a *arrival) {
	start, p := a.path.First, &a.path
	if start.Before(c.First) {
		c.First, c.known = start, true
	}
	if p.Last.Before(c.Last) {
		return // it comes late
	}
	if c.Mode != p.Mode || c.Interval != p.Interval || !maps.Equal(c.Labels, p.Labels) {
		c.Mode, c.Interval, c.Labels, c.known = p.Mode, p.Interval, p.Labels, true
	}
	switch between := start.Sub(c.Latest.Start); {
	case p.Every > 0:
		c.Every = p.Every
	case a.run && c.latestKnown() && between >= p.Last.Sub(start):
		c.Every = between
	}
	c.Last = p.Last
	c.Latest = a.sums.point(start, p.Last)
	c.latest = &a.sums
}

func (c *change) latestKnown() bool { return c.Latest.Reports > 0 }
