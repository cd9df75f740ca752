package bus

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A last write that was cut short is passed over, whether it is at the end of
// the file that is gone on with or of another one.
func TestRestartAfterTornWrite(t *testing.T) {
	dir := t.TempDir()
	o := openTest(t, dir, 1<<20)
	o.add(testEvent(0, 50))
	o.close()
	path := filepath.Join(dir, filesOf(t, dir)[0])
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := appendRecord(nil, testEvent(1, 50), time.Now(), stateFresh)
	for cut := range torn {
		if err := os.WriteFile(path, append(bytes.Clone(whole), torn[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		o := openTest(t, dir, 1<<20)
		o.add(testEvent(2, 10))
		if got := strings.Join(numbers(o.takeAll()), " "); got != "0 2" || o.state().drops != (drops{}) {
			t.Fatalf("cut at %d: %s, %+v", cut, got, o.state())
		}
		o.close()
		o = openTest(t, dir, 1<<20)
		if got := strings.Join(numbers(o.takeAll()), " "); got != "0 2" || o.state().drops != (drops{}) {
			t.Fatalf("cut at %d, after another restart: %s, %+v", cut, got, o.state())
		}
		o.close()
	}
}

// A damaged file costs what is damaged; it is set aside for a person, and no
// more than a few are.
func TestDamagedFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	for round := range maxSetAside + 2 {
		o := openTest(t, dir, 1<<20)
		for i := range 3 {
			o.add(testEvent(i, 100))
		}
		o.close()
		names := filesOf(t, dir)
		path := filepath.Join(dir, names[len(names)-1])
		for _, name := range names {
			if strings.HasSuffix(name, segmentSuffix) {
				path = filepath.Join(dir, name)
			}
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 0x10
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		o = openTest(t, dir, 1<<20)
		all := o.takeAll()
		if s := o.state(); strings.Join(numbers(all), " ") != "0 2" || s.drops != (drops{corrupt: 1}) || s.pending != 2 {
			t.Errorf("round %d: left are %v, %+v", round, numbers(all), s)
		}
		o.add(testEvent(4, 10)) // not into the damaged file
		for _, e := range append(all, o.take()) {
			o.remove(e)
		}
		o.close()
		names = filesOf(t, dir)
		if len(names) != min(round+1, maxSetAside) || strings.HasSuffix(strings.Join(names, " "), segmentSuffix) {
			t.Errorf("round %d: files are %v", round, names)
		}
	}
}

// Damage that comes while the process runs, with events of it on their way.
func TestDamageWhileRunning(t *testing.T) {
	const size = 40_000 // the second record is not read with the first
	dir := t.TempDir()
	o := openTest(t, dir, 16<<20)
	for i := range 5 {
		o.add(testEvent(i, size))
	}
	first := o.take()
	o.rest(first)
	o.putBack(first)
	path := filepath.Join(dir, filesOf(t, dir)[0])
	if err := os.Truncate(path, 5*size/2); err != nil { // in the third record
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("!!"), 50); err != nil { // in the first
		t.Fatal(err)
	}
	empty := o.whenEmpty()
	all := o.takeAll()
	if s := o.state(); strings.Join(numbers(all), " ") != "1" || s.pending != 1 || s.drops != (drops{corrupt: 4}) {
		t.Errorf("taken %v, %+v", numbers(all), s)
	}
	o.add(testEvent(9, 10)) // to another file
	for _, e := range append(all, o.take()) {
		o.remove(e)
	}
	select {
	case <-empty:
	default:
		t.Errorf("not empty: %+v", o.state())
	}
	if names := filesOf(t, dir); len(names) != 2 || !strings.HasSuffix(names[0], corruptSuffix) {
		t.Errorf("files are %v", names)
	}
}

// Who waits for an empty outbox does not wait for what cannot be read.
func TestUnreadableOutboxEmpties(t *testing.T) {
	dir := t.TempDir()
	o := openTest(t, dir, 1<<20)
	o.add(testEvent(0, 100))
	if err := os.Truncate(filepath.Join(dir, filesOf(t, dir)[0]), 50); err != nil {
		t.Fatal(err)
	}
	empty := o.whenEmpty()
	if e := o.take(); e != nil {
		t.Errorf("took %+v", e)
	}
	select {
	case <-empty:
	default:
		t.Errorf("not empty: %+v", o.state())
	}
}
