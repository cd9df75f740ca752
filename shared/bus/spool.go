package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tinytwamp/shared/events"
)

const (
	// segmentShare is the part of the outbox that a segment may take: what has to
	// make room goes by segments.
	segmentShare   = 16
	maxSegmentSize = 4 << 20
	maxSetAside    = 4 // segments that are kept for a person to look at
)

// spool is the outbox on disk: a folder of segments, of which the last is
// appended to. Its owner locks it.
type spool struct {
	dir         string
	lock        *os.File
	segmentSize int64
	create      func(path string) (file, error)

	segments []*segment // oldest first
	active   *segment   // the last of them; nil: the next append begins one
	number   uint64     // of the segment that was begun last
	bytes    int64      // of all segments
	buf      []byte     // for the record that is written
}

// openSpool takes over a folder with what an earlier process left in it.
// corrupt is how often there was something that could not be read.
func openSpool(dir string, limit int64, log *slog.Logger) (s *spool, corrupt int, err error) {
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, 0, err
	}
	s = &spool{dir: dir, lock: lock, segmentSize: min(max(limit/segmentShare, 1), maxSegmentSize), create: createFile}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	aside, err := filesIn(s.dir, corruptSuffix)
	if err != nil {
		return nil, 0, err
	}
	for _, path := range aside {
		number, _ := numberOf(path, corruptSuffix)
		s.number = max(s.number, number) // not to be used again
	}
	left, err := filesIn(s.dir, segmentSuffix)
	if err != nil {
		return nil, 0, err
	}
	for _, path := range left {
		n, err := s.open(path, log)
		if err != nil {
			return nil, 0, err
		}
		corrupt += n
	}
	if n := len(s.segments); n > 0 {
		s.resume(s.segments[n-1])
	}
	s.tidy(log)
	return s, corrupt, nil
}

func createFile(path string) (file, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// open takes over one segment.
func (s *spool) open(path string, log *slog.Logger) (corrupt int, err error) {
	number, ok := numberOf(path, segmentSuffix)
	if !ok {
		log.Warn("a file in the outbox is not of its making, left alone", "file", path)
		return 0, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	seg := &segment{path: path, f: f}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return 0, err
	}
	corrupt, torn, err := seg.scan(info.Size())
	if err != nil {
		corrupt++
		log.Error("a file of the outbox cannot be read to its end", "file", path, "err", err)
	}
	if torn {
		log.Info("the last write to a file of the outbox was cut short, its event was not accepted", "file", path, "offset", seg.size)
	}
	if corrupt > 0 {
		log.Error("a file of the outbox is damaged: what cannot be read is skipped, and the file is set aside once the rest is delivered", "file", path, "damages", corrupt)
	}
	s.segments = append(s.segments, seg)
	s.bytes += seg.size
	s.number = max(s.number, number)
	return corrupt, nil
}

// resume has the last segment appended to, unless that could hide what is wrong
// with it.
func (s *spool) resume(last *segment) {
	if !last.corrupt && last.f.Truncate(last.size) == nil {
		s.active = last
	}
}

// tidy removes segments in which all is done.
func (s *spool) tidy(log *slog.Logger) {
	for _, seg := range slices.Clone(s.segments) {
		if seg.empty() && seg != s.active {
			if err := s.remove(seg); err != nil {
				log.Warn("a delivered file of the outbox cannot be removed", "file", seg.path, "err", err)
			}
		}
	}
}

// append writes an event that fits. Once it returns without an error the event
// outlives the process.
func (s *spool) append(e events.Encoded, accepted time.Time, state byte) error {
	if s.lock == nil {
		return os.ErrClosed
	}
	s.buf = appendRecord(s.buf[:0], e, accepted, state)
	size := int64(len(s.buf))
	if s.active == nil || s.active.size > 0 && s.active.size+size > s.segmentSize {
		if err := s.begin(); err != nil {
			return err
		}
	}
	seg := s.active
	clean, err := seg.append(s.buf)
	if !clean {
		s.active = nil
	}
	if cap(s.buf) > 4*readAhead { // one large event is no reason to keep as much for ever
		s.buf = nil
	}
	if err != nil {
		return err
	}
	s.bytes += size
	if state != stateDone {
		seg.count(size, accepted)
	}
	return nil
}

// begin begins a segment.
func (s *spool) begin() error {
	path := filepath.Join(s.dir, fmt.Sprintf("%020d%s", s.number+1, segmentSuffix))
	f, err := s.create(path)
	if errors.Is(err, os.ErrExist) { // left by a try that failed half way
		s.number++
	}
	if err != nil {
		return err
	}
	s.number++
	last := s.active
	s.active = &segment{path: path, f: f, read: reader{src: f}}
	s.segments = append(s.segments, s.active)
	if last != nil && last.empty() {
		return s.remove(last)
	}
	return nil
}

// next reads the next event that nobody has. lost is how many could not be read
// on the way to it.
func (s *spool) next() (rec record, seg *segment, at int64, lost int, ok bool) {
	for _, seg := range slices.Clone(s.segments) {
		rec, at, n, ok := seg.next()
		lost += n
		if ok {
			return rec, seg, at, lost, true
		}
		if n > 0 {
			s.giveUp(seg)
		}
	}
	return record{}, nil, 0, lost, false
}

// giveUp ends the use of a segment that turned out to be damaged.
func (s *spool) giveUp(seg *segment) {
	if seg == s.active {
		s.active = nil
	}
	if seg.empty() {
		_ = s.remove(seg) // it is damaged: that has been said
	}
}

// finish marks a record as done, and removes its segment if it was the last.
func (s *spool) finish(seg *segment, at int64) error {
	err := seg.finish(at)
	if seg.empty() && seg != s.active {
		err = s.remove(seg) // and no mark is missed
	}
	return err
}

// remove takes a segment out, whatever is in it.
func (s *spool) remove(seg *segment) error {
	if seg == s.active {
		s.active = nil
	}
	seg.gone = true
	s.segments = slices.DeleteFunc(s.segments, func(other *segment) bool { return other == seg })
	s.bytes -= seg.size
	err := seg.remove()
	if err == nil && seg.corrupt {
		err = s.limitSetAside()
	}
	return err
}

// limitSetAside removes the oldest of the segments that were set aside.
func (s *spool) limitSetAside() error {
	paths, err := filesIn(s.dir, corruptSuffix)
	for ; len(paths) > maxSetAside; paths = paths[1:] {
		err = errors.Join(err, os.Remove(paths[0]))
	}
	return err
}

// forgotten returns a segment with records that are to be read again now.
func (s *spool) forgotten(now time.Time) *segment {
	for _, seg := range s.segments {
		if seg.forgotten > 0 && !now.Before(seg.notBefore) {
			return seg
		}
	}
	return nil
}

// waiting returns how many records are not in memory, their octets, and when the
// oldest of them was accepted.
func (s *spool) waiting() (n int, bytes int64, oldest time.Time) {
	for _, seg := range s.segments {
		if seg.unread+seg.forgotten > 0 && n == 0 {
			oldest = seg.oldest
		}
		n += seg.unread + seg.forgotten
		bytes += seg.unreadBytes + seg.forgottenBytes
	}
	return n, bytes, oldest
}

// close leaves the folder to others, without what is delivered.
func (s *spool) close() {
	for _, seg := range slices.Clone(s.segments) {
		if seg.empty() {
			_ = s.remove(seg) // if it stays, each of its records says that it is done
			continue
		}
		seg.f.Close()
	}
	s.segments, s.active = nil, nil
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
}
