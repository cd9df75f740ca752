package bus

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func openTest(t *testing.T, dir string, limit int64) *outbox {
	t.Helper()
	o, err := openOutbox(dir, limit, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close() })
	return o
}

// takeAll takes all that waits.
func (o *outbox) takeAll() (all []*entry) {
	for e := o.take(); e != nil; e = o.take() {
		all = append(all, e)
	}
	return all
}

func numbers(entries []*entry) (n []string) {
	for _, e := range entries {
		n = append(n, strings.TrimPrefix(e.event.ID, "id-"))
	}
	return n
}

// filesOf lists a folder but for its lock.
func filesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	return names
}

// More events than the memory is to hold can wait for another try: those beyond
// are read again later, unless they are acknowledged meanwhile.
func TestMemoryIsBoundedByForgetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := openTest(t, dir, 64<<20)
		const n = maxLoaded + 100
		for i := range n {
			o.add(testEvent(i, 10))
		}
		all := o.takeAll()
		if s := o.state(); len(all) != n || o.loaded != 100 || s.pending != n || s.bytes == 0 {
			t.Fatalf("%d taken, %d in memory, %+v", len(all), o.loaded, s)
		}
		if !o.remove(all[7]) || o.remove(all[7]) || !o.remove(all[n-1]) { // forgotten, and in memory
			t.Error("not removed once")
		}
		if e := o.take(); e != nil {
			t.Errorf("%s is read again at once", e.event.ID)
		}
		time.Sleep(postponement)
		again := o.takeAll()
		if len(again) != n-2 || again[7].event.ID != "id-8" || again[0].attempt != 1 {
			t.Fatalf("%d taken again, %+v", len(again), again[7].event)
		}
		if o.remove(all[8]) { // it is in other hands now
			t.Error("removed by who had it before")
		}
		for _, e := range again {
			if !o.remove(e) {
				t.Fatalf("%s is not there", e.event.ID)
			}
		}
		if s := o.state(); s.pending != 0 || s.bytes != 0 || s.drops != (drops{}) {
			t.Errorf("state is %+v", s)
		}
		o.close()
		if names := filesOf(t, dir); len(names) != 0 {
			t.Errorf("files are %v", names)
		}
	})
}

// What is acknowledged is gone after a restart, what is not is there once and
// says that it may have been tried; and so it is after the next.
func TestRestartKeepsWhatIsPending(t *testing.T) {
	dir := t.TempDir()
	o := openTest(t, dir, 1<<20)
	for i := range 10 {
		o.add(testEvent(i, 100))
	}
	for _, e := range o.takeAll()[:4] {
		if e.attempt != 0 {
			t.Errorf("%s says it was tried", e.event.ID)
		}
		o.remove(e)
	}
	o.add(testEvent(10, 100)) // never taken
	if kept, lost := o.close(); kept != 7 || lost != 0 {
		t.Errorf("%d kept, %d lost", kept, lost)
	}
	for range 2 {
		o = openTest(t, dir, 1<<20)
		if s := o.state(); s.pending != 7 || s.oldest.IsZero() || s.bytes == 0 || s.drops != (drops{}) {
			t.Errorf("state is %+v", s)
		}
		all := o.takeAll()
		if got := strings.Join(numbers(all), " "); got != "4 5 6 7 8 9 10" {
			t.Errorf("left are %s", got)
		}
		for _, e := range all {
			if e.attempt != 1 || e.event.Subject != "twamp.v1.log.p1" || len(e.event.Body) != 100 {
				t.Errorf("entry is %+v", e)
			}
		}
		o.add(testEvent(11, 100)) // to the file that is there
		if e := o.take(); e.attempt != 0 || !o.remove(e) {
			t.Errorf("a new event says it was tried: %+v", e)
		}
		if kept, _ := o.close(); kept != 7 || len(filesOf(t, dir)) != 1 {
			t.Errorf("%d kept in %v", kept, filesOf(t, dir))
		}
	}
	o = openTest(t, dir, 1<<20)
	for _, e := range o.takeAll() {
		o.remove(e)
	}
	if o.close(); len(filesOf(t, dir)) != 0 {
		t.Errorf("all is delivered, and there still is %v", filesOf(t, dir))
	}
}

