package twamp_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"testing"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

var (
	testKeys = &twamp.Keys{AES: [16]byte{1, 2, 3}, HMAC: [32]byte{4, 5, 6, 31: 7}}
	testSID  = fill[twamp.SID](0x40)
)

// The same by the text of RFC 5357 section 4.2.1, with other means.
func TestTestCipherByHand(t *testing.T) {
	bySID, _ := aes.NewCipher(testSID[:])
	var aesKey [16]byte
	bySID.Encrypt(aesKey[:], testKeys.AES[:])
	hmacKey := testKeys.HMAC
	cipher.NewCBCEncrypter(bySID, make([]byte, 16)).CryptBlocks(hmacKey[:], hmacKey[:])
	block, _ := aes.NewCipher(aesKey[:])
	digest := func(b []byte) []byte {
		m := hmac.New(sha1.New, hmacKey[:])
		m.Write(b)
		return m.Sum(nil)[:16]
	}

	sender := append(twamp.AppendSender(nil, stamp.SenderPacket{Sequence: 1, Timestamp: 2, ErrorEstimate: 3}), "padding"...)
	reflector := append(stamp.ReflectorPacket{Sequence: 1, Timestamp: 2, ErrorEstimate: 3, SenderTTL: 4}.AppendAuthenticated(nil), "padding"...)
	for _, mode := range []twamp.Mode{twamp.Authenticated, twamp.Encrypted} {
		c := twamp.NewTestCipher(mode|twamp.SymmetricalSize, testKeys, testSID)
		for _, dir := range []struct {
			pkt             []byte
			encrypted, mac  int
			seal            func([]byte)
			open, openOther func([]byte) bool
		}{
			{sender, 32, 32, c.SealSender, c.OpenSender, c.OpenReflector},
			{reflector, 96, 96, c.SealReflector, c.OpenReflector, c.OpenSender},
		} {
			covered := dir.encrypted
			if mode == twamp.Authenticated {
				covered = 16
			}
			want := bytes.Clone(dir.pkt)
			copy(want[dir.mac:], digest(want[:covered]))
			cipher.NewCBCEncrypter(block, make([]byte, 16)).CryptBlocks(want[:covered], want[:covered])
			got := bytes.Clone(dir.pkt)
			dir.seal(got)
			if !bytes.Equal(got, want) {
				t.Fatalf("%v: sealed\n%x, want\n%x", mode, got, want)
			}
			if !dir.open(got) || !bytes.Equal(got[:dir.mac], dir.pkt[:dir.mac]) || string(got[dir.mac+16:]) != "padding" {
				t.Errorf("%v: opened\n%x, was\n%x", mode, got, dir.pkt)
			}
			if dir.openOther(bytes.Clone(want)) {
				t.Errorf("%v: a packet passes for one of the other direction", mode)
			}
			checkChanges(t, mode, want, covered, dir.mac, dir.open)
		}
	}
}

// checkChanges changes each octet of a sealed packet: what is covered, or the
// HMAC, does not open; the rest is not protected.
func checkChanges(t *testing.T, mode twamp.Mode, sealed []byte, covered, mac int, open func([]byte) bool) {
	t.Helper()
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if protected := i < covered || i >= mac && i < mac+16; open(changed) == protected {
			t.Errorf("%v: octet %d changed, protected: %v", mode, i, protected)
		}
	}
	for n := range mac + 16 {
		if open(bytes.Clone(sealed[:n])) {
			t.Errorf("%v: %d octets open", mode, n)
		}
	}
}

