package bus

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"tinytwamp/shared/events"
)

const (
	segmentSuffix = ".events"
	corruptSuffix = ".corrupt" // of a segment that was set aside
)

// file is what a segment needs of an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// segment is one file of the outbox. A record is appended once, read once, and
// marked once as done; a file in which all are done is removed.
type segment struct {
	path string
	f    file
	size int64  // octets of whole records
	old  int64  // records before this offset are of an earlier process, which may have tried them
	read reader // of what has not been read yet

	unread         int // records to be read and not done
	unreadBytes    int64
	loaded         int // records that were read, are not done, and are in memory
	forgotten      int // records that were read, are not done, and are to be read again
	forgottenBytes int64
	notBefore      time.Time // when that is
	pass           int       // how often that was done
	gone           bool      // the file is no longer the outbox's
	oldest         time.Time // when the first of unread and forgotten was accepted, or before
	corrupt        bool      // something in it could not be read
}

// scan reads a segment of an earlier process and counts what is in it. torn is
// whether its end is that of a write that was cut short.
func (s *segment) scan(size int64) (corrupt int, torn bool, err error) {
	defer func() { s.read, s.old, s.corrupt = reader{src: s.f, end: s.size}, s.size, corrupt > 0 || err != nil }()
	s.size = size
	r := reader{src: s.f, end: size}
	for {
		rec, at, err := r.next()
		switch {
		case err == nil:
			if rec.state != stateDone {
				s.count(rec.size, rec.accepted)
			}
		case errors.Is(err, io.EOF):
			return corrupt, torn, nil
		case errors.Is(err, errCorrupt):
			corrupt++
		case errors.Is(err, errTorn):
			torn, s.size = true, at
		default:
			s.size = at
			return corrupt, torn, err
		}
	}
}

func (s *segment) count(size int64, accepted time.Time) {
	if s.unread+s.forgotten == 0 {
		s.oldest = accepted
	}
	s.unread++
	s.unreadBytes += size
}

// append writes a record, whole or not at all. After an error that leaves a part
// of it there, clean is false: nothing more may be appended.
func (s *segment) append(b []byte) (clean bool, err error) {
	if _, err := s.f.WriteAt(b, s.size); err != nil {
		// Whatever the count says: os.File leaves out what the call that failed has
		// written, which is a part of the record on a disk that fills up.
		return s.f.Truncate(s.size) == nil, err
	}
	s.size += int64(len(b))
	s.read.end = s.size
	return true, nil
}

// next reads the next record that is not done. Once it is false unread is 0, and
// lost is how many records could not be read.
func (s *segment) next() (rec record, at int64, lost int, ok bool) {
	for s.unread > 0 {
		rec, at, err := s.read.next()
		switch {
		case err == nil && rec.state != stateDone:
			s.unread--
			s.unreadBytes = max(s.unreadBytes-rec.size, 0)
			if s.forgotten == 0 {
				s.oldest = rec.accepted // those that follow are not older
			}
			s.loaded++
			return rec, at, 0, true
		case err != nil && !errors.Is(err, errCorrupt): // the end came too early, or there is no reading on
			lost, s.unread, s.unreadBytes = s.unread, 0, 0
			s.corrupt = true
			s.read.off = s.size
		}
	}
	return record{}, 0, lost, false
}

// forget takes note of a record that is no longer in memory.
func (s *segment) forget(size int64) {
	s.forgotten++
	s.forgottenBytes += size
}

// rewind has all that is not done read again. Nothing of it is in memory.
func (s *segment) rewind() {
	s.pass++
	s.read.off, s.read.buf, s.old = 0, nil, s.size
	s.unread, s.forgotten = s.unread+s.forgotten, 0
	s.unreadBytes, s.forgottenBytes = s.unreadBytes+s.forgottenBytes, 0
}

// load reads a record once more.
func (s *segment) load(at, size int64) (events.Encoded, error) {
	b := make([]byte, size)
	if _, err := s.f.ReadAt(b, at); err != nil {
		return events.Encoded{}, err
	}
	rec, ok := parseRecord(b)
	if !ok {
		return events.Encoded{}, errCorrupt
	}
	return rec.event, nil
}

var done = []byte{stateDone}

// finish marks a record as done.
func (s *segment) finish(at int64) error {
	_, err := s.f.WriteAt(done, at+stateOffset)
	return err
}

// empty tells whether all records are done.
func (s *segment) empty() bool { return s.unread == 0 && s.loaded == 0 && s.forgotten == 0 }

// remove closes the file and takes it away: for good, or aside if there is
// something in it that could not be read, for a person to look at.
func (s *segment) remove() error {
	s.f.Close()
	if s.corrupt {
		return os.Rename(s.path, strings.TrimSuffix(s.path, segmentSuffix)+corruptSuffix)
	}
	return os.Remove(s.path)
}
