package journal

import (
	"errors"
	"fmt"
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
	hashes := make([]uint64, len(batch))
	for i, e := range batch {
		hashes[i] = hash(e.ID)
	}
	known, err := j.known(batch, hashes)
	if err != nil {
		return nil, err
	}
	stored, ids, err := j.encode(batch, hashes, known)
	if err != nil || len(ids) == 0 {
		return stored, err
	}
	now := time.Now()
	if err := j.prepare(now, batch[first(stored)].Seq); err != nil {
		return nil, err
	}
	if err := j.write(); err != nil {
		return nil, err
	}
	if j.synced != nil {
		j.synced(time.Since(now))
	}
	last := &j.files[len(j.files)-1]
	for i, e := range batch {
		if stored[i] {
			last.add(e.Seq, e.Time)
		}
		j.highest = max(j.highest, e.Seq)
	}
	for id := range ids {
		j.ids[id] = struct{}{}
	}
	return stored, nil
}

func first(stored []bool) int {
	for i, s := range stored {
		if s {
			return i
		}
	}
	return 0
}

// known returns the hashes of those events of a batch that may have come before
// and are in ended files. A message above the highest sequence was never here,
// and unless its publisher has tried before, neither was its event.
func (j *Journal) known(batch []Entry, hashes []uint64) (map[uint64]struct{}, error) {
	found := make(map[uint64]struct{})
	var retried, again []uint64
	from := ^uint64(0) // the lowest sequence of those that the stream delivers late, or again
	for i, e := range batch {
		switch {
		case e.Retried:
			retried = append(retried, hashes[i])
		case e.Seq <= j.highest:
			again = append(again, hashes[i])
			from = min(from, e.Seq)
		}
	}
	ended := j.files
	if j.ids != nil {
		ended = ended[:len(ended)-1]
	}
	for i := len(ended) - 1; i >= 0 && len(retried)+len(again) > 0; i-- {
		f, ask := ended[i], retried
		if len(again) > 0 && from <= f.maxSeq { // also behind its own place: the event's next try may have come before
			ask = append(ask[:len(ask):len(ask)], again...)
		}
		if len(ask) == 0 {
			continue
		}
		if err := f.holds(ask, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// encode puts the lines of all entries that are new into j.buf, and returns the
// hashes of their ids.
func (j *Journal) encode(batch []Entry, hashes []uint64, known map[uint64]struct{}) (stored []bool, ids map[uint64]struct{}, err error) {
	j.buf = j.buf[:0]
	stored = make([]bool, len(batch))
	ids = make(map[uint64]struct{}, len(batch))
	highest := j.highest
	for i, e := range batch {
		id := hashes[i]
		if e.Retried || e.Seq <= highest {
			_, before := known[id]
			_, last := j.ids[id]
			_, within := ids[id]
			if before || last || within {
				continue
			}
		}
		if j.buf, err = appendLine(j.buf, e.Record); err != nil {
			return nil, nil, err
		}
		highest = max(highest, e.Seq)
		stored[i] = true
		ids[id] = struct{}{}
	}
	return stored, ids, nil
}

// prepare sees to it that j.out takes j.buf: that its file is whole, has room,
// and is not too old. A file that has to be begun is named for first.
func (j *Journal) prepare(now time.Time, first uint64) error {
	if err := j.clean(); err != nil {
		return err
	}
	if err := j.removeOld(now, int64(len(j.buf))); err != nil {
		return err
	}
	if j.out != nil && !j.isDue(now) {
		return nil
	}
	if err := j.end(); err != nil {
		return err
	}
	return j.begin(now, first)
}

// clean cuts off what a failed write left, if that could not be done at once.
func (j *Journal) clean() error {
	if !j.tainted {
		return nil
	}
	if err := j.out.Truncate(j.files[len(j.files)-1].size); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.tainted = false
	return nil
}

// isDue tells whether the last file is to be ended before j.buf is written.
func (j *Journal) isDue(now time.Time) bool {
	o, last := j.options, j.files[len(j.files)-1]
	return o.RotateSize > 0 && last.size > 0 && last.size+int64(len(j.buf)) > o.RotateSize ||
		o.RotateAge > 0 && now.Sub(last.begun) >= o.RotateAge ||
		last.records >= maxRecords
}

// end ends the last file, and writes its index. It may be called again after an
// error.
func (j *Journal) end() error {
	if err := j.clean(); err != nil {
		return err
	}
	if j.out != nil {
		out := j.out
		j.out = nil
		if err := out.Close(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if j.ids == nil {
		return nil
	}
	last := &j.files[len(j.files)-1]
	if err := writeIndex(*last, j.ids); err != nil {
		return err
	}
	last.records = uint64(len(j.ids))
	j.ids = nil
	return nil
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
	j.ids = make(map[uint64]struct{})
	j.files = append(j.files, f)
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
