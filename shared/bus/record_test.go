package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// readAll reads what is in a segment: the ids, and how often it was damaged.
func readAll(t testing.TB, b []byte) (ids []string, corrupt int, torn bool) {
	t.Helper()
	r := reader{src: bytes.NewReader(b), end: int64(len(b))}
	for {
		before := r.off
		rec, at, err := r.next()
		switch {
		case err == nil:
			if r.off-at != rec.size || headerSize+int64(len(rec.event.ID)+len(rec.event.Subject)+len(rec.event.Body)) != rec.size {
				t.Fatalf("record of %d octets from %d to %d: %+v", rec.size, at, r.off, rec.event)
			}
			ids = append(ids, rec.event.ID)
		case errors.Is(err, errCorrupt):
			corrupt++
		case errors.Is(err, errTorn):
			torn = true
		case errors.Is(err, io.EOF):
			return ids, corrupt, torn
		default:
			t.Fatal(err)
		}
		if r.off <= before {
			t.Fatalf("no progress at %d", before)
		}
	}
}

// three returns three records, and where each ends.
func three() (b []byte, ends []int) {
	for i := range 3 {
		b = appendRecord(b, events.Encoded{ID: fmt.Sprint(i), Subject: "twamp.v1.log.p1", Body: []byte(strings.Repeat("x", 40+i))}, time.Unix(0, 1e18), stateFresh)
		ends = append(ends, len(b))
	}
	return b, ends
}

func TestRecordHoldsAnEvent(t *testing.T) {
	want := events.Encoded{ID: "id-1", Subject: "twamp.v1.log.p1", Body: []byte(`{"a":"ü"}`)}
	b := appendRecord([]byte("prefix"), want, time.Unix(0, 1234567890123456789), stateTried)[len("prefix"):]
	rec, ok := parseRecord(b)
	size, fits := recordSize(want)
	if !ok || !fits || rec.event.ID != want.ID || rec.event.Subject != want.Subject || !bytes.Equal(rec.event.Body, want.Body) ||
		rec.accepted.UnixNano() != 1234567890123456789 || rec.state != stateTried || rec.size != size || size != int64(len(b)) {
		t.Errorf("record is %+v of %d octets, %v", rec, size, ok)
	}
	const golden = "f56576010000000a112210f47de98115abdfe064000f040f2705e374"
	if got := fmt.Sprintf("%x", b[:headerSize]); got != golden {
		t.Errorf("header is %s, what earlier versions left on disk has %s", got, golden)
	}
	if _, fits := recordSize(events.Encoded{ID: strings.Repeat("x", 256)}); fits {
		t.Error("an id of 256 octets fits")
	}
}

// A write that was cut short is not a record, wherever it was cut, and costs
// those before it nothing.
func TestTornAtEveryOffset(t *testing.T) {
	whole, ends := three()
	for cut := ends[1]; cut < len(whole); cut++ {
		ids, corrupt, torn := readAll(t, whole[:cut])
		if strings.Join(ids, "") != "01" || corrupt != 0 || torn != (cut > ends[1]) {
			t.Fatalf("cut at %d of %d: records %v, %d damages, torn %v", cut, len(whole), ids, corrupt, torn)
		}
	}
}

// Whichever bit flips, the other records are there, and the damage shows. Where
// the state is, it costs nothing.
func TestEveryBitFlip(t *testing.T) {
	whole, ends := three()
	for bit := range 8 * ends[1] {
		b := bytes.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		ids, corrupt, torn := readAll(t, b)
		want, damages := "12", 1
		if bit/8 >= ends[0] {
			want = "02"
		}
		if bit/8 == stateOffset || bit/8 == ends[0]+stateOffset {
			want, damages = "012", 0
		}
		if strings.Join(ids, "") != want || corrupt != damages || torn {
			t.Fatalf("bit %d: records %v, %d damages, torn %v", bit, ids, corrupt, torn)
		}
	}
}

// Zeros in the middle, as a power failure may leave them, and at a place where
// nothing is aligned.
func TestOverwrittenMiddle(t *testing.T) {
	whole, ends := three()
	b := bytes.Clone(whole)
	clear(b[ends[0]-10 : ends[1]-10])
	if ids, corrupt, _ := readAll(t, b); strings.Join(ids, "") != "2" || corrupt != 2 {
		t.Errorf("records %v, %d damages", ids, corrupt)
	}
}

// An event that is larger than what is read at once, and one that looks like
// marks all over.
func TestLargeRecords(t *testing.T) {
	large := events.Encoded{ID: "large", Subject: "s", Body: bytes.Repeat([]byte("x"), 5*readAhead)}
	marks := events.Encoded{ID: "marks", Subject: "s", Body: bytes.Repeat(mark, 10*readAhead/len(mark))}
	b := appendRecord(nil, large, time.Now(), stateFresh)
	at := len(b)
	b = appendRecord(b, marks, time.Now(), stateFresh)
	b = appendRecord(b, large, time.Now(), stateFresh)
	if ids, corrupt, _ := readAll(t, b); fmt.Sprint(ids) != "[large marks large]" || corrupt != 0 {
		t.Errorf("records %v, %d damages", ids, corrupt)
	}
	b[at+4] ^= 1 // now nothing says where the next one begins
	if ids, corrupt, _ := readAll(t, b); fmt.Sprint(ids) != "[large large]" || corrupt != 1 {
		t.Errorf("records %v, %d damages", ids, corrupt)
	}
}

// Whatever is on disk, reading it ends, and what was written whole in front of
// it is read.
func FuzzSegment(f *testing.F) {
	whole, ends := three()
	f.Add(whole)
	f.Add(whole[:ends[1]+5])
	f.Add(bytes.Repeat(mark, 40))
	f.Add(append(bytes.Clone(whole[:headerSize]), whole...))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		readAll(t, b)
		ids, _, _ := readAll(t, append(bytes.Clone(whole), b...))
		if len(ids) < 3 || strings.Join(ids[:3], "") != "012" {
			t.Errorf("records are %q", ids)
		}
	})
}
