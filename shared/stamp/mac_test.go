package stamp_test

import (
	"bytes"
	"slices"
	"testing"

	"tinytwamp/shared/stamp"
)

// A key, and what Python's hmac module computes with it: over the first 96
// octets of the packets of the other tests, and over 01020304 and tlvHex.
const (
	testKey       = "0f0e0d0c0b0a09080706050403020100"
	senderHMAC    = "72695be544af868562381de3fad1bcfc"
	reflectorHMAC = "27077ee6b2cfe495c8ed61b34a13fd4c"
	tlvsHMAC      = "eace9f4d1ab5c69619bef704f317f583"
)

// RFC 8762 4.2.2-6, 4.2.2-7, 4.3.2-6, 4.3.2-7, 4.4-3, 4.4-4
func TestSeal(t *testing.T) {
	mac := stamp.NewMAC(unhex(t, testKey))
	for _, c := range []struct{ packet, hmac string }{{authSenderHex, senderHMAC}, {authReflectorHex, reflectorHMAC}} {
		b := append(unhex(t, c.packet+noHMAC), "TLVs do not count"...)
		want := append(unhex(t, c.packet+c.hmac), "TLVs do not count"...)
		mac.Seal(b)
		if !bytes.Equal(b, want) {
			t.Errorf("\n got %x\nwant %x", b, want)
		}
		if !mac.Verify(b) {
			t.Error("does not verify")
		}
		for n := range stamp.AuthSize {
			if mac.Verify(slices.Clip(b[:n])) {
				t.Errorf("%d octets verify", n)
			}
			b[n] ^= 1
			if mac.Verify(b) {
				t.Errorf("verifies with octet %d changed", n)
			}
			b[n] ^= 1
		}
		if stamp.NewMAC(unhex(t, "1f0e0d0c0b0a09080706050403020100")).Verify(b) {
			t.Error("verifies with another key")
		}
	}
}

// The digest is over the sequence number and all TLVs before it, and over
// nothing else.
//
// RFC 8972 4.8-13, 4.8-16, 4.8-17, 4.8-19, 4.8-20
func TestSealTLVs(t *testing.T) {
	mac := stamp.NewMAC(unhex(t, testKey))
	for name, base := range map[string]string{"unauthenticated": senderHex, "authenticated": authSenderHex + noHMAC} {
		size := len(unhex(t, base))
		b := unhex(t, base+tlvHex+"80080010"+noHMAC+"8001000155")
		mac.SealTLVs(b, size)
		if want := unhex(t, base+tlvHex+"80080010"+tlvsHMAC+"8001000155"); !bytes.Equal(b, want) {
			t.Fatalf("%s:\n got %x\nwant %x", name, b, want)
		}
		at := size + len(unhex(t, tlvHex))
		end := at + stamp.TLVHeaderSize + stamp.HMACSize
		for i := range b {
			if i > end && i < len(b)-1 {
				continue // type and length of the padding
			}
			b[i] ^= 1
			covered := i < 4 || i >= size && i < end && i != at // its own flags are not
			if got := mac.VerifyTLVs(b, size); got == covered {
				t.Errorf("%s: with octet %d changed it verifies: %v", name, i, got)
			}
			b[i] ^= 1
		}
	}
}

