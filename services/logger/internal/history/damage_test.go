package history

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A history that lacks its end, as one that was copied in part, is made anew
// too.
func TestHistoryThatLacksItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(20 * 24 * time.Hour)
		s.fill(time.Now())
		s.catchUp()
		for _, part := range []int64{2, 3, 8} {
			s.close()
			file := filepath.Join(s.history(), fileName)
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, info.Size()*(part-1)/part); err != nil {
				t.Fatal(err)
			}
			s.open()
			if s.catchUp(); testutil.ToFloat64(s.store.metrics.reports) == 0 {
				t.Errorf("%d of %d: it was not made anew", part-1, part)
			}
		}
	})
}

// Whichever page is damaged, and whenever that shows: the process goes on.
func TestDamagedPageIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(20 * 24 * time.Hour)
		s.fill(time.Now())
		s.catchUp()
		s.close()
		file := filepath.Join(s.history(), fileName)
		good, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		const tries = 24
		pages, found := len(good)/os.Getpagesize(), 0
		for page := range pages {
			if page%(pages/tries+1) != 0 {
				continue
			}
			bad := bytes.Clone(good)
			for i := range bad[page*os.Getpagesize() : (page+1)*os.Getpagesize()] {
				bad[page*os.Getpagesize()+i] = byte(i*7 + 1)
			}
			if err := os.WriteFile(file, bad, 0o640); err != nil {
				t.Fatal(err)
			}
			s.open()
			s.add(report(time.Now().Add(-10*time.Second), 10*time.Second, 1e6))
			now := time.Now()
			for _, p := range s.store.Paths() {
				if _, err := s.store.Series(p.ID, now.Add(-30*24*time.Hour), now, 500); errors.Is(err, errDamage) {
					found++
				}
			}
			for more := true; more; {
				if more, _, err = s.store.step(t.Context()); errors.Is(err, errDamage) {
					found++
				}
			}
			s.close()
		}
		if found == 0 {
			t.Error("no damage was found: the test damages the wrong pages")
		}
	})
}
