package stamp_test

import (
	"bytes"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// The packets of the unauthenticated tests as authenticated mode has them,
// without their HMAC.
const (
	authSenderHex = "01020304 000000000000000000000000 05060708090a0b0c 0d0e 0f10" +
		"00000000" + "00000000000000000000000000000000" + "00000000000000000000000000000000" +
		"00000000000000000000000000000000" + "00000000000000000000000000000000"
	authReflectorHex = "01020304 000000000000000000000000 05060708090a0b0c 0d0e 0f10 00000000" +
		"1112131415161718 0000000000000000 191a1b1c 000000000000000000000000" +
		"1d1e1f2021222324 2526 000000000000 27 000000000000000000000000000000"
	noHMAC = "00000000000000000000000000000000"
)

// RFC 8762 4.2-4, 4.2.2-1, 4.2.2-2, 4.2.2-3, 4.2.2-4, RFC 8972 3-22, 4.1-6
func TestAuthSenderPacketEncode(t *testing.T) {
	want := unhex(t, authSenderHex+noHMAC)
	for _, prefix := range []string{"", "x", "an IP header, say"} {
		if got := senderPacket.AppendAuthenticated([]byte(prefix)); string(got) != prefix+string(want) {
			t.Errorf("behind %q:\n got %x\nwant %x", prefix, got, want)
		}
	}
	if len(want) != stamp.AuthSize {
		t.Errorf("the golden has %d octets", len(want))
	}
	used := bytes.Repeat([]byte{0xee}, 200)
	if got := senderPacket.AppendAuthenticated(used[:0]); !bytes.Equal(got, want) {
		t.Errorf("into a used buffer:\n got %x\nwant %x", got, want)
	}
}

// RFC 8762 4.3.2-1, 4.3.2-2, 4.3.2-3, 4.3.2-4, RFC 8972 3-23, 4.1-6
func TestAuthReflectorPacketEncode(t *testing.T) {
	want := unhex(t, authReflectorHex+noHMAC)
	for _, prefix := range []string{"", "x", "an IP header, say"} {
		if got := reflectorPacket.AppendAuthenticated([]byte(prefix)); string(got) != prefix+string(want) {
			t.Errorf("behind %q:\n got %x\nwant %x", prefix, got, want)
		}
	}
	if len(want) != stamp.AuthSize {
		t.Errorf("the golden has %d octets", len(want))
	}
	used := bytes.Repeat([]byte{0xee}, 200)
	if got := reflectorPacket.AppendAuthenticated(used[:0]); !bytes.Equal(got, want) {
		t.Errorf("into a used buffer:\n got %x\nwant %x", got, want)
	}
}

// RFC 8762 4.2.2-1, 4.2.2-2, 4.3.2-1, 4.3.2-2
func TestAuthDecodeAtEveryLength(t *testing.T) {
	sent, back := append(unhex(t, authSenderHex+noHMAC), "TLV"...), append(unhex(t, authReflectorHex+noHMAC), "TLV"...)
	for n := range len(sent) + 1 {
		s, r := stamp.SenderPacket{SSID: 99}, stamp.ReflectorPacket{SSID: 99}
		errSender, errReflector := s.UnmarshalAuthenticated(slices.Clip(sent[:n])), r.UnmarshalAuthenticated(slices.Clip(back[:n]))
		wantSender, wantReflector := senderPacket, reflectorPacket
		if n < stamp.AuthSize {
			expectShort(t, errSender)
			expectShort(t, errReflector)
			wantSender, wantReflector = stamp.SenderPacket{SSID: 99}, stamp.ReflectorPacket{SSID: 99} // untouched
		} else if errSender != nil || errReflector != nil {
			t.Errorf("%d octets: %v, %v", n, errSender, errReflector)
		}
		if s != wantSender || r != wantReflector {
			t.Errorf("%d octets: got %+v and %+v", n, s, r)
		}
	}
}

// RFC 8762 4.2.2-5, 4.3.2-5
func TestAuthIgnoresWhatMustBeZero(t *testing.T) {
	sent, back := unhex(t, authSenderHex+noHMAC), unhex(t, authReflectorHex+noHMAC)
	for i := range sent {
		if i >= 4 && i < 16 || i >= 28 {
			sent[i] = 0xff
		}
		if i >= 4 && i < 16 || i >= 28 && i < 32 || i >= 40 && i < 48 || i >= 52 && i < 64 || i >= 74 && i < 80 || i >= 81 {
			back[i] = 0xff
		}
	}
	var s stamp.SenderPacket
	var r stamp.ReflectorPacket
	if err := s.UnmarshalAuthenticated(sent); err != nil || s != senderPacket {
		t.Errorf("got %+v, %v", s, err)
	}
	if err := r.UnmarshalAuthenticated(back); err != nil || r != reflectorPacket {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestPutAuthTransmitTimestamp(t *testing.T) {
	const late = 0xf1f2f3f4_f5f6f7f8
	s, r := senderPacket, reflectorPacket
	sent, back := s.AppendAuthenticated(nil), r.AppendAuthenticated(nil)
	stamp.PutAuthTransmitTimestamp(sent, late)
	stamp.PutAuthTransmitTimestamp(back, late)
	s.Timestamp, r.Timestamp = late, late
	if want := s.AppendAuthenticated(nil); !bytes.Equal(sent, want) {
		t.Errorf("request:\n got %x\nwant %x", sent, want)
	}
	if want := r.AppendAuthenticated(nil); !bytes.Equal(back, want) {
		t.Errorf("reply:\n got %x\nwant %x", back, want)
	}
}

func FuzzAuthenticated(f *testing.F) {
	f.Add(unhex(f, authSenderHex+noHMAC))
	f.Add(unhex(f, authReflectorHex+noHMAC+tlvHex))
	f.Add(unhex(f, authReflectorHex))
	mac := stamp.NewMAC(unhex(f, testKey))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s stamp.SenderPacket
		var r stamp.ReflectorPacket
		if err := s.UnmarshalAuthenticated(b); (err == nil) != (len(b) >= stamp.AuthSize) {
			t.Fatalf("%d octets: %v", len(b), err)
		}
		if err := r.UnmarshalAuthenticated(b); (err == nil) != (len(b) >= stamp.AuthSize) {
			t.Fatalf("%d octets: %v", len(b), err)
		}
		if mac.Verify(b) && len(b) < stamp.AuthSize {
			t.Fatalf("%d octets verify", len(b))
		}
		if len(b) < stamp.AuthSize {
			return
		}
		for i, again := range [][]byte{s.AppendAuthenticated(nil), r.AppendAuthenticated(nil)} {
			mac.Seal(again)
			if !mac.Verify(again) {
				t.Fatalf("packet %d is sealed and does not verify: %x", i, again)
			}
			if !bytes.Equal(again[16:28], b[16:28]) {
				t.Fatalf("decoded and encoded:\n got %x\nwant %x", again, b)
			}
		}
	})
}
