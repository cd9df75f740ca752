package bus

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/service"
)

// faultyDisk is a disk that can be full, or worse.
type faultyDisk struct {
	write, truncate, create error // what these return; nil: they work
	small                   bool  // it has room again as soon as a file is removed
}

type faultyFile struct {
	file
	disk *faultyDisk
}

// WriteAt writes half of b to a full disk, as a file system may, and says nothing
// of it: os.File does not count the part that a failed call has written.
func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.disk.write != nil {
		_, _ = f.file.WriteAt(b[:len(b)/2], off)
		return 0, f.disk.write
	}
	return f.file.WriteAt(b, off)
}

func (f *faultyFile) Close() error {
	if f.disk.small {
		f.disk.write = nil
	}
	return f.file.Close()
}

func (f *faultyFile) Truncate(size int64) error {
	if f.disk.truncate != nil {
		return f.disk.truncate
	}
	return f.file.Truncate(size)
}

// onFaultyDisk opens an outbox whose files are on a disk that can fail.
func onFaultyDisk(t *testing.T, dir string, limit int64) (*outbox, *faultyDisk) {
	t.Helper()
	o, d := openTest(t, dir, limit), &faultyDisk{}
	o.disk.create = func(path string) (file, error) {
		if d.create != nil {
			return nil, d.create
		}
		f, err := createFile(path)
		return &faultyFile{f, d}, err
	}
	return o, d
}

// While the disk cannot be written events are in memory; once it can they go
// there, and a restart finds all of them, each once.
func TestFaultyDisk(t *testing.T) {
	for name, fail := range map[string]func(*faultyDisk){
		"full":                  func(d *faultyDisk) { d.write = syscall.ENOSPC },
		"cannot be cut back":    func(d *faultyDisk) { d.write, d.truncate = syscall.EIO, syscall.EIO },
		"read-only":             func(d *faultyDisk) { d.write, d.truncate, d.create = syscall.EROFS, syscall.EROFS, syscall.EROFS },
		"quota, and no new one": func(d *faultyDisk) { d.write, d.create = syscall.EDQUOT, syscall.EDQUOT },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o, d := onFaultyDisk(t, dir, 1<<20)
			o.add(testEvent(0, 100))
			fail(d)
			o.add(testEvent(1, 100))
			o.add(testEvent(2, 100))
			s := o.state()
			if s.pending != 3 || s.fault == nil || s.errors == 0 || s.drops != (drops{}) {
				t.Errorf("state is %+v", s)
			}
			if err := o.rescue(); err == nil || o.state().pending != 3 {
				t.Errorf("rescue: %v, %+v", err, o.state())
			}
			tried := o.take()
			if tried.event.ID != "id-1" { // what is in memory may be lost: it goes first
				t.Errorf("took %s", tried.event.ID)
			}
			tried.attempt++
			flying := o.take()
			flying.attempt++
			o.putBack(tried)
			*d = faultyDisk{}
			if err := o.rescue(); err != nil || o.state().fault != nil {
				t.Errorf("rescue: %v", err)
			}
			o.add(testEvent(3, 100))
			if kept, lost := o.close(); kept != 4 || lost != 0 {
				t.Errorf("%d kept, %d lost", kept, lost)
			}
			o = openTest(t, dir, 1<<20)
			left := map[string]int{}
			for _, e := range o.takeAll() {
				left[e.event.ID]++
				if e.attempt != 1 {
					t.Errorf("%s does not say that it may have been tried", e.event.ID)
				}
			}
			if len(left) != 4 || left["id-1"] != 1 || left["id-2"] != 1 || o.state().drops != (drops{}) {
				t.Errorf("left are %v, %+v", left, o.state())
			}
		})
	}
}

// What a failed write left behind does not look like damage after a restart,
// whether it can be cut off or not.
func TestPartOfAWriteIsNoDamage(t *testing.T) {
	for _, truncate := range []error{nil, syscall.EIO} {
		dir := t.TempDir()
		o, d := onFaultyDisk(t, dir, 1<<20)
		o.add(testEvent(0, 100))
		d.write, d.truncate = syscall.ENOSPC, truncate
		o.add(testEvent(1, 5000)) // half of it is on disk now
		o.remove(o.take())
		d.write = nil
		if err := o.rescue(); err != nil {
			t.Fatal(err)
		}
		o.add(testEvent(2, 100))
		o.close()
		o = openTest(t, dir, 1<<20)
		if got := strings.Join(numbers(o.takeAll()), " "); got != "0 2" || o.state().drops != (drops{}) {
			t.Errorf("truncate %v: left are %s, %+v", truncate, got, o.state())
		}
	}
}

