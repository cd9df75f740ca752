package stamp_test

import (
	"testing"

	"tinytwamp/shared/stamp"
)

func TestDSCP(t *testing.T) {
	for text, want := range map[string]stamp.DSCP{"0": 0, "63": 63, "0x2e": 46, "010": 10, "EF": 46, "ef": 46, "af41": 34, "CS1": 8, "LE": 1} {
		var d stamp.DSCP
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want {
			t.Errorf("%s is %d (%v), want %d", text, d, err, want)
		}
	}
	for _, text := range []string{"", "64", "-1", "AF44", "EF ", "1.5"} {
		var d stamp.DSCP
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, d)
		}
	}
}
