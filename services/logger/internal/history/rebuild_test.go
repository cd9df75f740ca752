package history

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

// answers are what a store gives of everything.
func (s *site) answers(now time.Time) (all []any) {
	s.Helper()
	for _, p := range s.store.Paths() {
		for _, back := range []time.Duration{20 * time.Minute, 3 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
			series, err := s.store.Series(p.ID, now.Add(-back), now, 500)
			if err != nil {
				s.Fatal(err)
			}
			all = append(all, series)
		}
	}
	return all
}

// fill has reports of three paths over ten days, in several files, of which some
// are compressed.
func (s *site) fill(now time.Time) {
	s.Helper()
	for target := range 3 {
		var list []*events.RTT
		for at := now.Add(-10 * 24 * time.Hour); at.Before(now); at = at.Add(20 * time.Minute) {
			r := report(at, 10*time.Second, 1e6, 2e6, int64(target+3)*1e6)
			r.Target.Name = fmt.Sprint("t", target)
			list = append(list, r)
		}
		s.add(list...)
	}
	for _, at := range []time.Duration{50 * time.Minute, 30 * time.Minute, 10 * time.Second} {
		s.add(report(now.Add(-at), 10*time.Second, 7e6))
	}
	time.Sleep(time.Second)
	if err := s.journal.Compress(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// What is kept in memory comes back after a restart, and a history that is gone,
// or damaged, is made anew: both give the same answers.
func TestRestartAndRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(20 * 24 * time.Hour)
		now := time.Now()
		s.fill(now)
		s.catchUp()
		if files, err := journal.Files(s.dir); err != nil || len(files) < 3 || !strings.HasSuffix(files[0], ".zst") {
			t.Fatalf("files %v, %v", files, err)
		}
		want := s.answers(now)
		if len(want) != 20 || len(want[0].(Series).Path.Spark) == 0 {
			t.Fatalf("%d answers, the first of %+v", len(want), want[0].(Series).Path)
		}
		same := func(what string) {
			t.Helper()
			got := s.answers(now)
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("%s: answer %d is %+v, want %+v", what, i, got[i], want[i])
				}
			}
		}
		s.restart()
		same("at once after a restart")
		s.catchUp()
		same("after a restart")
		if got := testutil.ToFloat64(s.store.metrics.reports); got != 0 {
			t.Errorf("%v reports are read again", got)
		}

		s.close()
		os.RemoveAll(s.history())
		s.open()
		if all := s.store.Paths(); len(all) != 0 {
			t.Fatalf("%d paths in a history that is gone", len(all))
		}
		if _, _, err := s.store.step(s.Context()); err != nil || s.store.Loading() < 1 {
			t.Errorf("%d files are to be read in, %v", s.store.Loading(), err)
		}
		s.catchUp()
		if n := s.store.Loading(); n != 0 {
			t.Errorf("%d files are still to be read in", n)
		}
		same("made anew")

		for what, intact := range map[string]int{"no database": 0, "damaged pages": 2 * os.Getpagesize()} {
			s.close()
			file := filepath.Join(s.history(), fileName)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range b[intact:] {
				b[intact+i] = byte(i*7 + 1)
			}
			if err := os.WriteFile(file, b, 0o640); err != nil {
				t.Fatal(err)
			}
			s.open()
			if s.catchUp(); testutil.ToFloat64(s.store.metrics.reports) == 0 {
				t.Errorf("%s: it was not made anew", what)
			}
			same(what)
		}
	})
}

// A commit that fails leaves nothing, and what it was to hold is read again.
func TestFailedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		start := time.Now()
		time.Sleep(time.Minute)
		s.add(report(start, 10*time.Second, 1e6))
		s.store.db.Close()
		ctx, stop := contextOf(t)
		done := make(chan error)
		go func() { done <- s.store.Run(ctx) }()
		time.Sleep(time.Minute)
		if got := testutil.ToFloat64(s.store.metrics.failures); got < 2 {
			t.Errorf("%v failures", got)
		}
		stop()
		if err := <-done; err != nil || len(s.store.Paths()) != 0 {
			t.Errorf("%v, %d paths", err, len(s.store.Paths()))
		}
		s.restart()
		s.catchUp()
		if _, reports := sum(s.series(start, time.Now(), 10).Points); reports != 1 {
			t.Errorf("%d reports", reports)
		}
	})
}

// A clock that is not set yet does not make the history old.
func TestClockThatIsNotSet(t *testing.T) {
	for _, tier := range tiersFor(month) {
		if got := tier.index(time.Unix(60, 0).Add(-month)); got != 0 {
			t.Errorf("before 1970 is bucket %d", got)
		}
	}
}

// The present comes first while old files are made up for.
func TestRebuildBeginsWithThePresent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(20 * 24 * time.Hour)
		now := time.Now()
		s.fill(now)
		if _, _, err := s.store.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.store.Paths(); len(got) == 0 || !slices.ContainsFunc(got, func(p Path) bool { return p.Last.Equal(now) }) {
			t.Errorf("after the first batch: %+v", got)
		}
		if got := testutil.ToFloat64(s.store.metrics.behind); got < 3 {
			t.Errorf("%v files behind", got)
		}
		s.catchUp()
		s.catchUp()
		if got := testutil.ToFloat64(s.store.metrics.behind); got != 0 {
			t.Errorf("%v files behind at the end", got)
		}
	})
}
