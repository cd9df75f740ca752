package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"tinytwamp/services/logger/internal/journal"
)

const (
	minPause   = 2 * time.Second // between two batches
	maxPause   = 10 * time.Second
	writePause = 10 * time.Millisecond // for each bucket written: a large fleet's disk has more to do
	retryWait  = 5 * time.Second       // after a failure
	sweepEvery = time.Minute
)

// wholeRead is the progress of a part that has ended and has been read.
const wholeRead = -1

// Run brings the history up to date with the journal until ctx ends. What goes
// wrong shows in the log and in the metrics, and is tried again.
func (s *Store) Run(ctx context.Context) error {
	defer s.closeCursor()
	said := ""
	for ctx.Err() == nil {
		more, written, err := s.step(ctx)
		wait := min(max(time.Duration(written)*writePause, minPause), maxPause)
		switch {
		case err == nil && more:
			said = ""
			continue
		case err == nil:
			said = ""
		default:
			s.metrics.failures.Inc()
			wait = retryWait
			if err.Error() != said {
				said = err.Error()
				s.log.Error("cannot bring the history of paths up to date, trying again", "err", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// step reads a batch and commits it. It tells whether there is more to be read
// already, and how many buckets it has written.
func (s *Store) step(ctx context.Context) (more bool, written int, err error) {
	now := time.Now()
	parts := s.journal.Parts()
	b := newBatch(s, now)
	for name := range s.progress {
		b.gone[name] = true
	}
	for _, p := range parts {
		delete(b.gone, p.Name)
	}
	behind := s.behind(parts, b)
	s.metrics.behind.Set(float64(len(behind)))
	unread := ended(behind)
	if len(behind) > 0 {
		part := behind[0]
		if part.Name == s.turn && len(behind) > 1 { // the present comes first, but not alone
			part = behind[1]
		}
		s.turn = part.Name
		if more, err = s.read(ctx, part, b); err != nil {
			return false, 0, err
		}
		if !more && part.Size < 0 {
			unread--
		}
		more = more || len(behind) > 1
	}
	if b.empty() && now.Sub(s.swept) < sweepEvery {
		s.unread.Store(unread)
		return more, 0, nil
	}
	if err := s.commit(b); err != nil {
		return false, 0, err
	}
	s.unread.Store(unread)
	return more, len(b.points), nil
}

// behind are the parts that have more to be read, the latest first. Those that
// are older than the history are done with.
func (s *Store) behind(parts []journal.Part, b *batch) []journal.Part {
	var list []journal.Part
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		done := s.progress[p.Name]
		switch {
		case done == wholeRead, p.Size >= 0 && done >= p.Size:
		case p.Size < 0 && b.now.Sub(p.Last) > s.keep:
			b.progress[p.Name] = wholeRead
		default:
			list = append(list, p)
		}
	}
	return list
}

// ended counts the parts that nothing more is written to.
func ended(parts []journal.Part) (n int64) {
	for _, p := range parts {
		if p.Size < 0 {
			n++
		}
	}
	return n
}

// read reads lines of a part into a batch until that is full, which it tells.
func (s *Store) read(ctx context.Context, part journal.Part, b *batch) (full bool, err error) {
	from := s.progress[part.Name]
	cursor, err := s.open(part, from)
	if errors.Is(err, fs.ErrNotExist) { // removed since it was listed
		b.progress[part.Name] = wholeRead
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("history: %w", err)
	}
	full, err = b.fill(ctx, cursor)
	if err != nil && part.Size >= 0 { // it grows: nothing of it is given up
		cursor.Close()
		return false, err
	}
	b.progress[part.Name] = cursor.Offset()
	if err != nil {
		s.log.Warn("a file of events cannot be read to its end: the history of paths lacks the rest", "file", part.Name, "err", err)
		b.left[leftUnreadable]++
	}
	if part.Size < 0 && full { // to go on in a compressed file takes reading what comes before
		s.cursor, s.reading = cursor, part.Name
		return true, nil
	}
	if part.Size < 0 {
		b.progress[part.Name] = wholeRead
	}
	cursor.Close()
	return full, nil
}

// open opens a part, or takes up the cursor that was left there.
func (s *Store) open(part journal.Part, from int64) (*journal.Cursor, error) {
	if part.Size >= 0 {
		return part.Open(min(from, part.Size))
	}
	cursor, name := s.cursor, s.reading
	s.cursor = nil
	if cursor != nil {
		if name == part.Name && cursor.Offset() == from {
			return cursor, nil
		}
		cursor.Close()
	}
	return part.Open(from)
}

func (s *Store) closeCursor() {
	if s.cursor != nil {
		s.cursor.Close()
		s.cursor = nil
	}
}
