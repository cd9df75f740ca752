package reflector

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

var (
	testKeys = twamp.Keys{AES: [16]byte{0xa1, 15: 0xa2}, HMAC: [32]byte{0xb1, 31: 0xb2}}
	testSID  = twamp.SID{0xc1, 15: 0xc2}
)

// securityModes are all of them.
var securityModes = []twamp.Mode{twamp.Unauthenticated, twamp.Authenticated, twamp.Encrypted, twamp.Mixed}

// padding is n octets, each different from its neighbours.
func padding(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + 1)
	}
	return b
}

// Octets of the packets below, as they stand in the RFCs: T1 and its Error
// Estimate, T2, T3 and ours.
const (
	t1Octets, e1Octets = "e8fe6f7f 12345678", "8a07"
	t2Octets, t3Octets = "e8fe6f80 80000000", "e8fe6f80 c0000000"
	e3Octets           = "8105"
)

// sent is a sender's packet in clear (RFC 4656 section 4.1.2, RFC 6038 section
// 5.1.4).
func sent(t testing.TB, mode twamp.Mode, pad int) []byte {
	t.Helper()
	b := octets(t, "00000007"+t1Octets+e1Octets)
	zeros := 27
	if mode.ProtectsTest() {
		b = octets(t, "00000007 000000000000000000000000"+t1Octets+e1Octets+"000000000000 00000000000000000000000000000000")
		zeros = 64
	}
	if mode&twamp.SymmetricalSize != 0 {
		b = append(b, make([]byte, zeros)...)
	}
	return append(b, padding(pad)...)
}

// wantReply is a reflector's packet in clear, with an HMAC of zeros (RFC 5357
// section 4.2.1).
func wantReply(t testing.TB, mode twamp.Mode, pad int) []byte {
	t.Helper()
	b := octets(t, "00000003"+t3Octets+e3Octets+"0000"+t2Octets+"00000007"+t1Octets+e1Octets+"0000 40")
	if mode.ProtectsTest() {
		b = octets(t, "00000003 000000000000000000000000"+t3Octets+e3Octets+"000000000000"+t2Octets+"0000000000000000"+
			"00000007 000000000000000000000000"+t1Octets+e1Octets+"000000000000 40 000000000000000000000000000000"+
			"00000000000000000000000000000000")
	}
	room := len(sent(t, mode, pad)) - len(b)
	return append(b, padding(pad)[:max(0, min(pad, room))]...)
}

func TestRespondTWAMP(t *testing.T) {
	for _, mode := range securityModes {
		for _, extensions := range []twamp.Mode{0, twamp.SymmetricalSize, twamp.ReflectOctets, twamp.ReflectOctets | twamp.SymmetricalSize} {
			for _, pad := range []int{0, 1, 26, 27, 28, 63, 64, 65, 1400} {
				mode := mode | extensions
				name := fmt.Sprintf("%v/%d", mode, pad)
				s := newNegotiated(mode, pad)
				buf := make([]byte, leastRoom)
				for i := range buf {
					buf[i] = 0xee // what an earlier packet left
				}
				n := copy(buf, sent(t, mode, pad))
				if mode.ProtectsTest() {
					twamp.NewTestCipher(mode, &testKeys, testSID).SealSender(buf[:n])
				}
				out := reply{sequence: 3, clock: testClock}
				var req stamp.SenderPacket
				if why := s.open(buf[:n], &req); why != answered {
					t.Errorf("%s: %v", name, why)
					continue
				}
				n = respondTWAMP(mode, &req, buf, n, &arrival{time: testT2, ttl: 64}, &out)
				s.finish(buf, testT3, false)
				got := slices.Clone(buf[:n])
				if mode.ProtectsTest() {
					if !twamp.NewTestCipher(mode, &testKeys, testSID).OpenReflector(got) {
						t.Errorf("%s: the reply does not verify", name)
					}
					clear(got[96:112])
				}
				if want := wantReply(t, mode, pad); !bytes.Equal(got, want) {
					t.Errorf("%s: the reply is\n%x\nwant\n%x", name, got, want)
				}
			}
		}
	}
}

// The Sender TTL is 255 where it is not known (RFC 5357 section 4.2), and a
// sender that sets the format bit gets PTP.
func TestRespondTWAMPDetails(t *testing.T) {
	for _, mode := range securityModes {
		estimate, ttl, t3 := 12, 40, 4
		if mode.ProtectsTest() {
			estimate, ttl, t3 = 24, 80, 16
		}
		s := newNegotiated(mode, 100)
		buf := append(sent(t, mode, 100), make([]byte, 200)...)
		buf[estimate] |= 0x40
		if mode.ProtectsTest() {
			twamp.NewTestCipher(mode, &testKeys, testSID).SealSender(buf)
		}
		var req stamp.SenderPacket
		if why := s.open(buf[:s.terms.RequestSize()], &req); why != answered {
			t.Fatalf("%v: %v", mode, why)
		}
		n := respondTWAMP(mode, &req, buf, s.terms.RequestSize(), &arrival{time: testT2, ttl: -1}, &reply{clock: testClock})
		s.finish(buf, testT3, false)
		if mode.ProtectsTest() && !twamp.NewTestCipher(mode, &testKeys, testSID).OpenReflector(buf[:n]) {
			t.Errorf("%v: the reply does not verify", mode)
		}
		if buf[ttl] != 255 || hex.EncodeToString(buf[estimate:estimate+2]) != "c206" || hex.EncodeToString(buf[t3:t3+8]) != "6553f1002cb41780" {
			t.Errorf("%v: the reply is %x", mode, buf[:n])
		}
	}
}

// A reply that was not sent gets another T3, and verifies all the same.
func TestFinishAgain(t *testing.T) {
	for _, mode := range securityModes {
		s := newNegotiated(mode, 0)
		buf := append(wantReply(t, mode, 0), 0xee)
		s.finish(buf, testT2, false)
		s.finish(buf, testT3, true)
		got := buf[:len(buf)-1]
		if mode.ProtectsTest() {
			if !twamp.NewTestCipher(mode, &testKeys, testSID).OpenReflector(got) {
				t.Errorf("%v: the reply does not verify", mode)
			}
			clear(got[96:])
		}
		if want := wantReply(t, mode, 0); !bytes.Equal(got, want) {
			t.Errorf("%v: the reply is\n%x\nwant\n%x", mode, got, want)
		}
	}
}

// newNegotiated is a session that belongs to nobody.
func newNegotiated(mode twamp.Mode, pad int) *negotiated {
	s := &negotiated{terms: control.Terms{Mode: mode, Keys: &testKeys, SID: testSID, Padding: pad}}
	if mode.ProtectsTest() {
		s.cipher = twamp.NewTestCipher(mode, &testKeys, testSID)
	}
	return s
}