// Another session's packet does not open, although the connection is the same.
func TestSessionsHaveTheirOwnKeys(t *testing.T) {
	pkt := twamp.AppendSender(nil, stamp.SenderPacket{Sequence: 1})
	twamp.NewTestCipher(twamp.Encrypted, testKeys, testSID).SealSender(pkt)
	for name, c := range map[string]*twamp.TestCipher{
		"sid":  twamp.NewTestCipher(twamp.Encrypted, testKeys, fill[twamp.SID](0x41)),
		"mode": twamp.NewTestCipher(twamp.Authenticated, testKeys, testSID),
		"keys": twamp.NewTestCipher(twamp.Encrypted, &twamp.Keys{}, testSID),
	} {
		if c.OpenSender(bytes.Clone(pkt)) {
			t.Errorf("another %s opens the packet", name)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, mode := range []twamp.Mode{twamp.Authenticated, twamp.Encrypted} {
		c := twamp.NewTestCipher(mode, testKeys, testSID)
		pkt := make([]byte, twamp.ReflectorAuthSize)
		var p stamp.SenderPacket
		if n := testing.AllocsPerRun(100, func() {
			twamp.AppendSender(pkt[:0], p)
			c.SealSender(pkt)
			if !c.OpenSender(pkt) || twamp.UnmarshalSender(pkt, &p) != nil {
				t.Fatal("does not open")
			}
			c.SealReflector(pkt)
			if !c.OpenReflector(pkt) {
				t.Fatal("does not open")
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", mode, n)
		}
	}
}

func TestSenderPackets(t *testing.T) {
	want := stamp.SenderPacket{Sequence: 0x01020304, Timestamp: 0x1112131415161718, ErrorEstimate: 0x2122}
	b := twamp.AppendSender(nil, want)
	for n := range len(b) + 1 {
		var p stamp.SenderPacket
		err := twamp.UnmarshalSender(b[:n], &p)
		if (err == nil) != (n == twamp.SenderAuthSize) || err == nil && p != want {
			t.Errorf("%d octets: %+v, %v", n, p, err)
		}
	}
}

func FuzzTestCipher(f *testing.F) {
	for _, file := range []string{"authenticated.pcap", "encrypted.pcap"} {
		for _, pkt := range twamptest.Read(f, file).Tests {
			f.Add(pkt)
		}
	}
	f.Fuzz(func(t *testing.T, pkt []byte) {
		for _, mode := range []twamp.Mode{twamp.Authenticated, twamp.Encrypted} {
			c := twamp.NewTestCipher(mode, testKeys, testSID)
			if c.OpenSender(bytes.Clone(pkt)) || c.OpenReflector(bytes.Clone(pkt)) {
				t.Error("a packet opens that nobody sealed")
			}
			if len(pkt) < twamp.ReflectorAuthSize {
				continue
			}
			sealed := bytes.Clone(pkt)
			c.SealReflector(sealed)
			if !c.OpenReflector(sealed) || !bytes.Equal(sealed[:96], pkt[:96]) || !bytes.Equal(sealed[112:], pkt[112:]) {
				t.Errorf("opened %x", sealed)
			}
		}
	})
}

func BenchmarkTestCipher(b *testing.B) {
	for _, mode := range []twamp.Mode{twamp.Authenticated, twamp.Encrypted} {
		b.Run(mode.String(), func(b *testing.B) {
			c := twamp.NewTestCipher(mode, testKeys, testSID)
			request := twamp.AppendSender(nil, stamp.SenderPacket{})
			c.SealSender(request)
			pkt := make([]byte, twamp.ReflectorAuthSize)
			b.ReportAllocs()
			for b.Loop() {
				copy(pkt, request)
				c.OpenSender(pkt)
				c.SealReflector(pkt)
			}
		})
	}
}

// What is written over a packet is what would have been appended, and leaves the
// padding as it is.
func TestPutSender(t *testing.T) {
	p := stamp.SenderPacket{Sequence: 0x01020304, Timestamp: 0x05060708090a0b0c, ErrorEstimate: 0x0d0e, SSID: 0x0f10}
	want, _ := p.AppendBinary(nil)
	want = append(want[:twamp.SenderSize], "padding"...)
	got := append(make([]byte, twamp.SenderSize), "padding"...)
	if twamp.PutSender(got, p); !bytes.Equal(got, want) {
		t.Errorf("put\n%x, want\n%x", got, want)
	}
}

// The time can be taken after an authenticated packet was sealed.
func TestPutSenderTime(t *testing.T) {
	c := twamp.NewTestCipher(twamp.Authenticated, testKeys, testSID)
	p := stamp.SenderPacket{Sequence: 1}
	pkt := append(twamp.AppendSender(nil, p), "padding"...)
	c.SealSender(pkt)
	p.Timestamp, p.ErrorEstimate = 0x0102030405060708, 0x090a
	twamp.PutSenderTime(pkt, p.Timestamp, p.ErrorEstimate)
	var got stamp.SenderPacket
	if !c.OpenSender(pkt) || twamp.UnmarshalSender(pkt, &got) != nil || got != p || string(pkt[twamp.SenderAuthSize:]) != "padding" {
		t.Errorf("opened %+v, want %+v: %x", got, p, pkt)
	}
}