// Where an HMAC TLV may be, and what needs one.
//
// RFC 8972 4.8-3, 4.8-7, 4.8-15
func TestHMACPosition(t *testing.T) {
	mac := stamp.NewMAC(unhex(t, testKey))
	const hmac, padding, cos = "80080010" + noHMAC, "80010001aa", "80040004b9440000"
	for _, c := range []struct {
		name       string
		tlvs       string
		verifies   bool
		needs      bool // in unauthenticated mode
		needsInAut bool
	}{
		{"nothing", "", false, false, false},
		{"only padding", padding, false, false, false},
		{"padding twice", padding + padding, false, false, true},
		{"another", cos, false, false, true},
		{"malformed", "8001ffff", false, false, true},
		{"HMAC alone", hmac, true, true, true},
		{"last", padding + cos + hmac, true, true, true},
		{"before padding", cos + hmac + padding + padding, true, true, true},
		{"before another", hmac + cos, false, true, true},
		{"before padding and another", hmac + padding + cos, false, true, true},
		{"twice", hmac + hmac, false, true, true},
		{"before what does not fit", cos + hmac + "8001ffff", true, true, true},
		{"behind what does not fit", "8001ffff" + hmac, false, false, true},
		{"too short", cos + "8008000f" + noHMAC[2:], false, true, true},
		{"too long", cos + "80080011" + noHMAC + "00", false, true, true},
		{"empty", cos + "80080000", false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, senderHex+c.tlvs)
			mac.SealTLVs(b, stamp.BaseSize)
			if got := mac.VerifyTLVs(b, stamp.BaseSize); got != c.verifies {
				t.Errorf("sealed, and verifies: %v", got)
			}
			if sealed := !bytes.Equal(b, unhex(t, senderHex+c.tlvs)); sealed != c.verifies {
				t.Errorf("was changed: %v", sealed)
			}
			if open, auth := stamp.NeedsHMAC(b[stamp.BaseSize:], false), stamp.NeedsHMAC(b[stamp.BaseSize:], true); open != c.needs || auth != c.needsInAut {
				t.Errorf("needs an HMAC: %v, authenticated %v", open, auth)
			}
		})
	}
}

func TestAuthenticatedDoesNotAllocate(t *testing.T) {
	keys, err := stamp.ParseKeys([]byte("ssid:1 " + testKey + "\n2001:db8::/32 " + testKey))
	if err != nil {
		t.Fatal(err)
	}
	macs, peer := keys.MACs(), addr("2001:db8::1")
	buf := make([]byte, 0, 300)
	var s stamp.SenderPacket
	var r stamp.ReflectorPacket
	expectNoAllocations(t, func() {
		mac := macs.Lookup(7, peer)
		for _, b := range [][]byte{senderPacket.AppendAuthenticated(buf), reflectorPacket.AppendAuthenticated(buf)} {
			b = stamp.AppendTLV(b, tlvs[0])
			b = stamp.AppendTLV(b, stamp.TLV{Type: stamp.TLVHMAC, Value: buf[:stamp.HMACSize]})
			stamp.PutAuthTransmitTimestamp(b, 1)
			mac.Seal(b)
			mac.SealTLVs(b, stamp.AuthSize)
			_, _, _ = s.UnmarshalAuthenticated(b), r.UnmarshalAuthenticated(b), stamp.NeedsHMAC(b[stamp.AuthSize:], true)
			if !mac.Verify(b) || !mac.VerifyTLVs(b, stamp.AuthSize) {
				t.Error("does not verify")
			}
		}
		if _, ok := keys.Lookup(1, peer); !ok {
			t.Error("no key")
		}
	})
}

func FuzzHMACTLV(f *testing.F) {
	f.Add(unhex(f, tlvHex+"80080010"+noHMAC))
	f.Add(unhex(f, "80080010"+noHMAC+"80080010"+noHMAC))
	f.Add(unhex(f, "8008ffff"))
	mac := stamp.NewMAC(unhex(f, testKey))
	f.Fuzz(func(t *testing.T, b []byte) {
		pkt := append(unhex(t, senderHex), b...)
		before := bytes.Clone(pkt)
		mac.SealTLVs(pkt, stamp.BaseSize)
		changed := 0
		for i := range pkt {
			if pkt[i] != before[i] {
				changed++
			}
		}
		if changed > stamp.HMACSize || changed > 0 && !mac.VerifyTLVs(pkt, stamp.BaseSize) {
			t.Fatalf("%x became %x", before, pkt)
		}
		if mac.VerifyTLVs(pkt, stamp.BaseSize) && !stamp.NeedsHMAC(b, false) {
			t.Fatalf("%x verifies and needs no HMAC", pkt)
		}
	})
}
