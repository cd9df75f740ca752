package stamp_test

import (
	"bytes"
	"errors"
	"testing"

	"tinytwamp/shared/stamp"
)

// RFC 8972 4.7-9, 4.7-11, 4.7-16, 4.7-17
func TestFollowUp(t *testing.T) {
	want := stamp.FollowUp{Sequence: 0x01020304, Timestamp: 0x1112131415161718, Mode: stamp.TimestampSWLocal}
	b := bytes.Repeat([]byte{0xff}, stamp.FollowUpSize)
	want.Put(b)
	if golden := unhex(t, "01020304 1112131415161718 02 000000"); !bytes.Equal(b, golden) {
		t.Errorf("encoded %x, want %x", b, golden)
	}
	var got stamp.FollowUp
	if err := got.UnmarshalBinary(b); err != nil || got != want {
		t.Errorf("decoded %+v, %v", got, err)
	}
	for n := range stamp.FollowUpSize + 2 {
		if n == stamp.FollowUpSize {
			continue
		}
		if err := got.UnmarshalBinary(make([]byte, n)); !errors.Is(err, stamp.ErrMalformed) {
			t.Errorf("%d octets: %v, want ErrMalformed", n, err)
		}
	}
}
