package service_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

var lineAt = time.Date(2025, 3, 29, 14, 9, 1, 999, time.Local)

// writes keeps each write apart.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

func TestReadableWritesALineAtOnce(t *testing.T) {
	var out writes
	readable, err := service.OpenReadable(service.Settings{}, &out)
	if err != nil {
		t.Fatal(err)
	}
	readable.Line(lineAt, "packet_received", "Received test packet from [::1]")
	readable.Line(lineAt, "rtt", "x")
	if len(out) != 2 || out[0] != "2025/03/29 14:09:01 Received test packet from [::1]\n" || out[1] != "2025/03/29 14:09:01 x\n" {
		t.Errorf("got %q", out)
	}
	if err := errors.Join(readable.Reopen(), readable.Close()); err != nil {
		t.Error(err)
	}
}

func TestReadableConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	readable, err := service.OpenReadable(service.Settings{LogFile: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				readable.Line(lineAt, "rtt", "some text")
			}
		})
	}
	group.Go(func() {
		if err := readable.Reopen(); err != nil {
			t.Error(err)
		}
	})
	group.Wait()
	if got, want := content(t, path), strings.Repeat("2025/03/29 14:09:01 some text\n", 800); got != want {
		t.Errorf("got %d octets, want %d", len(got), len(want))
	}
}

func TestReadableFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout writes
	readable, err := service.OpenReadable(service.Settings{LogFile: path}, &stdout)
	if err != nil {
		t.Fatal(err)
	}
	readable.Line(lineAt, "rtt", "1")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	readable.Line(lineAt, "rtt", "2") // still to the file that was moved
	if err := readable.Reopen(); err != nil {
		t.Fatal(err)
	}
	readable.Line(lineAt, "rtt", "3")
	if err := readable.Close(); err != nil {
		t.Fatal(err)
	}
	readable.Line(lineAt, "rtt", "lost")
	if got, want := content(t, path+".1"), "before\n2025/03/29 14:09:01 1\n2025/03/29 14:09:01 2\n"; got != want {
		t.Errorf("old file: %q, want %q", got, want)
	}
	if got, want := content(t, path), "2025/03/29 14:09:01 3\n"; got != want {
		t.Errorf("new file: %q, want %q", got, want)
	}
	if readable.Failed() != 1 || len(stdout) != 0 {
		t.Errorf("failed %d, stdout %q", readable.Failed(), stdout)
	}
}

func TestReadableCannotOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "log")
	_, err := service.OpenReadable(service.Settings{LogFile: path}, nil)
	if err == nil || err.Error() != "cannot open the log file: open "+path+": no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
