package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// ErrLine is returned for a line that is not a record.
var ErrLine = errors.New("journal: line is not a record")

var errNoEvent = errors.New("it has no event")

// Record is one line of a file: an event, and where the stream had it.
type Record struct {
	Seq     uint64          `json:"seq"`     // of the stream
	Time    time.Time       `json:"time"`    // when the stream stored it
	Subject string          `json:"subject"` // under which it was published
	Event   json.RawMessage `json:"event"`   // the CloudEvent as it came, valid JSON
}

// Entry is a record to be written, with what it takes to know it again.
type Entry struct {
	Record
	ID      string // of the event
	Retried bool   // the publisher has sent it before: the stream may hold it twice
}

// appendLine appends the record as a line.
func appendLine(b []byte, r Record) ([]byte, error) {
	subject, err := json.Marshal(r.Subject)
	if err != nil {
		return b, fmt.Errorf("journal: subject of message %d: %w", r.Seq, err)
	}
	line := append(b, `{"seq":`...)
	line = strconv.AppendUint(line, r.Seq, 10)
	line = append(line, `,"time":"`...)
	line = r.Time.UTC().AppendFormat(line, time.RFC3339Nano)
	line = append(line, `","subject":`...)
	line = append(line, subject...)
	line = append(line, `,"event":`...)
	if bytes.IndexByte(r.Event, '\n') < 0 {
		line = append(line, r.Event...)
	} else {
		buf := bytes.NewBuffer(line)
		if err := json.Compact(buf, r.Event); err != nil {
			return b, fmt.Errorf("journal: event of message %d: %w", r.Seq, err)
		}
		line = buf.Bytes()
	}
	return append(line, "}\n"...), nil
}

// maxLine bounds a line: it is above the largest message that a NATS server can
// be made to take, 64 MiB.
const maxLine = 80 << 20

// Read returns the records of a file, plain or compressed, in the order in which
// they were written. What follows the last line break is not there yet: the file
// may be read while it grows. A line that is not a record comes as [ErrLine],
// and reading goes on behind it; any other error is the last.
func Read(path string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for line, err := range lines(path) {
			var r Record
			if err == nil {
				if r, err = parseLine(line); err != nil {
					err = fmt.Errorf("%w: %s: %w", ErrLine, path, err)
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func parseLine(line []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return Record{}, err
	}
	if len(r.Event) == 0 {
		return Record{}, errNoEvent
	}
	return r, nil
}

// ReadAll returns the records of all files of a journal, as [Read] does, but for
// files all of whose records the stream stored before since. After an error it
// goes on with the next line or file. It takes no lock, and may run beside the
// logger that writes them; what that removes while it is read is passed over.
func ReadAll(dir string, since time.Time) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		files, err := listFiles(dir)
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, f := range files {
			if s, err := readSummary(f); err == nil && !since.IsZero() && s.maxTime < since.UnixNano() {
				continue
			}
			for r, err := range Read(f.data()) {
				if errors.Is(err, fs.ErrNotExist) {
					break
				}
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

// open opens a file to read it. One that was compressed since it was listed is
// read in that form.
func open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(path, compressed) {
		path += compressed
		f, err = os.Open(path)
	}
	if err != nil || !strings.HasSuffix(path, compressed) {
		return f, err
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return unzipped{z, f}, nil
}

// unzipped closes both.
type unzipped struct {
	*zstd.Decoder
	file io.Closer
}

func (u unzipped) Close() error {
	u.Decoder.Close()
	return u.file.Close()
}

// lines returns the whole lines of a file. A line is valid until the next one.
func lines(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := open(path)
		if err != nil {
			yield(nil, fmt.Errorf("journal: %w", err))
			return
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 1<<20) // NATS' largest message, by default
		for {
			line, _, err := nextLine(r)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil && !errors.Is(err, ErrLine) {
				err = fmt.Errorf("journal: %s: %w", path, err)
			}
			if !yield(line, err) || err != nil && !errors.Is(err, ErrLine) {
				return
			}
		}
	}
}

// nextLine reads a whole line, and tells its size. One that is too long is read
// over.
func nextLine(r *bufio.Reader) ([]byte, int, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, len(line), err
	}
	long, size := bytes.Clone(line), len(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.ReadSlice('\n')
		if size += len(line); size <= maxLine {
			long = append(long, line...)
		} else {
			long = nil
		}
	}
	if err == nil && size > maxLine {
		return nil, size, fmt.Errorf("%w: longer than %d octets", ErrLine, maxLine)
	}
	return long, size, err
}
