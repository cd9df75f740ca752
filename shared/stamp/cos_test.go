package stamp_test

import (
	"bytes"
	"errors"
	"testing"

	"tinytwamp/shared/stamp"
)

// RFC 8972 4.4-2, 4.4-4, 4.4-7, 4.4-8
func TestClassOfService(t *testing.T) {
	for _, c := range []struct {
		value  stamp.ClassOfService
		golden string
	}{
		{stamp.ClassOfService{DSCP1: 46, DSCP2: 20, ECN: 1}, "b9440000"},
		{stamp.ClassOfService{DSCP1: 1, DSCP2: 62, ECN: 2, ReversePath: 1}, "07e90000"},
		{stamp.ClassOfService{DSCP1: 63, DSCP2: 63, ECN: 3, ReversePath: 3}, "ffff0000"},
	} {
		b := bytes.Repeat([]byte{0xff}, stamp.ClassOfServiceSize)
		c.value.Put(b)
		if !bytes.Equal(b, unhex(t, c.golden)) {
			t.Errorf("%+v is encoded %x, want %s", c.value, b, c.golden)
		}
		var got stamp.ClassOfService
		if err := got.UnmarshalBinary(b); err != nil || got != c.value {
			t.Errorf("%s is decoded %+v, %v", c.golden, got, err)
		}
	}
	var got stamp.ClassOfService
	for _, n := range []int{0, 3, 5} {
		if err := got.UnmarshalBinary(make([]byte, n)); !errors.Is(err, stamp.ErrMalformed) {
			t.Errorf("%d octets: %v, want ErrMalformed", n, err)
		}
	}
}
