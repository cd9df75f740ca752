package prober

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// Every payload has the size that was asked for, holds the message, and is
// taken for what it is: TLVs in stamp mode, padding in light mode.
//
// RFC 8762 4.2-5, RFC 8972 4.1-1, 4.1-2, 4.1-3, 4.1-4, 4.1-5
func TestPayload(t *testing.T) {
	const message = "TWAMP test message"
	sizes := append([]int{0}, 44, 45, 46, 47, 48, 49, 62, 63, 64, 66, 67, 68, 1472, 9000, MaxSize)
	for _, mode := range []Mode{ModeSTAMP, ModeLight} {
		for _, padding := range []Padding{PadMessage, PadZero, PadRandom} {
			for _, text := range []string{"", "x", message} {
				for _, size := range sizes {
					t.Run(fmt.Sprint(mode, padding, text, size), func(t *testing.T) { testPayload(t, mode, size, padding, text) })
				}
			}
		}
	}
}

func testPayload(t *testing.T, mode Mode, size int, padding Padding, message string) {
	header, inside := 0, 0
	if mode == ModeSTAMP {
		header = 4
	}
	if padding == PadMessage && message != "" {
		inside = len(message) + 1
	}
	want := size
	if size == 0 {
		want = 44
		if inside > 0 {
			want += header + inside
		}
	}
	possible := want == 44 && inside == 0 || want-44 >= header+inside
	b, err := Payload(mode, stamp.BaseSize, size, TLVs{}, 0, padding, message)
	if (err == nil) != possible {
		t.Fatalf("error %v, possible is %v", err, possible)
	}
	if err != nil {
		return
	}
	if len(b) != want || !bytes.Equal(b[:44], make([]byte, 44)) {
		t.Fatalf("%d octets, want %d with an empty base", len(b), want)
	}
	pad := b[44:]
	if stamp.HasTLVs(pad) != (mode == ModeSTAMP && len(pad) > 0) {
		t.Fatalf("is taken for TLVs: %v", stamp.HasTLVs(pad))
	}
	if mode == ModeSTAMP && len(pad) > 0 {
		v, rest, err := stamp.NextTLV(pad)
		if err != nil || len(rest) > 0 || v.Type != stamp.TLVExtraPadding || v.Flags != stamp.FlagU {
			t.Fatalf("not one Extra Padding TLV: %v, %v, %v", v, rest, err)
		}
		pad = v.Value
	}
	if got, _ := stamp.Message(pad); inside > 0 && string(got) != message {
		t.Errorf("message %q, want %q", got, message)
	}
	zero := !slices.ContainsFunc(pad[inside:], func(c byte) bool { return c != 0 })
	if len(pad) > 100 && zero == (padding == PadRandom) {
		t.Errorf("padding is all zero: %v", zero)
	}
}

// Random padding never begins like a TLV in light mode, where one in 256 would.
func TestRandomPaddingIsNoTLV(t *testing.T) {
	for range 5000 {
		if b, _ := Payload(ModeLight, stamp.BaseSize, 45, TLVs{}, 0, PadRandom, ""); stamp.HasTLVs(b[44:]) {
			t.Fatal("a STAMP reflector takes the padding for TLVs")
		}
	}
}

func TestPayloadErrorsSayWhatToDo(t *testing.T) {
	for size, want := range map[int]string{
		44: "must be at least 50, so that the message fits in, or the padding zero or random",
		46: "must be at least 50, so that the message fits in, or the padding zero or random",
	} {
		if _, err := Payload(ModeSTAMP, stamp.BaseSize, size, TLVs{}, 0, PadMessage, "x"); err == nil || err.Error() != want {
			t.Errorf("size %d: %v, want %s", size, err, want)
		}
	}
	if _, err := Payload(ModeSTAMP, stamp.BaseSize, 46, TLVs{}, 0, PadZero, ""); err == nil {
		t.Error("a TLV header of 4 octets in 2")
	}
}
