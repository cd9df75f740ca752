//go:build e2e

package e2e

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// record is a line of the logger's files.
type record struct {
	Seq     uint64
	Time    time.Time
	Subject string
	Event   json.RawMessage
	event   events.Event // Event, decoded
}

// readRecords reads one of the logger's files. A last line that is not whole
// is still being written.
func readRecords(t *testing.T, file io.Reader) []record {
	t.Helper()
	var records []record
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("not a record: %q: %v", line, err)
		}
		if r.event, err = events.Decode(r.Event); err != nil {
			t.Fatalf("not an event: %q: %v", line, err)
		}
		records = append(records, r)
	}
}

// readArchive reads the logger's files out of a tar archive.
func readArchive(t *testing.T, archive io.Reader) []record {
	t.Helper()
	var records []record
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		if path.Ext(header.Name) == ".ndjson" {
			records = append(records, readRecords(t, files)...)
		}
	}
}

// wantOnce: no event is there twice.
func wantOnce(t *testing.T, records []record) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range records {
		if seen[r.event.ID] {
			t.Errorf("event %s is kept twice", r.event.ID)
		}
		seen[r.event.ID] = true
	}
}

// wantAll: no event is missing. Each process numbers its own from 1, and the
// number stands at the end of the id.
func wantAll(t *testing.T, records []record) {
	t.Helper()
	numbers := map[string][]int{} // by process
	for _, r := range records {
		process, number, _ := strings.Cut(r.event.ID, "-")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("id %q has no number", r.event.ID)
		}
		numbers[process] = append(numbers[process], n)
	}
	for process, have := range numbers {
		slices.Sort(have)
		for i, n := range have {
			if n != i+1 {
				t.Errorf("process %s: event %d is missing, there are %d of up to %d", process, i+1, len(have), have[len(have)-1])
				break
			}
		}
	}
}

// reports returns the reports among the records.
func reports(t *testing.T, records []record) []*events.RTT {
	t.Helper()
	var list []*events.RTT
	for _, r := range records {
		if r.event.Type != events.TypeRTT {
			continue
		}
		report, err := r.event.RTT()
		if err != nil {
			t.Fatalf("event %s: %v", r.event.ID, err)
		}
		if want := events.RTTSubject(r.event.Name(), report.Target.Name, report.Target.Address); r.Subject != want {
			t.Errorf("report came on %s, want %s", r.Subject, want)
		}
		list = append(list, report)
	}
	return list
}

// sources returns who made the records' events.
func sources(records []record) map[string]bool {
	names := map[string]bool{}
	for _, r := range records {
		names[r.event.Source] = true
	}
	return names
}
