package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Part is a file of the journal, for those who read it as it grows and go on
// later where they were. What is in it stays there, in its place, until the
// whole is removed.
type Part struct {
	Name string    // of the file, the same when it is compressed
	Last time.Time // when the stream stored its latest record
	Size int64     // octets of records that are on disk and synced; -1: all there are
	path string
}

// Parts returns the files, oldest first.
func (j *Journal) Parts() []Part {
	j.mu.Lock()
	defer j.mu.Unlock()
	parts := make([]Part, len(j.files))
	for i, f := range j.files {
		parts[i] = Part{Name: filepath.Base(f.path), Last: time.Unix(0, f.maxTime), Size: -1, path: f.data()}
		if i == len(j.files)-1 && j.ids != nil { // it has not ended
			parts[i].Size = f.size
		}
	}
	return parts
}

// Cursor reads the lines of a [Part].
type Cursor struct {
	r      *bufio.Reader
	file   io.Closer
	offset int64
}

// Open opens a part behind the first octets of it.
func (p Part) Open(offset int64) (*Cursor, error) {
	f, err := open(p.path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if seeker, ok := f.(io.Seeker); ok {
		_, err = seeker.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, f, offset)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %s: %w", p.path, err), f.Close())
	}
	from := io.Reader(f)
	if p.Size >= 0 { // what lies beyond may yet be cut off
		from = io.LimitReader(f, p.Size-offset)
	}
	return &Cursor{r: bufio.NewReaderSize(from, 1<<20), file: f, offset: offset}, nil
}

// Next returns a line, which is valid until the next one, and [io.EOF] behind
// the last. A line that is too long comes as [ErrLine]; reading goes on behind
// it.
func (c *Cursor) Next() ([]byte, error) {
	line, size, err := nextLine(c.r)
	if errors.Is(err, io.EOF) { // what follows the last line break is no record
		return nil, io.EOF
	}
	c.offset += int64(size)
	return line, err
}

// Offset is how many octets lie before the next line.
func (c *Cursor) Offset() int64 { return c.offset }

// Close closes the file.
func (c *Cursor) Close() error { return c.file.Close() }
