package history

import (
	"bytes"
	"reflect"
	"testing"
)

// full is a bucket in which no two numbers are the same.
func full() *bucket {
	b := &bucket{
		reports: 1, last: -2, dscp: 3,
		lost:    [2]optional{{true, 4}, {true, 5}},
		hops:    [2]hops{{true, 6, 7, true}, {true, 8, 9, false}},
		reasons: []string{"ten", "eleven"},
	}
	for i := range b.counts {
		b.counts[i] = uint64(1000 + i)
	}
	for i := range b.delays {
		d := &b.delays[i]
		for j := range 5 {
			d.add(int64((i-2)*1_000_000+j*70_000), uint64(1+100*i+j))
		}
	}
	return b
}

func TestBucketComesBackAsItWasStored(t *testing.T) {
	for name, want := range map[string]*bucket{"full": full(), "empty": {}, "one delay": {reports: 1, delays: [delays]delay{variationBackward: *distributionOf([]int64{0, 1, 1})}}} {
		stored := appendBucket([]byte("before"), want)
		got, err := parseBucket(bytes.TrimPrefix(stored, []byte("before")))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	stored := appendBucket(nil, full())
	for n := range stored {
		if _, err := parseBucket(stored[:n]); err == nil {
			t.Errorf("the first %d octets of %d pass for a bucket", n, len(stored))
		}
	}
	if _, err := parseBucket(append(stored, 0)); err == nil {
		t.Error("a bucket with an octet behind it is taken")
	}
}

// What is parsed can be merged, shown and stored again, whatever it is.
func FuzzBucket(f *testing.F) {
	f.Add(appendBucket(nil, full()))
	f.Add(appendBucket(nil, &bucket{}))
	f.Fuzz(func(t *testing.T, stored []byte) {
		b, err := parseBucket(stored)
		if err != nil {
			return
		}
		again, err := parseBucket(appendBucket(nil, b))
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Fatalf("%+v, stored again: %+v, %v", b, again, err)
		}
		for i := range b.delays {
			if d := &b.delays[i]; d.n > 0 {
				if f := d.figures(); f.P25 < f.Min || f.P50 < f.P25 || f.P999 < f.P50 || f.Max < f.P999 {
					t.Errorf("%+v", f)
				}
			}
		}
		b.merge(again)
	})
}
