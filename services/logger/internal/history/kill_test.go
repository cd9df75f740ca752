package history

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

// The test binary is a logger to be killed when this names its folder.
const childDir = "HISTORY_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, child(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child writes reports and brings the history up to date as fast as it can, for
// ever. It says so each time.
func child(dir string) error {
	var s site
	var err error
	if s.journal, err = journal.Open(journal.Options{Dir: dir, RotateSize: 32 << 10, CompressAge: time.Millisecond}, quiet); err != nil {
		return err
	}
	s.store, err = Open(filepath.Join(dir, "history"), Options{Journal: s.journal, Keep: month, Metrics: prometheus.NewRegistry()}, quiet)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- s.write() }()
	go func() { failed <- s.follow() }()
	return <-failed
}

func (s *site) write() error {
	s.source = events.NewSource("prober", "p1")
	for {
		now := time.Now()
		e, err := s.source.Encode(now, report(now.Add(-time.Second), time.Second, 1e6))
		if err != nil {
			return err
		}
		s.seq++
		record := journal.Record{Seq: s.seq, Time: now, Subject: e.Subject, Event: e.Body}
		if _, err := s.journal.Append([]journal.Entry{{ID: e.ID, Record: record}}); err != nil {
			return err
		}
		if s.seq%20 == 0 {
			if err := s.journal.Compress(context.Background()); err != nil {
				return err
			}
		}
	}
}

func (s *site) follow() error {
	for {
		if _, _, err := s.store.step(context.Background()); err != nil {
			return err
		}
		fmt.Println("committed")
	}
}

// A kill at any moment, also while files are ended and compressed, neither
// loses a report nor counts it twice.
func TestKilledAtRandom(t *testing.T) {
	dir := t.TempDir()
	for round := range 12 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childDir+"="+dir)
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		commits := 0
		for lines := bufio.NewScanner(out); commits < 10+25*round && lines.Scan(); commits++ {
		}
		c.Process.Kill()
		c.Wait()
		if commits < 10+25*round {
			t.Fatalf("it ended by itself after %d commits", commits)
		}
	}
	want := 0
	for _, err := range journal.ReadAll(dir, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		want++
	}
	s := &site{TB: t, dir: dir, keep: month}
	s.open()
	defer s.close()
	s.catchUp()
	now := time.Now()
	for _, back := range []time.Duration{15 * time.Minute, 3 * time.Hour, 24 * time.Hour, 30 * 24 * time.Hour} {
		sent, reports := sum(s.series(now.Add(-back), now.Add(time.Minute), 500).Points)
		if reports != want || sent != uint64(want) {
			t.Errorf("%d packets of %d reports in %v, want %d", sent, reports, back, want)
		}
	}
	t.Logf("%d reports, %v files", want, len(s.journal.Parts()))
}
