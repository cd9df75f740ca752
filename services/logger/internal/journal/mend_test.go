package journal_test

import (
	"os"
	"testing"

	"tinytwamp/services/logger/internal/journal"
)

// again is a message that its publisher sends once more: all files are asked for
// it.
func again(seq uint64) []journal.Entry {
	e := entry(seq)
	e.Seq, e.Retried = e.Seq+1_000, true
	return []journal.Entry{e}
}

// three are a journal with a record in each of three files.
func three(t *testing.T) (journal.Options, *journal.Journal) {
	o := options(t)
	o.RotateSize = 1
	j := open(t, o)
	for seq := uint64(1); seq <= 3; seq++ {
		put(t, j, entries(seq, seq))
	}
	return o, j
}

// An index that is lost or damaged while the journal is open does not keep it
// from taking events until the next start.
func TestIndexThatIsLostIsWrittenAnew(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"removed":   os.Remove,
		"truncated": func(path string) error { return os.Truncate(path, 7) },
	} {
		t.Run(name, func(t *testing.T) {
			o, j := three(t)
			if err := harm(paths(t, o)[0] + ".ids"); err != nil {
				t.Fatal(err)
			}
			if err := j.Retain(); err != nil {
				t.Fatal(err)
			}
			if n := put(t, j, again(1)); n != 0 {
				t.Error("an event that is there was written again")
			}
			if n := put(t, j, again(4)); n != 1 {
				t.Error("an event was not written")
			}
		})
	}
}

// What a person removes is gone, and keeps nothing else from being stored: not
// even the file that is written to goes on without a name.
func TestFilesThatSomebodyRemoved(t *testing.T) {
	o, j := three(t)
	for _, path := range paths(t, o) {
		for _, p := range []string{path, path + ".ids"} {
			if err := os.Remove(p); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	if err := j.Retain(); err != nil {
		t.Fatal(err)
	}
	if n := put(t, j, again(4)); n != 1 {
		t.Error("an event was not written")
	}
	if got := sequences(t, o); len(got) != 1 || j.Stats().Files != 1 {
		t.Errorf("the files hold %v, %+v", got, j.Stats())
	}
}
