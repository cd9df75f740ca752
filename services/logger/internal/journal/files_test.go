package journal

import (
	"testing"
	"time"
)

func TestTailHoldsWhatMayComeAgain(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2025, 3, n, 0, 0, 0, 0, time.UTC) }
	var files []file // a day each, of 1,000 records
	for n := range 9 {
		files = append(files, file{begun: day(n + 1), first: uint64(1000 * n), size: tailSize / 2})
	}
	for _, c := range []struct {
		name    string
		floor   uint64
		created time.Time
		want    uint64 // first record of the tail
	}{
		{"all is acknowledged", 9999, day(1), 7000},
		{"the floor is in a file", 4500, day(1), 4000},
		{"the floor is at a file's begin", 4000, day(1), 4000},
		{"nothing is acknowledged", 0, day(1), 0},
		{"nothing is acknowledged of a stream that is young", 0, day(5).Add(2 * time.Hour), 4000},
	} {
		if got := tail(files, c.floor, c.created); got[0].first != c.want || got[len(got)-1].first != 8000 {
			t.Errorf("%s: from %d to %d, want from %d", c.name, got[0].first, got[len(got)-1].first, c.want)
		}
	}
	if got := tail(nil, 0, day(1)); len(got) != 0 {
		t.Errorf("tail of nothing: %v", got)
	}
}

func TestResumeReadsFurtherBack(t *testing.T) {
	j := &Journal{known: newRecent(), scanned: 1, files: []file{
		{path: t.TempDir() + "/gone", first: 1},
		{first: 1000, size: tailSize},
	}}
	if err := j.Resume(1000, time.Time{}); err != nil {
		t.Errorf("read more than it needs: %v", err)
	}
	if err := j.Resume(10, time.Time{}); err == nil {
		t.Error("did not read the file before")
	}
}
