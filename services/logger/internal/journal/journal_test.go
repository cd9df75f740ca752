package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/folder"
	"tinytwamp/services/logger/internal/journal"
)

var stored = time.Date(2025, 3, 29, 14, 9, 1, 123456789, time.UTC)

// entry makes the message of a sequence as the stream would hand it over, every
// time alike.
func entry(seq uint64) journal.Entry {
	id := fmt.Sprintf("RUN-%d", seq)
	return journal.Entry{ID: id, Record: journal.Record{
		Seq:     seq,
		Time:    stored.Add(time.Duration(seq) * time.Millisecond),
		Subject: "twamp.v1.log.r1",
		Event:   json.RawMessage(`{"specversion":"1.0","id":"` + id + `","source":"/reflector/r1","type":"twamp.v1.log"}`),
	}}
}

func entries(from, to uint64) []journal.Entry {
	var batch []journal.Entry
	for seq := from; seq <= to; seq++ {
		batch = append(batch, entry(seq))
	}
	return batch
}

func options(t *testing.T) journal.Options {
	return journal.Options{Dir: filepath.Join(t.TempDir(), "data"), RotateSize: 1 << 20, RotateAge: 24 * time.Hour}
}

func open(t *testing.T, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// put appends the batch and returns how many of it were new.
func put(t *testing.T, j *journal.Journal, batch []journal.Entry) int {
	t.Helper()
	fresh, err := j.Append(batch)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range fresh {
		if f {
			n++
		}
	}
	return n
}

func paths(t *testing.T, o journal.Options) []string {
	t.Helper()
	files, err := journal.Files(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sequences returns those of all records in the files, in their order.
func sequences(t *testing.T, o journal.Options) []uint64 {
	t.Helper()
	var seqs []uint64
	for _, path := range paths(t, o) {
		for r, err := range journal.Read(path) {
			if err != nil {
				t.Fatal(err)
			}
			seqs = append(seqs, r.Seq)
		}
	}
	return seqs
}

func want(t *testing.T, o journal.Options, from, to uint64) {
	t.Helper()
	var all []uint64
	for seq := from; seq <= to; seq++ {
		all = append(all, seq)
	}
	if got := sequences(t, o); !slices.Equal(got, all) {
		t.Fatalf("the files hold %v, want %v", got, all)
	}
}

func TestRecordIsOneLineAsDocumented(t *testing.T) {
	o := options(t)
	j := open(t, o)
	e := entry(42)
	e.Subject = "twamp.v1.log.\u2028\"r1"
	e.Event = json.RawMessage("{\n  \"id\": \"a\\nb\"\n}")
	put(t, j, []journal.Entry{e})
	files := paths(t, o)
	if len(files) != 1 || !strings.HasSuffix(files[0], "Z-00000000000000000042.ndjson") {
		t.Fatalf("files %v", files)
	}
	line, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	golden := `{"seq":42,"time":"2025-03-29T14:09:01.165456789Z","subject":"twamp.v1.log.\u2028\"r1","event":{"id":"a\nb"}}` + "\n"
	if string(line) != golden {
		t.Errorf("line is\n%swant\n%s", line, golden)
	}
}

func TestMessageThatComesAgainIsNotWrittenAgain(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 10))
	if n := put(t, j, entries(5, 12)); n != 2 {
		t.Errorf("%d were new, want 2", n)
	}
	if n := put(t, j, append(entries(13, 14), entries(13, 14)...)); n != 2 {
		t.Errorf("%d of a batch that holds each twice were new, want 2", n)
	}
	j.Close() // as after a crash between the write and the acknowledgement
	j = open(t, o)
	if err := j.Resume(3, stored); err != nil {
		t.Fatal(err)
	}
	if n := put(t, j, entries(4, 20)); n != 6 {
		t.Errorf("after the restart %d were new, want 6", n)
	}
	want(t, o, 1, 20)
}

func TestSequenceOfAnotherStreamIsNew(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 10))
	again := entry(7) // the stream was made anew and counts from 1
	again.Time = again.Time.Add(time.Hour)
	again.ID = "OTHER-7"
	if n := put(t, j, []journal.Entry{again}); n != 1 {
		t.Error("an event was taken for another one with its sequence")
	}
	if n := put(t, j, []journal.Entry{again}); n != 0 {
		t.Error("written twice")
	}
}

func TestRetriedEventIsKnownByID(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 10))
	j.Close()
	j = open(t, o)
	retried := entry(11) // stored a second time by the stream
	retried.ID = entry(3).ID
	if n := put(t, j, []journal.Entry{retried}); n != 1 {
		t.Error("only retried events are to be looked up by id")
	}
	retried.Seq, retried.Retried = 12, true
	if n := put(t, j, []journal.Entry{retried}); n != 0 {
		t.Error("an event that was published again is in the files twice")
	}
	retried.Seq, retried.ID = 13, "RUN-13"
	if n := put(t, j, []journal.Entry{retried}); n != 1 {
		t.Error("a retried event whose first try was lost is missing")
	}
}

func TestTornRecordAtEveryOctet(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 3))
	j.Close()
	path := paths(t, o)[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := len(whole) / 3 * 2 // the three lines are of one length
	for cut := last; cut < len(whole); cut++ {
		o := o
		o.Dir = filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(o.Dir, 0o750); err != nil {
			t.Fatal(err)
		}
		torn := filepath.Join(o.Dir, filepath.Base(path))
		if err := os.WriteFile(torn, whole[:cut], 0o640); err != nil {
			t.Fatal(err)
		}
		j := open(t, o)
		want(t, o, 1, 2)
		if n := put(t, j, entries(1, 4)); n != 2 {
			t.Fatalf("cut at %d: %d were new, want 2", cut, n)
		}
		want(t, o, 1, 4)
		aside, _ := filepath.Glob(torn + ".torn-*")
		if cut == last {
			if len(aside) != 0 {
				t.Fatalf("cut between two records: moved %v aside", aside)
			}
			continue
		}
		kept, err := os.ReadFile(aside[0])
		if err != nil || string(kept) != string(whole[last:cut]) {
			t.Fatalf("cut at %d: kept %q, %v", cut, kept, err)
		}
	}
}

func TestDamagedLastLineIsMovedAside(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 2))
	j.Close()
	f, err := os.OpenFile(paths(t, o)[0], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("\x00\x00\x00\x00\"}}\n") // a page that never came to the disk
	f.Close()
	j = open(t, o)
	put(t, j, entries(3, 3))
	want(t, o, 1, 3)
}

func TestFolderIsLocked(t *testing.T) {
	o := options(t)
	j := open(t, o)
	if _, err := journal.Open(o, slog.New(slog.DiscardHandler)); !errors.Is(err, folder.ErrTaken) {
		t.Fatalf("second journal in the folder: %v", err)
	}
	j.Close()
	open(t, o)
}

func TestConcurrentReaderSeesWholeRecords(t *testing.T) {
	o := options(t)
	o.RotateSize = 4 << 10
	j := open(t, o)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := uint64(1); seq <= 300; seq += 3 {
			if _, err := j.Append(entries(seq, seq+2)); err != nil {
				t.Error(err)
			}
		}
	}()
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		for i, seq := range sequences(t, o) { // fails on a line that is no record
			if seq != uint64(i+1) {
				t.Fatalf("record %d has sequence %d", i, seq)
			}
		}
	}
	want(t, o, 1, 300)
}
