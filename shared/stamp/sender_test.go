package stamp_test

import (
	"bytes"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// A packet in which no octet of a field occurs twice, and how it must look.
var (
	senderPacket = stamp.SenderPacket{
		Sequence:      0x01020304,
		Timestamp:     0x05060708_090a0b0c,
		ErrorEstimate: 0x0d0e,
		SSID:          0x0f10,
	}
	senderHex = "01020304 05060708090a0b0c 0d0e 0f10" +
		"00000000 00000000 00000000 00000000 00000000 00000000 00000000"
)

// RFC 8762 4.1-6, 4.2-2, 4.2-3, 4.2.1-1, 4.2.1-2, 4.2.1-5, 4.2.1-19, RFC 8972 3-2, 3-12, 4.1-6
func TestSenderPacketEncode(t *testing.T) {
	want := unhex(t, senderHex)
	for _, prefix := range []string{"", "x", "an IP header, say"} {
		if got := encode(t, []byte(prefix), senderPacket); !bytes.Equal(got, want) {
			t.Errorf("behind %q:\n got %x\nwant %x", prefix, got, want)
		}
	}
	if len(want) != stamp.BaseSize {
		t.Errorf("the golden has %d octets", len(want))
	}
}

// Buffers are reused: what must be zero is written, not left as it was.
//
// RFC 8762 4.2.1-19
func TestSenderPacketEncodeIntoUsedBuffer(t *testing.T) {
	used := bytes.Repeat([]byte{0xee}, 100)
	got, _ := senderPacket.AppendBinary(used[:0])
	if want := unhex(t, senderHex); !bytes.Equal(got, want) {
		t.Errorf("\n got %x\nwant %x", got, want)
	}
}

// RFC 8762 4.2.1-1, 4.2.1-2, 4.2.1-5, RFC 8972 3-3
func TestSenderPacketDecodeAtEveryLength(t *testing.T) {
	b := append(unhex(t, senderHex), "padding"...)
	for n := range len(b) + 1 {
		got := stamp.SenderPacket{Sequence: 99, SSID: 99}
		err := got.UnmarshalBinary(slices.Clip(b[:n]))

		want := senderPacket
		switch {
		case n < stamp.LightSize:
			expectShort(t, err)
			want = stamp.SenderPacket{Sequence: 99, SSID: 99} // untouched
		case n < 16:
			want.SSID = 0
		}
		if n >= stamp.LightSize && err != nil {
			t.Errorf("%d octets: %v", n, err)
		}
		if got != want {
			t.Errorf("%d octets: got %+v, want %+v", n, got, want)
		}
	}
}

// RFC 8762 4.2.1-20
func TestSenderPacketIgnoresWhatMustBeZero(t *testing.T) {
	b := unhex(t, senderHex)
	for i := 16; i < len(b); i++ {
		b[i] = 0xff
	}
	var got stamp.SenderPacket
	if err := got.UnmarshalBinary(b); err != nil || got != senderPacket {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPutTransmitTimestamp(t *testing.T) {
	const late = 0xf1f2f3f4_f5f6f7f8

	sender := senderPacket
	b := encode(t, nil, sender)
	stamp.PutTransmitTimestamp(b, late)
	sender.Timestamp = late
	if want := encode(t, nil, sender); !bytes.Equal(b, want) {
		t.Errorf("request:\n got %x\nwant %x", b, want)
	}

	reflector := reflectorPacket
	b = encode(t, nil, reflector)
	stamp.PutTransmitTimestamp(b, late)
	reflector.Timestamp = late
	if want := encode(t, nil, reflector); !bytes.Equal(b, want) {
		t.Errorf("reply:\n got %x\nwant %x", b, want)
	}
}

func TestSenderPacketDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, stamp.BaseSize)
	var p stamp.SenderPacket
	expectNoAllocations(t, func() {
		ts := stamp.NewTimestamp(1795374634714279951, stamp.NTP)
		e := stamp.NewErrorEstimate(1234567, true, stamp.NTP)
		b, _ := stamp.SenderPacket{Sequence: 7, Timestamp: ts, ErrorEstimate: e}.AppendBinary(buf)
		stamp.PutTransmitTimestamp(b, ts)
		_ = p.UnmarshalBinary(b)
		_ = p.UnmarshalBinary(b[:3])
		_, _ = p.Timestamp.UnixNano(p.ErrorEstimate.Format())
		_ = p.ErrorEstimate.Duration()
	})
}

func FuzzSenderPacket(f *testing.F) {
	f.Add(unhex(f, senderHex))
	for _, n := range []int{0, 13, 14, 15, 16} {
		f.Add(unhex(f, senderHex)[:n])
	}
	for _, d := range capturedTests(f) {
		f.Add(d.payload)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p stamp.SenderPacket
		if err := p.UnmarshalBinary(b); err != nil {
			if len(b) >= stamp.LightSize {
				t.Fatalf("%d octets: %v", len(b), err)
			}
			return
		}

		again := encode(t, nil, p)
		fields := stamp.LightSize
		if len(b) >= 16 {
			fields = 16
		}
		if !bytes.Equal(again[:fields], b[:fields]) {
			t.Fatalf("decoded and encoded:\n got %x\nwant %x", again[:fields], b[:fields])
		}
		var q stamp.SenderPacket
		if err := q.UnmarshalBinary(again); err != nil || q != p {
			t.Fatalf("decoded again: %+v, %v, want %+v", q, err, p)
		}
		checkTime(t, p.Timestamp, p.ErrorEstimate)
	})
}

// checkTime holds what is true of every timestamp and error estimate.
func checkTime(t *testing.T, ts stamp.Timestamp, e stamp.ErrorEstimate) {
	t.Helper()
	if ns, ok := ts.UnixNano(e.Format()); ok {
		if back, _ := stamp.NewTimestamp(ns, e.Format()).UnixNano(e.Format()); back != ns && !outOfReach(ts) {
			t.Fatalf("%#016x is %d ns, and then %d ns", uint64(ts), ns, back)
		}
	}
	if (e.Duration() > 0) != e.Valid() {
		t.Fatalf("%#04x: valid %v, duration %v", uint16(e), e.Valid(), e.Duration())
	}
	again := stamp.NewErrorEstimate(e.Duration(), e.Synchronized(), e.Format())
	if again.Duration() < e.Duration() || again.Synchronized() != e.Synchronized() || again.Format() != e.Format() {
		t.Fatalf("%#04x became %#04x", uint16(e), uint16(again))
	}
}

// outOfReach tells the last half nanosecond of NTP era 1, which rounds up to an
// instant that would be in era 0 again.
func outOfReach(ts stamp.Timestamp) bool { return ts > 0x7fffffff_fffffffc && ts>>63 == 0 }
