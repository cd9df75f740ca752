package twamp_test

import (
	"testing"

	"tinytwamp/shared/twamp"
)

const (
	open, auth, enc, mixed = twamp.Unauthenticated, twamp.Authenticated, twamp.Encrypted, twamp.Mixed
	reflectOctets, size    = twamp.ReflectOctets, twamp.SymmetricalSize
)

// A client picks one security mode, and nothing that was not offered.
func TestValidModes(t *testing.T) {
	for _, tt := range []struct {
		picked, offered twamp.Mode
		valid           bool
	}{
		{open, open, true},
		{open, open | auth | enc | mixed, true},
		{mixed, open | auth | enc | mixed, true},
		{enc | size | reflectOctets, enc | size | reflectOctets, true},
		{enc | size, enc | size | reflectOctets, true},
		{0, open, false},
		{size, open | size, false},
		{open, auth | enc | mixed, false}, // a downgrade
		{enc, auth, false},
		{open | enc, open | enc, false},
		{auth | mixed, auth | mixed, false},
		{enc | size, enc, false},
		{open | 1<<31 | 1<<4, open, true}, // unknown bits are ignored
	} {
		if got := tt.picked.Valid(tt.offered); got != tt.valid {
			t.Errorf("%v of %v is valid: %v", tt.picked, tt.offered, got)
		}
	}
}

// The strongest of what both allow, and never weaker than asked.
func TestStrongest(t *testing.T) {
	all := open | auth | enc | mixed
	for _, tt := range []struct {
		offered, least twamp.Mode
		key            bool
		want           twamp.Mode // 0: none
	}{
		{all, open, true, enc},
		{all, open, false, open},
		{all, mixed, false, 0},
		{all, enc, true, enc},
		{open | auth | mixed, open, true, auth},
		{open | auth | mixed, enc, true, 0},
		{open | mixed, open, true, mixed},
		{open | mixed, auth, true, 0},
		{open | mixed, mixed, true, mixed},
		{open, open, true, open},
		{open, mixed, true, 0},
		{auth | enc | mixed, open, false, 0},
		{0, open, true, 0},
		{all | size | 1<<20, open, true, enc},
	} {
		got, ok := tt.offered.Strongest(tt.least, tt.key)
		if got != tt.want || ok != (tt.want != 0) {
			t.Errorf("of %v, at least %v, key %v: %v, %v", tt.offered, tt.least, tt.key, got, ok)
		}
	}
}

func TestModeNames(t *testing.T) {
	for _, name := range []string{"none", "mixed", "authenticated", "encrypted"} {
		var m twamp.Mode
		if err := m.UnmarshalText([]byte(name)); err != nil || m.String() != name {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	var m twamp.Mode
	for _, name := range []string{"", "open", "Encrypted", "reflect-octets"} {
		if err := m.UnmarshalText([]byte(name)); err == nil {
			t.Errorf("%q is %v", name, m)
		}
	}
	if s := (enc | size | 1<<8).String(); s != "encrypted+symmetrical-size+0x100" {
		t.Errorf("names are %s", s)
	}
	if enc.ProtectsTest() != true || auth.ProtectsTest() != true || mixed.ProtectsTest() || open.ProtectsTest() ||
		!mixed.ProtectsControl() || open.ProtectsControl() || (mixed|size).Security() != mixed {
		t.Error("what modes protect is not what the RFCs say")
	}
}
