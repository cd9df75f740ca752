package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// acknowledged is what the stream does not deliver again.
type acknowledged struct {
	known   bool
	floor   uint64    // up to this sequence
	created time.Time // of the stream; what an earlier one of its name held is over
}

// holds tells whether a file has records that the stream may deliver again: it
// is not removed, however old it is.
func (a acknowledged) holds(f file) bool {
	return !a.known || f.maxSeq > a.floor && f.maxTime >= a.created.UnixNano()
}

// Acknowledged tells that the stream has everything up to the sequence floor
// acknowledged. Only then may files be removed that hold it.
func (j *Journal) Acknowledged(floor uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked.floor = floor
}

// Retain removes the files that are too old or too many, as Append does, too,
// and mends what others have done to them.
func (j *Journal) Retain() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(j.mend(), j.removeOld(time.Now(), 0))
}

// removeOld removes the files that have to go so that more octets can come.
func (j *Journal) removeOld(now time.Time, more int64) error {
	for range j.outdated(now, more) {
		f := j.files[0]
		if err := removeFile(f); err != nil {
			return err
		}
		j.log.Info("removed an old file of the journal", "file", f.data(), "size", f.size)
		j.files = j.files[1:]
	}
	return nil
}

// removeFile removes the records first: an index without them is swept away by
// the next [Open].
func removeFile(f file) error {
	for _, path := range []string{f.path, f.path + compressed, f.path + indexed} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return nil
}

// outdated returns how many files, from the oldest on, are to go so that the
// rest is neither larger than -retain-size nor older than -retain-age. The last
// file always stays, and what the stream may deliver again. A file is as old as
// its last record, which came before the file behind it was begun.
func (j *Journal) outdated(now time.Time, more int64) int {
	total := more
	for _, f := range j.files {
		total += f.room()
	}
	n := 0
	for ; n < len(j.files)-1; n++ {
		tooLarge := j.options.RetainSize > 0 && total > j.options.RetainSize
		tooOld := j.options.RetainAge > 0 && now.Sub(j.files[n+1].begun) > j.options.RetainAge
		if !tooLarge && !tooOld || j.acked.holds(j.files[n]) {
			break
		}
		total -= j.files[n].room()
	}
	return n
}
