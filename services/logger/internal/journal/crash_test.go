package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/logger/internal/journal"
)

// ended returns a journal of several files in which all are known, closed.
func ended(t *testing.T, compress bool) journal.Options {
	t.Helper()
	o := options(t)
	o.RotateSize = 1000
	synctest.Test(t, func(t *testing.T) {
		o := o
		if compress {
			o.CompressAge = time.Hour
		}
		j := open(t, o)
		for seq := uint64(1); seq <= 20; seq++ {
			put(t, j, entries(seq, seq))
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Hour)
		if err := j.Compress(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.Close()
	})
	return o
}

// knowsAll fails unless the files hold 1 to 20, each once, and the journal
// knows every one again: as a message, and as an event that is tried again.
func knowsAll(t *testing.T, o journal.Options) {
	t.Helper()
	j := open(t, o)
	defer j.Close()
	want(t, o, 1, 20)
	if n := put(t, j, entries(1, 20)); n != 0 {
		t.Errorf("%d messages were written again", n)
	}
	for seq := uint64(1); seq <= 20; seq++ {
		e := entry(seq)
		e.Seq, e.Retried = 100+seq, true
		if n := put(t, j, []journal.Entry{e}); n != 0 {
			t.Errorf("event %s was written again", e.ID)
		}
	}
	put(t, j, entries(21, 25))
	want(t, o, 1, 25)
	if left, _ := filepath.Glob(filepath.Join(o.Dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func copyFile(t *testing.T, from, to string, size int) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b[:min(len(b), size)], 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreCompressedAndStayKnown(t *testing.T) {
	o := ended(t, true)
	files := paths(t, o)
	for i, f := range files {
		if zipped := strings.HasSuffix(f, ".zst"); zipped != (i < len(files)-1) {
			t.Errorf("%s: compressed is %v", f, zipped)
		}
		n := 0
		for _, err := range journal.Read(strings.TrimSuffix(f, ".zst")) { // as a reader that listed it before
			if err != nil {
				t.Error(err)
			}
			n++
		}
		if n == 0 {
			t.Errorf("%s: no records", f)
		}
	}
	knowsAll(t, o)
}

// What a kill leaves between any two steps of ending, compressing and removing
// a file.
func TestKillBetweenTheStepsOfEndingAndCompressing(t *testing.T) {
	whole := 1 << 20
	for name, leave := range map[string]func(t *testing.T, plain, zipped string){
		"nothing written of the index": func(t *testing.T, plain, _ string) { os.Remove(plain + ".ids") },
		"a part of the index": func(t *testing.T, plain, _ string) {
			copyFile(t, plain+".ids", plain+".ids.tmp", 30)
			os.Remove(plain + ".ids")
		},
		"the index not renamed":            func(t *testing.T, plain, _ string) { os.Rename(plain+".ids", plain+".ids.tmp") },
		"an index that is cut":             func(t *testing.T, plain, _ string) { copyFile(t, plain+".ids", plain+".ids", 60) },
		"an index that is damaged":         func(t *testing.T, plain, _ string) { os.WriteFile(plain+".ids", make([]byte, 100), 0o640) },
		"a part of the compressed file":    func(t *testing.T, plain, zipped string) { copyFile(t, zipped, plain+".zst.tmp", 50) },
		"the compressed file not renamed":  func(t *testing.T, plain, zipped string) { copyFile(t, zipped, plain+".zst.tmp", whole) },
		"both, the plain one not yet gone": func(t *testing.T, plain, zipped string) { copyFile(t, zipped, plain+".zst", whole) },
		"the compressed one alone":         func(t *testing.T, plain, zipped string) { copyFile(t, zipped, plain+".zst", whole); os.Remove(plain) },
		"the compressed one without an index": func(t *testing.T, plain, zipped string) {
			copyFile(t, zipped, plain+".zst", whole)
			os.Remove(plain)
			os.Remove(plain + ".ids")
		},
	} {
		t.Run(name, func(t *testing.T) {
			zipped := paths(t, ended(t, true))
			o := ended(t, false)
			for _, n := range []int{0, 2} {
				leave(t, paths(t, o)[n], zipped[n])
			}
			want(t, o, 1, 20) // beside it, before anything is repaired
			knowsAll(t, o)
		})
	}
}

func TestKillWhileFilesAreRemoved(t *testing.T) {
	o := ended(t, true)
	first := paths(t, o)[0]
	os.Remove(first) // its index was to be next
	j := open(t, o)
	defer j.Close()
	if _, err := os.Stat(strings.TrimSuffix(first, ".zst") + ".ids"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the index of a removed file is still there: %v", err)
	}
	if seqs := sequences(t, o); seqs[len(seqs)-1] != 20 {
		t.Errorf("the files end at %d", seqs[len(seqs)-1])
	}
}

// An ended last file is not written to again: its index would be wrong.
func TestKillBetweenTheEndOfAFileAndTheNext(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 20))
	if err := j.Resume(0, stored.AddDate(1, 0, 0)); err != nil { // a stream made anew ends the file
		t.Fatal(err)
	}
	j.Close()
	knowsAll(t, o)
	if n := len(paths(t, o)); n != 2 {
		t.Errorf("%d files", n)
	}
}

func TestCompressingEndsWithItsContext(t *testing.T) {
	o := ended(t, false)
	o.CompressAge = time.Nanosecond
	j := open(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Compress(ctx); err != nil {
		t.Error(err)
	}
	if s := j.Stats(); s.Compressed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestStreamMadeAnew(t *testing.T) {
	o := options(t)
	j := open(t, o)
	put(t, j, entries(1, 50))
	created := stored.AddDate(0, 1, 0)
	if err := j.Resume(0, created); err != nil {
		t.Fatal(err)
	}
	anew := func(seq uint64) journal.Entry {
		e := entry(seq)
		e.ID, e.Time = fmt.Sprintf("ANEW-%d", seq), created.Add(time.Duration(seq)*time.Second)
		return e
	}
	for _, seq := range []uint64{1, 3, 2, 3, 1} {
		put(t, j, []journal.Entry{anew(seq)})
	}
	if got := sequences(t, o)[50:]; !slices.Equal(got, []uint64{1, 3, 2}) {
		t.Errorf("of the new stream %v", got)
	}
	if n := len(paths(t, o)); n != 2 {
		t.Errorf("%d files: a file has records of one stream", n)
	}
}

// A try that a killed logger took with it comes again half a minute later, and in
// the meantime the next try of the same event came, in a file that is ended: the
// stream had both, since it had forgotten the id.
func TestFirstTryComesAfterTheSecond(t *testing.T) {
	o := options(t)
	o.RotateSize = 700
	j := open(t, o)
	put(t, j, entries(1, 9))
	second := entry(20)
	second.ID, second.Retried = entry(10).ID, true
	if n := put(t, j, []journal.Entry{second}); n != 1 {
		t.Fatal("the second try was not stored")
	}
	put(t, j, entries(21, 30))
	if n := put(t, j, entries(10, 11)); n != 1 {
		t.Errorf("of a first try that comes late, and a new event, %d were stored", n)
	}
}

// Redelivery out of order, and the whole stream again for a consumer that was
// made anew, over many files and restarts.
func TestRedeliveryOutOfOrder(t *testing.T) {
	o := options(t)
	o.RotateSize = 700
	j := open(t, o)
	resume := func() {
		if err := j.Resume(0, stored.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	resume()
	for _, batch := range [][]uint64{{1, 2, 5}, {4, 9, 8}, {3, 5, 4}, {30, 10, 11}, {7, 6, 30}} {
		var list []journal.Entry
		for _, seq := range batch {
			list = append(list, entry(seq))
		}
		put(t, j, list)
		j.Close()
		j = open(t, o)
		resume()
	}
	if n := put(t, j, entries(1, 40)); n != 40-12 {
		t.Errorf("%d were new, want 28", n)
	}
	seqs := sequences(t, o)
	slices.Sort(seqs)
	if len(seqs) != 40 || len(slices.Compact(seqs)) != 40 {
		t.Errorf("the files hold %v", seqs)
	}
}

func TestReadAllBesideTheWriter(t *testing.T) {
	o := ended(t, true)
	count := func(since time.Time) (n int, first uint64) {
		for r, err := range journal.ReadAll(o.Dir, since) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 1 {
				first = r.Seq
			}
		}
		return n, first
	}
	if n, first := count(time.Time{}); n != 20 || first != 1 {
		t.Errorf("%d records from %d", n, first)
	}
	// Files that end before the instant are passed over, not records.
	if _, first := count(entry(15).Time); first < 10 || first > 15 {
		t.Errorf("from %d, want from the file that holds 15", first)
	}
	// Damage is told, and what follows is read.
	file := paths(t, o)[1]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(file, b, 0o640); err != nil {
		t.Fatal(err)
	}
	var faults, last int
	for r, err := range journal.ReadAll(o.Dir, time.Time{}) {
		if err != nil {
			faults++
		} else {
			last = int(r.Seq)
		}
	}
	if faults == 0 || last != 20 {
		t.Errorf("%d faults, the last record is %d", faults, last)
	}
}
