package stamp_test

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"tinytwamp/shared/stamp"
)

var (
	_ encoding.BinaryAppender    = stamp.SenderPacket{}
	_ encoding.BinaryUnmarshaler = (*stamp.SenderPacket)(nil)
	_ encoding.BinaryAppender    = stamp.ReflectorPacket{}
	_ encoding.BinaryUnmarshaler = (*stamp.ReflectorPacket)(nil)
)

// unhex reads hex digits; blanks in them are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encode appends p to prefix, and fails if that changed the prefix.
func encode(t testing.TB, prefix []byte, p encoding.BinaryAppender) []byte {
	t.Helper()
	b, err := p.AppendBinary(slices.Clip(prefix))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, prefix) {
		t.Fatalf("AppendBinary changed what was there: %x", b)
	}
	return b[len(prefix):]
}

// expectNoAllocations fails if f allocates.
func expectNoAllocations(t *testing.T, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func expectShort(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, stamp.ErrShort) {
		t.Errorf("err = %v, want ErrShort", err)
	}
}
