package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tinytwamp/services/logger/internal/folder"
)

// Append stores the entries that the journal does not hold yet, and tells which
// those are. When it returns without an error, all of them are on disk and
// synced, as if in one piece; after an error none of them is, and the call may
// be made again.
func (j *Journal) Append(batch []Entry) (stored []bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	stored, fresh, err := j.encode(batch)
	if err != nil || len(fresh) == 0 {
		return stored, err
	}
	now := time.Now()
	if err := j.prepare(now, fresh[0].Seq); err != nil {
		return nil, err
	}
	if err := j.write(); err != nil {
		return nil, err
	}
	for _, e := range fresh {
		j.known.add(e.Seq, e.Time, e.ID)
	}
	return stored, nil
}

// encode puts the lines of all entries that are new into j.buf.
func (j *Journal) encode(batch []Entry) (stored []bool, fresh []Entry, err error) {
	j.buf = j.buf[:0]
	stored = make([]bool, len(batch))
	within := newRecent() // the same twice in one batch
	for i, e := range batch {
		if j.known.has(e) || within.has(e) {
			continue
		}
		if j.buf, err = appendLine(j.buf, e.Record); err != nil {
			return nil, nil, err
		}
		within.add(e.Seq, e.Time, e.ID)
		stored[i] = true
		fresh = append(fresh, e)
	}
	return stored, fresh, nil
}

// prepare sees to it that j.out takes j.buf: that its file is whole, has room,
// and is not too old. A file that has to be begun is named for first.
func (j *Journal) prepare(now time.Time, first uint64) error {
	if j.tainted {
		if err := j.out.Truncate(j.files[len(j.files)-1].size); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		j.tainted = false
	}
	if err := j.removeOld(now, int64(len(j.buf))); err != nil {
		return err
	}
	if j.out != nil {
		last := j.files[len(j.files)-1]
		full := last.size > 0 && last.size+int64(len(j.buf)) > j.options.RotateSize
		if !full && now.Sub(last.begun) < j.options.RotateAge {
			return nil
		}
		out := j.out
		j.out = nil
		if err := out.Close(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return j.begin(now, first)
}

// begin begins a file.
func (j *Journal) begin(now time.Time, first uint64) error {
	begun := now.UTC().Truncate(time.Millisecond)
	if n := len(j.files); n > 0 && !begun.After(j.files[n-1].begun) {
		begun = j.files[n-1].begun.Add(time.Millisecond)
	}
	f := newFile(j.options.Dir, begun, first)
	out, err := j.create(f.path)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := folder.Sync(j.options.Dir); err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), out.Close(), os.Remove(f.path))
	}
	j.out = out
	j.files = append(j.files, f)
	j.scanned++
	return nil
}

// write writes j.buf to the last file for good. What a failure leaves of it is
// cut off now, or before the next try.
func (j *Journal) write() error {
	last := &j.files[len(j.files)-1]
	_, err := j.out.Write(j.buf)
	if err == nil {
		err = j.out.Sync()
	}
	if err != nil {
		j.tainted = j.out.Truncate(last.size) != nil
		return fmt.Errorf("journal: %w", err)
	}
	last.size += int64(len(j.buf))
	return nil
}

// Retain removes the files that are too old. Append sees to the size.
func (j *Journal) Retain() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.removeOld(time.Now(), 0)
}

// removeOld removes the files that have to go so that more octets can come.
func (j *Journal) removeOld(now time.Time, more int64) error {
	size := j.options.RetainSize
	if size > 0 {
		size = max(1, size-more) // 0 would be no bound
	}
	n := outdated(j.files, size, j.options.RetainAge, now)
	for _, f := range j.files[:n] {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: %w", err)
		}
		j.log.Info("removed an old file of the journal", "file", f.path, "size", f.size)
		j.files = j.files[1:]
		j.scanned = min(j.scanned, len(j.files))
	}
	return nil
}