// Files whose events are all acknowledged go at once, whatever the order.
func TestDeliveredFilesGo(t *testing.T) {
	dir := t.TempDir()
	o := openTest(t, dir, 16*2000) // files of 2,000 octets
	for i := range 12 {
		o.add(testEvent(i, 900))
	}
	if n := len(filesOf(t, dir)); n != 6 {
		t.Fatalf("%d files", n)
	}
	all := o.takeAll()
	slices.Reverse(all)
	for i, e := range all {
		o.remove(e)
		if n, want := len(filesOf(t, dir)), 6-max(i-1, 0)/2; n != want {
			t.Errorf("%d files after %d acknowledgements, want %d", n, i+1, want)
		}
	}
	if s := o.state(); s.pending != 0 || s.bytes != 0 || o.loaded != 0 {
		t.Errorf("state is %+v", s)
	}
}

// The bound holds on disk; what goes are the oldest, and their number is known.
func TestFullDiskOutboxDropsOldest(t *testing.T) {
	const limit = 16 * 3000
	dir := t.TempDir()
	o := openTest(t, dir, limit)
	var flying []*entry
	for i := range 200 {
		o.add(testEvent(i, 900))
		if i == 5 {
			flying = o.takeAll()
		}
		if i%20 == 0 {
			var size int64
			filepath.WalkDir(dir, func(_ string, d fs.DirEntry, _ error) error {
				info, _ := d.Info()
				if !d.IsDir() {
					size += info.Size()
				}
				return nil
			})
			if size > limit {
				t.Fatalf("%d octets on disk, limit %d", size, limit)
			}
		}
	}
	for _, e := range flying {
		o.putBack(e)
		if o.remove(e) {
			t.Errorf("%s was dropped, and removed again", e.event.ID)
		}
	}
	s := o.state()
	all := numbers(o.takeAll())
	if len(all)+int(s.drops.full) != 200 || len(all) != s.pending || len(all) < 40 || all[0] != fmt.Sprint(s.drops.full) || all[len(all)-1] != "199" {
		t.Errorf("left are %v; %+v", all, s)
	}
	o.add(testEvent(200, limit))
	if s := o.state(); s.drops.tooLarge != 1 {
		t.Errorf("state is %+v", s)
	}
	o.close()
	o = openTest(t, dir, limit/2) // a smaller one from now on
	if again := o.state(); again.pending+int(again.drops.full) != s.pending || again.drops.full == 0 {
		t.Errorf("state is %+v, %d were left", again, s.pending)
	}
}

// On a disk that is smaller than a segment what is delivered makes room for what
// is new: nobody else would.
func TestSmallDiskRecovers(t *testing.T) {
	o, d := onFaultyDisk(t, t.TempDir(), 1<<20)
	o.add(testEvent(0, 100))
	first := o.take()
	d.write, d.small = syscall.ENOSPC, true
	o.add(testEvent(1, 100))
	if o.rescue() == nil {
		t.Error("an event that is not delivered yet has made room")
	}
	o.remove(first)
	if err := o.rescue(); err != nil {
		t.Fatalf("all that is on the disk is delivered, and it takes nothing new: %v", err)
	}
	if got := strings.Join(numbers(o.takeAll()), " "); got != "1" || o.state().bytes == 0 || o.bytes != 0 {
		t.Errorf("left is %q, %d octets of it in memory only", got, o.bytes)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	o := openTest(t, dir, 1<<20)
	if _, err := openOutbox(dir, 1<<20, quiet); err == nil || !strings.Contains(err.Error(), dir+": in use by another process") {
		t.Errorf("error is %v", err)
	}
	o.close()
	openTest(t, dir, 1<<20)
}

func TestOthersCannotReadTheOutbox(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "a", "outbox")
	o := openTest(t, dir, 1<<20)
	o.add(testEvent(0, 1))
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
		info, err := d.Info()
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
}

// A folder with other things in it is used, and they are left alone.
func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "x" + segmentSuffix, "99999999999999999999999" + segmentSuffix} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := openTest(t, dir, 1<<20)
	o.add(testEvent(0, 1))
	o.remove(o.take())
	if o.close(); len(filesOf(t, dir)) != 3 {
		t.Errorf("files are %v", filesOf(t, dir))
	}
}
