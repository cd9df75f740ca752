package stamp_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// Three TLVs as a sender writes them: one with a value, one empty, and the
// Class of Service TLV with DSCP1 46, DSCP2 20, ECN 1 and RP 0.
const tlvHex = "80 01 0003 aabbcc" + "80 f0 0000" + "80 04 0004 b9440000"

var tlvs = []stamp.TLV{
	{Flags: stamp.FlagU, Type: stamp.TLVExtraPadding, Value: []byte{0xaa, 0xbb, 0xcc}},
	{Flags: stamp.FlagU, Type: 0xf0, Value: []byte{}},
	{Flags: stamp.FlagU, Type: stamp.TLVClassOfService, Value: []byte{0xb9, 0x44, 0, 0}},
}

func equalTLV(a, b stamp.TLV) bool {
	return a.Flags == b.Flags && a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}

// RFC 8972 4-3, 4-4, 4-8
func TestTLVEncode(t *testing.T) {
	b := []byte("prefix")
	for _, tlv := range tlvs {
		b = stamp.AppendTLV(b, tlv)
	}
	if want := append([]byte("prefix"), unhex(t, tlvHex)...); !bytes.Equal(b, want) {
		t.Errorf("\n got %x\nwant %x", b, want)
	}
}

// RFC 8972 4-3, 4-4, 4-8
func TestTLVDecode(t *testing.T) {
	b := unhex(t, tlvHex)
	for i, want := range tlvs {
		got, rest, err := stamp.NextTLV(b)
		if err != nil || !equalTLV(got, want) {
			t.Fatalf("TLV %d: got %+v, %v, want %+v", i, got, err, want)
		}
		b = rest
	}
	if len(b) != 0 {
		t.Errorf("left over: %x", b)
	}
}

// RFC 8972 4-9, 4.2-6, 4.3-7, 4.4-3, 4.5-2, 4.6-3, 4.7-10, 4.8-14, 5.1-1, 5.2-1
func TestTLVCodePoints(t *testing.T) {
	types := []stamp.TLVType{
		stamp.TLVExtraPadding, stamp.TLVLocation, stamp.TLVTimestampInfo, stamp.TLVClassOfService,
		stamp.TLVDirectMeasurement, stamp.TLVAccessReport, stamp.TLVFollowUpTelemetry, stamp.TLVHMAC,
	}
	for i, got := range types {
		if want := stamp.TLVType(i + 1); got != want {
			t.Errorf("type %d, RFC 8972 section 5.1 has %d", got, want)
		}
	}

	got := stamp.AppendTLV(nil, stamp.TLV{Flags: stamp.FlagU | stamp.FlagM | stamp.FlagI})
	if want := unhex(t, "e0 00 0000"); !bytes.Equal(got, want) {
		t.Errorf("all flags: got %x, want %x", got, want)
	}
}

// A TLV that is cut anywhere is malformed, and what there is of it is given
// back whole: a reflector copies it as it is.
//
// RFC 8972 4-15
func TestTLVTruncated(t *testing.T) {
	whole := unhex(t, "80 01 0003 aabbcc")
	for n := range len(whole) {
		b := slices.Clip(whole[:n])
		got, rest, err := stamp.NextTLV(b)
		if !errors.Is(err, stamp.ErrMalformed) {
			t.Errorf("%d octets: err = %v, want ErrMalformed", n, err)
		}
		if !equalTLV(got, stamp.TLV{}) || !bytes.Equal(rest, b) {
			t.Errorf("%d octets: got %+v, rest %x", n, got, rest)
		}
	}
}

func TestTLVMalformedBehindGoodOnes(t *testing.T) {
	tests := []struct{ name, tail string }{
		{"length beyond the packet", "80 01 0004 aabbcc"},
		{"length of 65535", "80 01 ffff 00"},
		{"header cut", "80 01 00"},
		{"one octet", "80"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := append(unhex(t, tlvHex), unhex(t, tt.tail)...)
			var err error
			for range tlvs {
				if _, b, err = stamp.NextTLV(b); err != nil {
					t.Fatal(err)
				}
			}
			_, rest, err := stamp.NextTLV(b)
			if !errors.Is(err, stamp.ErrMalformed) || !bytes.Equal(rest, unhex(t, tt.tail)) {
				t.Errorf("err = %v, rest %x", err, rest)
			}
		})
	}
}

// The value is the packet's own octets, but an append to it stays out of the
// TLV behind it.
func TestTLVValueAliasesPacket(t *testing.T) {
	b := unhex(t, tlvHex)
	tlv, _, _ := stamp.NextTLV(b)
	tlv.Value[0] = 0x11
	_ = append(tlv.Value, 0x22)
	if want := unhex(t, "80 01 0003 11bbcc 80"); !bytes.Equal(b[:8], want) {
		t.Errorf("packet: got %x, want %x", b[:8], want)
	}
}

func TestTLVLongestValue(t *testing.T) {
	for _, size := range []int{65535, 65536, 70000} {
		b := stamp.AppendTLV(nil, stamp.TLV{Type: stamp.TLVExtraPadding, Value: make([]byte, size)})
		got, rest, err := stamp.NextTLV(b)
		if err != nil || len(got.Value) != 65535 || len(rest) != 0 {
			t.Errorf("%d octets: %d in the value, %d left, %v", size, len(got.Value), len(rest), err)
		}
	}
}

// RFC 8972 4-24
func TestHasTLVs(t *testing.T) {
	tests := []struct {
		trailing string
		want     bool
	}{
		{"", false},
		{"00", false},
		{"80", true},
		{"80 01 0000", true},
		{"81 01 0000", false}, // a reserved flag
		{"c0 01 0000", false}, // a sender must clear M
		{"a0 01 0000", false}, // and I
		{"54574d50", false},   // a readable message
	}
	for _, tt := range tests {
		if got := stamp.HasTLVs(unhex(t, tt.trailing)); got != tt.want {
			t.Errorf("HasTLVs(%s) = %v", tt.trailing, got)
		}
	}
}

func TestTLVDoesNotAllocate(t *testing.T) {
	b, buf := unhex(t, tlvHex+"80 01 ffff"), make([]byte, 0, 100)
	expectNoAllocations(t, func() {
		out := buf
		rest := b
		var tlv stamp.TLV
		var err error
		for stamp.HasTLVs(rest) && err == nil {
			tlv, rest, err = stamp.NextTLV(rest)
			out = stamp.AppendTLV(out, tlv)
		}
	})
}

func FuzzTLV(f *testing.F) {
	f.Add(unhex(f, tlvHex))
	f.Add(unhex(f, tlvHex)[:9])
	f.Add(unhex(f, "80 01 ffff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		rest := b
		for len(rest) > 0 {
			tlv, next, err := stamp.NextTLV(rest)
			if err != nil {
				if !bytes.Equal(next, rest) {
					t.Fatalf("malformed, and the rest is %x instead of %x", next, rest)
				}
				break
			}
			if len(next)+stamp.TLVHeaderSize+len(tlv.Value) != len(rest) {
				t.Fatalf("%d octets became %d of value and %d", len(rest), len(tlv.Value), len(next))
			}
			again = stamp.AppendTLV(again, tlv)
			rest = next
		}
		if again = append(again, rest...); !bytes.Equal(again, b) {
			t.Fatalf("decoded and encoded:\n got %x\nwant %x", again, b)
		}
	})
}
