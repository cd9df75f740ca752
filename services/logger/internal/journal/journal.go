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

// Options are where a journal is and how it grows. Sizes are in octets; 0 is no
// bound, and never for an age.
type Options struct {
	Dir         string        // made if it is not there
	RotateSize  int64         // a file that would grow beyond it is ended
	RotateAge   time.Duration // a file that was begun so long ago is ended
	CompressAge time.Duration // a file that was ended so long ago is compressed
	RetainSize  int64         // of all files together, as they are on the disk
	RetainAge   time.Duration // of the last record of a file
}

// maxRecords bounds a file, since the ids of the last one are in memory: some
// 40 octets for each.
const maxRecords = 1 << 20

// Stats is what a journal holds.
type Stats struct {
	Files      int
	Compressed int   // of these
	Bytes      int64 // on the disk, with the indexes
}

// Journal is an open journal. One process at a time has it; others may read
// its files. It is safe for concurrent use.
type Journal struct {
	options Options
	log     *slog.Logger
	release func() error
	create  creator                  // opens a new file
	synced  func(took time.Duration) // see [Journal.OnSync]

	mu      sync.Mutex
	files   []file              // oldest first
	out     handle              // writes to the last of files; nil: the next record begins one
	ids     map[uint64]struct{} // of the last of files, while it has no index; nil: it has
	highest uint64              // sequence in the files: a message above it was never here
	acked   acknowledged
	tainted bool   // out may hold more than the size of its file says
	buf     []byte // reused
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
	if err := sweep(j.options.Dir, files); err != nil {
		return err
	}
	j.files = files
	if err := j.reopen(); err != nil {
		return err
	}
	for i := range j.files {
		f := &j.files[i]
		if i == len(j.files)-1 && j.ids != nil {
			break
		}
		if f.summary, err = readSummary(*f); err != nil {
			if err := j.reindex(f); err != nil {
				return err
			}
		}
	}
	for _, f := range j.files {
		j.highest = max(j.highest, f.maxSeq)
	}
	return nil
}

// reopen makes the last file whole and goes on writing to it, unless it was
// ended.
func (j *Journal) reopen() error {
	if len(j.files) == 0 {
		return nil
	}
	last := &j.files[len(j.files)-1]
	if _, err := readSummary(*last); err == nil || last.zipped {
		return nil
	}
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
	if last.summary, j.ids, err = j.scan(*last); err != nil {
		return err
	}
	out, err := os.OpenFile(last.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.out = out
	return nil
}

// scan reads what an index would tell of a file.
func (j *Journal) scan(f file) (s summary, ids map[uint64]struct{}, err error) {
	ids = make(map[uint64]struct{})
	damaged := 0
	for line, err := range lines(f.data()) {
		if err != nil && !errors.Is(err, ErrLine) {
			return summary{}, nil, err
		}
		var r struct {
			Seq   uint64
			Time  time.Time
			Event struct{ ID string }
		}
		if err != nil || json.Unmarshal(line, &r) != nil {
			damaged++
			continue
		}
		s.add(r.Seq, r.Time)
		ids[hash(r.Event.ID)] = struct{}{}
	}
	if damaged > 0 {
		j.log.Warn("some lines of the journal are no records, their events are lost", "lines", damaged, "file", f.data())
	}
	return s, ids, nil
}

// reindex writes the index of an ended file that lost it.
func (j *Journal) reindex(f *file) error {
	s, ids, err := j.scan(*f)
	if err != nil {
		return err
	}
	f.summary = s
	f.records = uint64(len(ids))
	return writeIndex(*f, ids)
}

// Resume tells where the stream stands that was made at created: it may deliver
// everything above the sequence floor again. A stream that was made anew counts
// from 1: it gets a file of its own, or the higher sequences of the one before
// would keep that for ever.
func (j *Journal) Resume(floor uint64, created time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked = acknowledged{known: true, floor: floor, created: created}
	j.highest = 0
	for _, f := range j.files {
		if f.maxTime >= created.Add(-clockMargin).UnixNano() {
			j.highest = max(j.highest, f.maxSeq)
		}
	}
	if n := len(j.files); n == 0 || j.files[n-1].minTime >= created.UnixNano() {
		return nil
	}
	j.log.Info("the stream was made anew: its sequences begin again", "created", created)
	return j.end()
}

// clockMargin is how far the clocks of two NATS servers may be apart. Sequences of
// records that are older than the stream by less pass for its own: it only takes
// longer then to see that its messages are new.
const clockMargin = time.Hour

// OnSync has f told how long each batch took to be written and synced. It is
// called before the first Append.
func (j *Journal) OnSync(f func(took time.Duration)) { j.synced = f }

// Stats returns what the journal holds now.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{Files: len(j.files)}
	for _, f := range j.files {
		s.Bytes += f.room()
		if f.zipped {
			s.Compressed++
		}
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
