package journal

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
)

// parseAll returns the records that the reader finds in a file.
func parseAll(t *testing.T, file []byte) (records []Record) {
	t.Helper()
	for r := bufio.NewReaderSize(bytes.NewReader(file), 16); ; { // so small that most lines do not fit
		line, _, err := nextLine(r)
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		if record, err := parseLine(line); err == nil {
			records = append(records, record)
		}
	}
}

// Whatever a crash left in a file: it is read without a panic, what repair
// leaves has every record that could be read before, and what is written next
// is read as well.
func FuzzRepair(f *testing.F) {
	line := `{"seq":1,"time":"2025-03-29T14:09:01Z","subject":"twamp.v1.log.r1","event":{"id":"A-1"}}` + "\n"
	f.Add([]byte(line))
	f.Add([]byte(line + line[:40]))
	f.Add([]byte(line[:40] + "\n" + line))
	f.Add([]byte("\x00\x00\x00\n"))
	f.Add([]byte("null\n{}\n[1]\n\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		before := parseAll(t, file)
		whole, err := wholeSize(bytes.NewReader(file), int64(len(file)))
		if err != nil || whole < 0 || whole > int64(len(file)) {
			t.Fatal(whole, err)
		}
		if whole > 0 && file[whole-1] != '\n' {
			t.Fatalf("the next record would stand behind a torn one: %q", file[:whole])
		}
		after := parseAll(t, append(bytes.Clone(file[:whole]), line...))
		if len(after) != len(before)+1 {
			t.Fatalf("%d records before the repair, %d after it and one more: %q", len(before), len(after), file)
		}
	})
}

// A record is read as it was written.
func FuzzLine(f *testing.F) {
	f.Add(uint64(1), "twamp.v1.log.r1", []byte(`{"id":"A-1"}`))
	f.Add(uint64(1<<63), "a\n\"\xff\u2028", []byte("{\n\"id\": \"a\\n\"}"))
	f.Fuzz(func(t *testing.T, seq uint64, subject string, event []byte) {
		line, err := appendLine(nil, Record{Seq: seq, Subject: subject, Event: event})
		if err != nil {
			return
		}
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Fatalf("not one line: %q", line)
		}
		if r, err := parseLine(line); err == nil && r.Seq != seq {
			t.Fatalf("sequence %d, want %d", r.Seq, seq)
		}
	})
}