// An event that was tried before it got to the disk says so in the same process.
func TestRescuedEventsSayThatTheyWereTried(t *testing.T) {
	o, d := onFaultyDisk(t, t.TempDir(), 1<<20)
	d.write = syscall.ENOSPC
	o.add(testEvent(0, 100))
	o.add(testEvent(1, 100))
	e := o.take()
	e.attempt++
	o.putBack(e)
	d.write = nil
	if err := o.rescue(); err != nil {
		t.Fatal(err)
	}
	attempts := map[string]int{}
	for _, e := range o.takeAll() {
		attempts[e.event.ID] = e.attempt
	}
	if len(attempts) != 2 || attempts["id-0"] != 1 || attempts["id-1"] != 0 {
		t.Errorf("attempts are %v", attempts)
	}
}

// A disk that stays full does not make the memory grow beyond the bound, and what
// is on the disk goes first: it is older.
func TestFaultyDiskIsBounded(t *testing.T) {
	const limit = 64 << 10
	dir := t.TempDir()
	o, d := onFaultyDisk(t, dir, limit)
	for i := range 20 {
		o.add(testEvent(i, 900))
	}
	d.write, d.create = syscall.ENOSPC, syscall.ENOSPC
	for i := range 100 {
		o.add(testEvent(20+i, 900))
		if used := o.used(); used > limit {
			t.Fatalf("%d octets, limit %d", used, limit)
		}
	}
	s := o.state()
	left := numbers(o.takeAll())
	if s.pending != len(left) || s.pending+int(s.drops.full) != 120 || left[len(left)-1] != "119" || len(left) < 40 {
		t.Errorf("left are %v, %+v", left, s)
	}
	if kept, lost := o.close(); kept+lost != len(left) || lost == 0 {
		t.Errorf("%d kept, %d lost of %d", kept, lost, len(left))
	}
}

// Acknowledgements that cannot be taken down cost a second delivery after a
// restart, which says so; and they show.
func TestAcknowledgementsOnFaultyDisk(t *testing.T) {
	dir := t.TempDir()
	o, d := onFaultyDisk(t, dir, 1<<20)
	o.add(testEvent(0, 100))
	o.add(testEvent(1, 100))
	e := o.take()
	d.write = syscall.EROFS
	o.remove(e)
	if s := o.state(); s.pending != 1 || s.errors != 1 || !errors.Is(s.lastError, syscall.EROFS) {
		t.Errorf("state is %+v", s)
	}
	d.write = nil
	o.close()
	o = openTest(t, dir, 1<<20)
	if all := o.takeAll(); len(all) != 2 || all[0].attempt != 1 {
		t.Errorf("left are %v", numbers(all))
	}
}

// A folder that cannot be used is an error at the start, and names it.
func TestFolderThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openOutbox(file, 1<<20, quiet); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error is %v", err)
	}
}

// The publisher tells of a disk that cannot be written, delivers all the same,
// and finds by itself that it can be written again.
func TestPublisherOnFaultyDisk(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer // written by the publisher alone, read when it has ended
	s := bustest.NewServer(t, func(o *server.Options) { o.JetStream = false })
	settings := Settings{URL: service.URL(s.URL()), Outbox: t.TempDir(), OutboxSize: 1 << 20}
	c, err := Connect(settings, "p1", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := newPublisher(c, settings, slog.New(slog.NewTextHandler(&log, nil)), time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	d := &faultyDisk{create: syscall.ENOSPC}
	setCreate := func(create error) {
		p.box.mu.Lock()
		defer p.box.mu.Unlock()
		d.create = create
		p.box.disk.create = func(path string) (file, error) {
			if d.create != nil {
				return nil, d.create
			}
			return createFile(path)
		}
	}
	condition := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(testDeadline); ; time.Sleep(time.Millisecond) {
			err := p.condition()
			if want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("condition is %v, want %q", err, want)
			}
		}
	}
	setCreate(syscall.ENOSPC)
	p.Publish(testEvent(0, 100))
	condition("cannot be written, new events are in memory only: no space left on device")
	p.Publish(testEvent(1, 100))
	if st := p.Stats(); st.Pending != 2 || st.DiskErrors == 0 || st.Lost() != 0 {
		t.Errorf("stats are %+v", st)
	}
	setCreate(nil)
	condition("")
	p.Close()
	if p.kept != 2 || p.lost != 0 {
		t.Errorf("%d kept, %d lost", p.kept, p.lost)
	}
	if n := strings.Count(log.String(), "cannot write events to the outbox"); n != 1 || !strings.Contains(log.String(), "writing events to the outbox again") {
		t.Errorf("the log says\n%s", log.String())
	}
}
