package journal_test

import (
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/logger/internal/journal"
)

// rest counts the lines of a part behind an offset, and tells where it has come
// to.
func rest(t *testing.T, p journal.Part, offset int64) (lines int, end int64) {
	t.Helper()
	c, err := p.Open(offset)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		_, err := c.Next()
		if errors.Is(err, io.EOF) {
			return lines, c.Offset()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines++
	}
}

// A reader that goes on where it was finds each record once, while the file
// grows, and after it was ended and compressed.
func TestReadingAPartFromWhereOneWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		o.CompressAge, o.RotateAge = time.Hour, 2*time.Hour
		j := open(t, o)
		defer j.Close()
		put(t, j, entries(1, 3))
		first := j.Parts()[0]
		lines, at := rest(t, first, 0)
		if lines != 3 || at != first.Size {
			t.Fatalf("%d lines up to %d of %d", lines, at, first.Size)
		}
		put(t, j, entries(4, 5))
		if lines, _ := rest(t, first, at); lines != 0 {
			t.Errorf("%d lines that were not there when it was asked", lines)
		}
		if lines, _ := rest(t, j.Parts()[0], at); lines != 2 {
			t.Errorf("%d new lines, want 2", lines)
		}
		time.Sleep(3 * time.Hour)
		put(t, j, entries(6, 6))
		time.Sleep(2 * time.Hour)
		if err := j.Compress(t.Context()); err != nil {
			t.Fatal(err)
		}
		parts := j.Parts()
		if len(parts) != 2 || parts[0].Name != first.Name || parts[0].Size != -1 {
			t.Fatalf("%+v", parts)
		}
		if lines, _ := rest(t, parts[0], at); lines != 2 {
			t.Errorf("%d lines behind the third in the compressed file, want 2", lines)
		}
		if lines, _ := rest(t, first, at); lines != 0 {
			t.Errorf("%d lines of a file that was asked for before it grew", lines)
		}
	})
}

// What is written and not synced yet may be cut off again: it is not read.
func TestPartEndsWhereItIsSynced(t *testing.T) {
	o := options(t)
	j := open(t, o)
	defer j.Close()
	put(t, j, entries(1, 2))
	f, err := os.OpenFile(paths(t, o)[0], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("{\"seq\":3}\n{\"seq\":4")
	f.Close()
	if lines, _ := rest(t, j.Parts()[0], 0); lines != 2 {
		t.Errorf("%d lines, want 2", lines)
	}
}
