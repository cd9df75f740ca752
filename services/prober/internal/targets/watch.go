package targets

import (
	"context"
	"io/fs"
	"os"
	"time"
)

// Period is the time between two looks at a file.
const Period = time.Second

// Watcher tells when a file changes. It does not read it.
type Watcher struct {
	Path    string
	Hangup  <-chan struct{} // read the file in any case
	Changed func()
	Gone    func(error) // the file cannot be looked at: called once, until it is back

	taken fs.FileInfo // as of the last reading; nil: none
	last  fs.FileInfo // as of the last look; nil: gone
}

// Mark notes that the file is about to be read, so that a later change is one.
func (w *Watcher) Mark() {
	w.taken, _ = os.Stat(w.Path)
	w.last = w.taken
}

// Run calls Changed soon after the file has changed, or on SIGHUP, until ctx
// ends. A file that is being written is left alone: it has changed when two
// looks find the same, which is not what they found at the last reading.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(Period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Hangup:
			w.Mark()
			w.Changed()
		case <-tick.C:
			w.look()
		}
	}
}

// look follows symbolic links, so that it sees where Kubernetes points them.
func (w *Watcher) look() {
	now, err := os.Stat(w.Path)
	if err != nil {
		if w.last != nil {
			w.Gone(err)
		}
		w.last = nil
		return
	}
	settled := same(now, w.last)
	w.last = now
	if settled && !same(now, w.taken) {
		w.taken = now
		w.Changed()
	}
}

// same tells whether a file is the same with the same content, as far as one
// can tell without reading it.
func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
