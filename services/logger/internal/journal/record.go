package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"time"
)

// ErrLine is returned for a line that is not a record.
var ErrLine = errors.New("journal: line is not a record")

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

// Read returns the records of a file in the order in which they were written.
// What follows the last line break is not there yet: the file may be read
// while it grows. A line that is not a record comes as [ErrLine], and reading
// goes on behind it; any other error is the last.
func Read(path string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for line, err := range lines(path) {
			var r Record
			if err == nil {
				if err = json.Unmarshal(line, &r); err != nil {
					err = fmt.Errorf("%w: %s: %w", ErrLine, path, err)
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// lines returns the whole lines of a file. A line is valid until the next one.
func lines(path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(nil, fmt.Errorf("journal: %w", err))
			return
		}
		defer f.Close()
		r := bufio.NewReaderSize(f, 1<<20) // NATS' largest message, by default
		var long []byte                    // begin of a line that does not fit
		for {
			part, err := r.ReadSlice('\n')
			switch {
			case errors.Is(err, bufio.ErrBufferFull):
				long = append(long, part...)
				continue
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, fmt.Errorf("journal: %w", err))
				return
			}
			if len(long) > 0 {
				part = append(long, part...)
				long = long[:0]
			}
			if !yield(part, nil) {
				return
			}
		}
	}
}
