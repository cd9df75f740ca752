package stamp_test

import (
	"bytes"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// A packet in which no octet of a field occurs twice, and how it must look.
var (
	reflectorPacket = stamp.ReflectorPacket{
		Sequence:            0x01020304,
		Timestamp:           0x05060708_090a0b0c,
		ErrorEstimate:       0x0d0e,
		SSID:                0x0f10,
		ReceiveTimestamp:    0x11121314_15161718,
		SenderSequence:      0x191a1b1c,
		SenderTimestamp:     0x1d1e1f20_21222324,
		SenderErrorEstimate: 0x2526,
		SenderTTL:           0x27,
		TTLKnown:            true,
	}
	reflectorHex = "01020304 05060708090a0b0c 0d0e 0f10 1112131415161718" +
		"191a1b1c 1d1e1f2021222324 2526 0000 27 000000"
)

// RFC 8762 4.1-6, 4.3.1-1, 4.3.1-2, 4.3.1-6, 4.3.1-16, RFC 8972 3-2, 3-17, 4.1-6
func TestReflectorPacketEncode(t *testing.T) {
	want := unhex(t, reflectorHex)
	for _, prefix := range []string{"", "x", "an IP header, say"} {
		if got := encode(t, []byte(prefix), reflectorPacket); !bytes.Equal(got, want) {
			t.Errorf("behind %q:\n got %x\nwant %x", prefix, got, want)
		}
	}
	if len(want) != stamp.BaseSize {
		t.Errorf("the golden has %d octets", len(want))
	}
}

// Buffers are reused: what must be zero is written, not left as it was.
//
// RFC 8762 4.3.1-16
func TestReflectorPacketEncodeIntoUsedBuffer(t *testing.T) {
	used := bytes.Repeat([]byte{0xee}, 100)
	got, _ := reflectorPacket.AppendBinary(used[:0])
	if want := unhex(t, reflectorHex); !bytes.Equal(got, want) {
		t.Errorf("\n got %x\nwant %x", got, want)
	}
}

// Replies of 36, 38, 41 and 44 octets are in use; what lies between decodes as
// the shorter one.
//
// RFC 8762 4.3.1-1, 4.6-2, RFC 5357 4.2.1
func TestReflectorPacketDecodeAtEveryLength(t *testing.T) {
	b := append(unhex(t, reflectorHex), "padding"...)
	for n := range len(b) + 1 {
		got := stamp.ReflectorPacket{Sequence: 99, SenderTTL: 99, TTLKnown: true}
		err := got.UnmarshalBinary(slices.Clip(b[:n]))

		want := reflectorPacket
		if n < 36 {
			expectShort(t, err)
			want = stamp.ReflectorPacket{Sequence: 99, SenderTTL: 99, TTLKnown: true} // untouched
		} else if err != nil {
			t.Errorf("%d octets: %v", n, err)
		}
		if n >= 36 && n < 38 {
			want.SenderErrorEstimate = 0
		}
		if n >= 36 && n < stamp.LightReplySize {
			want.SenderTTL, want.TTLKnown = 0, false
		}
		if got != want {
			t.Errorf("%d octets: got %+v, want %+v", n, got, want)
		}
	}
}

// RFC 8762 4.3.1-17
func TestReflectorPacketIgnoresWhatMustBeZero(t *testing.T) {
	b := unhex(t, reflectorHex)
	for _, i := range []int{38, 39, 41, 42, 43} {
		b[i] = 0xff
	}
	var got stamp.ReflectorPacket
	if err := got.UnmarshalBinary(b); err != nil || got != reflectorPacket {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestReflectorPacketDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, stamp.BaseSize)
	p := reflectorPacket
	expectNoAllocations(t, func() {
		b, _ := p.AppendBinary(buf)
		_ = p.UnmarshalBinary(b)
		_ = p.UnmarshalBinary(b[:35])
	})
}

func FuzzReflectorPacket(f *testing.F) {
	golden := unhex(f, reflectorHex)
	for _, n := range []int{0, 35, 36, 37, 38, 40, 41, 44} {
		f.Add(golden[:n])
	}
	for _, d := range capturedTests(f) {
		f.Add(d.payload)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p stamp.ReflectorPacket
		if err := p.UnmarshalBinary(b); err != nil {
			if len(b) >= 36 {
				t.Fatalf("%d octets: %v", len(b), err)
			}
			return
		}

		again := encode(t, nil, p)
		fields := 36
		if len(b) >= 38 {
			fields = 38
		}
		if !bytes.Equal(again[:fields], b[:fields]) {
			t.Fatalf("decoded and encoded:\n got %x\nwant %x", again[:fields], b[:fields])
		}
		if p.TTLKnown != (len(b) >= stamp.LightReplySize) || p.TTLKnown && again[40] != b[40] {
			t.Fatalf("%d octets: TTL %d, known %v", len(b), p.SenderTTL, p.TTLKnown)
		}
		checkTime(t, p.Timestamp, p.ErrorEstimate)
		checkTime(t, p.ReceiveTimestamp, p.ErrorEstimate)
		checkTime(t, p.SenderTimestamp, p.SenderErrorEstimate)
	})
}
