package journal_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/logger/internal/journal"
)

// acknowledgeAll lets the journal remove what it likes.
func acknowledgeAll(t *testing.T, j *journal.Journal) {
	t.Helper()
	if err := j.Resume(math.MaxUint64, stored.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func TestRotationBySize(t *testing.T) {
	o := options(t)
	o.RotateSize = 1000
	j := open(t, o)
	for seq := uint64(1); seq <= 50; seq++ {
		put(t, j, entries(seq, seq))
	}
	files := paths(t, o)
	if len(files) < 5 {
		t.Fatalf("%d files", len(files))
	}
	for _, path := range files {
		if info, err := os.Stat(path); err != nil || info.Size() > o.RotateSize {
			t.Errorf("%s: %d octets, %v", path, info.Size(), err)
		}
	}
	want(t, o, 1, 50)
	j.Close()
	j = open(t, o)
	if n := put(t, j, entries(1, 50)); n != 0 {
		t.Errorf("%d were written again after the restart", n)
	}
}

func TestRotationAndRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		o.RotateAge, o.RetainAge = time.Hour, 10*time.Hour
		j := open(t, o)
		acknowledgeAll(t, j)
		for seq := uint64(1); seq <= 24; seq++ {
			put(t, j, entries(seq, seq))
			time.Sleep(30 * time.Minute)
		}
		// A file holds two records and is removed 10 hours after the next was begun.
		if got := sequences(t, o); got[0] != 3 || len(paths(t, o)) != 11 {
			t.Errorf("first record %d, %d files", got[0], len(paths(t, o)))
		}
		time.Sleep(5 * time.Hour)
		if err := j.Retain(); err != nil {
			t.Fatal(err)
		}
		if got := sequences(t, o); got[0] != 13 {
			t.Errorf("first record %d after five hours without events", got[0])
		}
		time.Sleep(100 * time.Hour)
		if err := j.Retain(); err != nil {
			t.Fatal(err)
		}
		want(t, o, 23, 24) // the last file stays
		put(t, j, entries(25, 25))
		if err := j.Retain(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNamesRiseWhateverTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		o.RotateSize = 1
		j := open(t, o)
		for seq := uint64(100); seq > 80; seq-- { // all in one instant, and the sequence falls
			put(t, j, entries(seq, seq))
		}
		seqs := sequences(t, o)
		slices.Reverse(seqs)
		if !slices.IsSorted(seqs) || len(seqs) != 20 {
			t.Errorf("order of the files is not that of writing: %v", seqs)
		}
	})
}

func TestRetentionBySize(t *testing.T) {
	o := options(t)
	o.RotateSize, o.RetainSize = 1000, 4000
	j := open(t, o)
	acknowledgeAll(t, j)
	stranger := filepath.Join(o.Dir, "20250101T000000.000Z-notes.ndjson")
	if err := os.WriteFile(stranger, []byte("mine"), 0o640); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 100; seq++ {
		put(t, j, entries(seq, seq))
		if s := j.Stats(); s.Bytes > o.RetainSize || s.Files != len(paths(t, o)) {
			t.Fatalf("%+v", s)
		}
	}
	seqs := sequences(t, o)
	want(t, o, seqs[0], 100)
	if seqs[0] == 1 || seqs[0] > 95 {
		t.Errorf("kept from %d on", seqs[0])
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error("retention touched a file that is not the journal's")
	}
}

func TestNothingIsRemovedThatIsNotAcknowledged(t *testing.T) {
	o := options(t)
	o.RotateSize, o.RetainSize, o.RetainAge = 1000, 3000, time.Nanosecond
	j := open(t, o)
	for seq := uint64(1); seq <= 50; seq++ {
		put(t, j, entries(seq, seq))
	}
	if err := j.Retain(); err != nil {
		t.Fatal(err)
	}
	want(t, o, 1, 50) // nobody has said yet what is acknowledged
	if err := j.Resume(20, stored.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := j.Retain(); err != nil {
		t.Fatal(err)
	}
	seqs := sequences(t, o)
	if seqs[0] < 10 || seqs[0] > 21 {
		t.Errorf("kept from %d on, with 20 acknowledged", seqs[0])
	}
	want(t, o, seqs[0], 50)
	j.Acknowledged(50)
	if err := j.Retain(); err != nil {
		t.Fatal(err)
	}
	if n := len(paths(t, o)); n != 1 {
		t.Errorf("%d files once all is acknowledged", n)
	}
	if left, _ := filepath.Glob(filepath.Join(o.Dir, "*.ids")); len(left) != 0 {
		t.Errorf("indexes left behind: %v", left)
	}
}

// The sequences of a stream that is gone do not keep files for ever: those of the
// one in its place may never rise so high.
func TestRetentionAfterTheStreamWasMadeAnew(t *testing.T) {
	o := options(t)
	o.RotateSize, o.RetainSize = 1000, 4000
	j := open(t, o)
	acknowledgeAll(t, j)
	put(t, j, entries(1_000_001, 1_000_003))
	created := entry(1_000_003).Time.Add(time.Minute)
	if err := j.Resume(0, created); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 100; seq++ {
		e := entry(seq)
		e.Time = created.Add(time.Duration(seq) * time.Second)
		if n := put(t, j, []journal.Entry{e}); n != 1 {
			t.Fatalf("message %d of the new stream passes for stored", seq)
		}
		j.Acknowledged(seq)
	}
	if s := j.Stats(); s.Bytes > o.RetainSize {
		t.Errorf("%+v, of %d that may be", s, o.RetainSize)
	}
}
