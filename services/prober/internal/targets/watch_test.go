package targets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a watcher that runs, with what it has called, in order.
type watched struct {
	*testing.T
	path  string
	hup   chan struct{}
	calls chan string
}

// watch runs a watcher of a file that holds "one", in a synctest bubble.
func watch(t *testing.T, path string) *watched {
	w := &watched{T: t, path: path, hup: make(chan struct{}, 1), calls: make(chan string, 100)}
	watcher := Watcher{
		Path: path, Hangup: w.hup,
		Changed: func() { w.calls <- "changed" },
		Gone: func(err error) {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			w.calls <- "gone"
		},
	}
	watcher.Mark()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- watcher.Run(ctx) }()
	synctest.Wait()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

// looks lets the watcher look so many times, and checks what it called since.
func (w *watched) looks(n int, want ...string) {
	w.Helper()
	time.Sleep(time.Duration(n) * Period)
	w.called(want...)
}

func (w *watched) called(want ...string) {
	w.Helper()
	synctest.Wait()
	var calls []string
	for len(w.calls) > 0 {
		calls = append(calls, <-w.calls)
	}
	if !slices.Equal(calls, want) {
		w.Errorf("called %q, want %q", calls, want)
	}
}

// write writes a file, whose content decides on its time.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(int64(len(content))*1000, 0)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "targets.yaml")
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path)
		w.looks(5)

		write(t, path, "three") // two looks find the same
		w.looks(1)
		w.looks(1, "changed")
		w.looks(5)

		for _, half := range []string{"thirty-", "thirty-one", "thirty-one thousand"} { // while it is written it is left alone
			write(t, path, half)
			w.looks(1)
		}
		w.looks(1, "changed")

		write(t, path+".new", "thirty-two thousand") // of the same size and time
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		w.looks(2, "changed")
		w.looks(5)
	})
}

func TestWatchSignal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "targets.yaml")
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path)
		w.hup <- struct{}{} // at once, changed or not
		w.called("changed")
		write(t, path, "three")
		w.hup <- struct{}{}
		w.called("changed")
		w.looks(5) // no second time
	})
}

// A file that is away for a while is told of once, and has not changed when it
// is back as it was.
func TestWatchGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "targets.yaml")
	write(t, path, "one")
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path)
		move := func(from, to string) {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		move(path, path+".away")
		w.looks(5, "gone")
		move(path+".away", path)
		w.looks(5)
		move(path, path+".away")
		w.looks(1, "gone")
		write(t, path, "three")
		w.looks(1)
		w.looks(1, "changed")
	})
}

// Kubernetes mounts a ConfigMap as links to files in a folder, which is a link
// itself: that one it swaps, and takes the old folder away.
func TestWatchKubernetes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "targets.yaml")
	link := func(to, at string) {
		t.Helper()
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	version := func(name string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, name, "targets.yaml"), "one") // of the same size and time
	}
	version("..1")
	link("..1", filepath.Join(folder, "..data"))
	link(filepath.Join("..data", "targets.yaml"), path)
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, path)
		w.looks(2)
		version("..2")
		link("..2", filepath.Join(folder, "..data_tmp"))
		if err := os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(folder, "..1")); err != nil {
			t.Fatal(err)
		}
		w.looks(1)
		w.looks(1, "changed")
		w.looks(5)
	})
}
