// Package journal keeps events on disk: one JSON record a line, in files that
// are rotated and in time removed. The files are also the memory of what was
// stored: a message that comes again is not written again.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"tinytwamp/services/logger/internal/folder"
)

// Options are where a journal is and how it grows. Sizes are in octets.
type Options struct {
	Dir        string        // made if it is not there
	RotateSize int64         // a file that would grow beyond it is ended
	RotateAge  time.Duration // a file that was begun so long ago is ended
	RetainSize int64         // of all files together; 0: no bound
	RetainAge  time.Duration // of the last record of a file; 0: no bound
}

// Stats is what a journal holds.
type Stats struct {
	Files int
	Bytes int64
}

// Journal is an open journal. One process at a time has it; others may read
// its files. It is safe for concurrent use.
type Journal struct {
	options Options
	log     *slog.Logger
	release func() error

	mu      sync.Mutex
	known   *recent
	scanned int     // how many of the last files known was read from, and those begun since
	files   []file  // oldest first
	out     handle  // writes to the last of files; nil: the next record begins a file
	tainted bool    // out may hold more than the size of its file says
	buf     []byte  // reused
	create  creator // opens a new file
}

// handle is what a journal needs of the file that it writes.
type handle interface {
	Write(b []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

type creator func(path string) (handle, error)

func createFile(path string) (handle, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o640)
}

// Open takes the folder for this process, repairs what a crash left, and reads
// the tail of the files. A folder that another process has is
// [folder.ErrTaken].
func Open(o Options, log *slog.Logger) (*Journal, error) {
	release, err := folder.Claim(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{options: o, log: log, release: release, create: createFile}
	if err := j.open(); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *Journal) open() error {
	files, err := listFiles(j.options.Dir)
	if err != nil {
		return err
	}
	j.files = files
	if err := j.reopen(); err != nil {
		return err
	}
	if err := j.removeOld(time.Now(), 0); err != nil {
		return err
	}
	return j.scan(tail(j.files, ^uint64(0), time.Time{}))
}

// reopen makes the last file whole and goes on writing to it.
func (j *Journal) reopen() error {
	if len(j.files) == 0 {
		return nil
	}
	last := &j.files[len(j.files)-1]
	size, err := repair(j.options.Dir, *last, j.log)
	if err != nil {
		return err
	}
	last.size = size
	if size == 0 { // begun, and then nothing: the next record gives the name
		if err := os.Remove(last.path); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		j.files = j.files[:len(j.files)-1]
		return nil
	}
	out, err := os.OpenFile(last.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.out = out
	return nil
}

// scan learns from files, which are the last ones, what they hold.
func (j *Journal) scan(files []file) error {
	j.known = newRecent()
	damaged := 0
	for _, f := range files {
		for line, err := range lines(f.path) {
			if err != nil {
				return err
			}
			var r struct {
				Seq   uint64
				Time  time.Time
				Event struct{ ID string }
			}
			if json.Unmarshal(line, &r) != nil {
				damaged++
				continue
			}
			j.known.add(r.Seq, r.Time, r.Event.ID)
		}
	}
	if damaged > 0 {
		j.log.Warn("some lines of the journal are no records, their events are lost", "lines", damaged, "dir", j.options.Dir)
	}
	j.scanned = len(files)
	return nil
}

// Resume tells from where on the stream may deliver messages again: above the
// sequence floor, from a stream that was made at created. The journal looks
// further back in its files if it has to.
func (j *Journal) Resume(floor uint64, created time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	files := tail(j.files, floor, created)
	if len(files) <= j.scanned {
		return nil
	}
	return j.scan(files)
}

// Stats returns what the journal holds now.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{Files: len(j.files)}
	for _, f := range j.files {
		s.Bytes += f.size
	}
	return s
}

// Close ends the journal. All that Append has stored is on disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var err error
	if j.out != nil {
		err = j.out.Close()
		j.out = nil
	}
	return errors.Join(err, j.release())
}
