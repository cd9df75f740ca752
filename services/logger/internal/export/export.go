// Package export prints the events of a journal, for those who would not know
// its files.
package export

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

// Formats of the output.
const (
	NDJSON = "ndjson" // each event as it came, a line each
	CSV    = "csv"    // reports only, see [Columns]
)

// clockMargin is how far the clock of whoever made an event may be ahead of the
// stream's.
const clockMargin = time.Hour

// Query says which events. Its zero value is all of them.
type Query struct {
	From, To time.Time // by the events' own time: From <= time < To; zero: no bound
	Types    []string  // none: all
	Name     string    // of the instance that made them; empty: all
	Target   string    // name or address of a report's target; empty: all
}

// Result is what was printed, and what was not.
type Result struct {
	Events  uint64
	Damaged uint64 // lines that are no records, or records that hold no event
	Fault   error  // one of these
	Unread  error  // why files could not be read, or not to their end
}

// Run prints the events of the journal in dir that q asks for, in the order in
// which they were written. It only reads, and may run beside the logger. An
// error is that of w, or of ctx.
func Run(ctx context.Context, dir string, q Query, format string, w io.Writer) (Result, error) {
	out := newWriter(format, w)
	var result Result
	since := q.From
	if !since.IsZero() {
		since = since.Add(-clockMargin)
	}
	for record, err := range journal.ReadAll(dir, since) {
		if ctx.Err() != nil {
			return result, errors.Join(context.Cause(ctx), out.flush())
		}
		var e events.Event
		var r *events.RTT
		wanted := false
		switch {
		case err == nil:
			e, r, wanted, err = q.match(record, format == CSV)
		case !errors.Is(err, journal.ErrLine):
			result.Unread = errors.Join(result.Unread, err)
			continue
		}
		switch {
		case err != nil:
			result.Damaged++
			result.Fault = err
		case wanted:
			if err := out.write(record, e, r); err != nil {
				return result, fmt.Errorf("export: %w", err)
			}
			result.Events++
		}
	}
	return result, out.flush()
}

// match tells whether a record is asked for. The report is only read when it is
// needed.
func (q Query) match(record journal.Record, needReport bool) (e events.Event, r *events.RTT, wanted bool, err error) {
	if e, err = events.Decode(record.Event); err != nil {
		return e, nil, false, fmt.Errorf("record %d: %w", record.Seq, err)
	}
	if !q.From.IsZero() && e.Time.Before(q.From) || !q.To.IsZero() && !e.Time.Before(q.To) ||
		len(q.Types) > 0 && !slices.Contains(q.Types, e.Type) || q.Name != "" && q.Name != e.Name() {
		return e, nil, false, nil
	}
	if q.Target == "" && !needReport {
		return e, nil, true, nil
	}
	if e.Type != events.TypeRTT {
		return e, nil, false, nil
	}
	if r, err = e.RTT(); err != nil {
		return e, nil, false, fmt.Errorf("record %d: %w", record.Seq, err)
	}
	t := r.Target
	return e, r, q.Target == "" || q.Target == t.Name || q.Target == t.Host || q.Target == t.Address.String() || q.Target == t.Address.Addr().String(), nil
}

// writer writes in one of the formats.
type writer struct {
	w   io.Writer
	csv *csv.Writer // nil: NDJSON
	row []string
}

func newWriter(format string, w io.Writer) *writer {
	out := &writer{w: w}
	if format == CSV {
		out.csv = csv.NewWriter(w)
		for _, c := range Columns {
			out.row = append(out.row, c.Name)
		}
		_ = out.csv.Write(out.row) // an error stays until the next, and until flush
	}
	return out
}

func (out *writer) write(record journal.Record, e events.Event, r *events.RTT) error {
	if out.csv == nil {
		_, err := out.w.Write(append(slices.Clip(record.Event), '\n'))
		return err
	}
	for i, c := range Columns {
		out.row[i] = c.value(e, r)
	}
	return out.csv.Write(out.row)
}

func (out *writer) flush() error {
	if out.csv == nil {
		return nil
	}
	out.csv.Flush()
	return out.csv.Error()
}
