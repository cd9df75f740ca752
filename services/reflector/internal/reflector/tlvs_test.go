package reflector

import (
	"bytes"
	"net/netip"
	"testing"
	"testing/synctest"

	"tinytwamp/shared/stamp"
)

// All TLVs that a sender can ask with, and the HMAC TLV behind them.
const (
	allTLVs = "80010002beef" +
		"8002002c 00000000 80040010" + zeros16 + "80070010" + zeros16 +
		"80030004 00000000" +
		"80040004 b8000000" +
		"8005000c 00000009 00000000 00000000" +
		"80060004 10010000" +
		asking +
		"80c8000101"
	hmacTLV = "80080010" + zeros16

	// What they are answered with, from the reply that the tests make.
	answeredTLVs = "00010002beef" +
		"0002002c 035e9c40 00050010 c0000201" + zeros12 + "00080010 c0000209" + zeros12 +
		"00030004 01020102" +
		"00040004 b9440000" +
		"0005000c 00000009 00000008 00000008" +
		"00060004 10010000" +
		"00070010 00000006 2122232425262728 02 000000" +
		"80c8000101"
)

// testReply is a reply of a stateful session, and arrived how its request did.
func testReply(mac *stamp.MAC) reply {
	return reply{
		sequence: 7, stateful: true, clock: testClock, mac: mac,
		followUp: stamp.FollowUp{Sequence: 6, Timestamp: 0x2122232425262728, Mode: stamp.TimestampSWLocal},
	}
}

var arrived = arrival{time: testT2, ttl: 64, tos: 20<<2 | 1, peer: testPeer, local: testLocal}

// RFC 8972 3-1, 4-12, 4.1-1, 4.2-5, 4.2-6, 4.2-7, 4.2-8, 4.2-9, 4.2-11, 4.2.2-1, 4.2.2-2, 4.3-6, 4.3-7
// RFC 8972 4.3-8, 4.3-9, 4.3-10, 4.3-11, 4.3-12, 4.4-2, 4.4-3, 4.4-11, 4.4-12, 4.4-14, 4.5-1, 4.5-2
// RFC 8972 4.5-7, 4.5-10, 4.5-12, 4.5-13, 4.6-2, 4.6-3, 4.6-16, 4.6-17, 4.7-9, 4.7-10, 4.7-12, 4.7-15
func TestAllTLVs(t *testing.T) {
	t.Parallel()
	got, tos, why := exchanged(octets(t, sentBase+allTLVs), arrived, testReply(nil))
	if want := octets(t, answeredTLVs); why != answered || !bytes.Equal(got[stamp.BaseSize:], want) {
		t.Errorf("%v\n got %x\nwant %x", why, got[stamp.BaseSize:], want)
	}
	if tos != 46<<2 {
		t.Errorf("the reply has TOS %#x", tos)
	}
}

// One TLV at a time, where the answer is not as in TestAllTLVs.
func TestTLVs(t *testing.T) {
	t.Parallel()
	v6 := arrived
	v6.peer, v6.local = netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	stateless, freeRunning := testReply(nil), testReply(nil)
	stateless.stateful = false
	freeRunning.clock = errorEstimates{0x0105, 0x4206}
	last, hidden := testReply(nil), testReply(nil)
	last.sequence = 1<<32 - 1
	hidden.hideLocation = true
	for _, c := range []struct {
		name       string
		in         arrival
		out        reply
		sent, back string
	}{
		// RFC 8972 4.2.2-19, 4.2.2-20
		{"location over IPv6", v6, testReply(nil), "80020018 00000000 80070010" + zeros16, "00020018 035e9c40 00090010 20010db8000000000000000000000001"},
		// RFC 8972 4.2-13, 4.2.2-3
		{"location hidden", arrived, hidden, "8002002c 00000000 80040010" + zeros16 + "80070010" + zeros16, "0002002c 00000000 00050010" + zeros16 + "00080010" + zeros16},
		{"location hidden, IPv6", v6, hidden, "80020018 00000000 80070010" + zeros16, "00020018 00000000 00090010" + zeros16},
		// RFC 8972 4.2-3, 4.2-4
		{"location too short", arrived, testReply(nil), "80020002 0000 8001000155", "40020002 0000 8001000155"},
		// RFC 8972 4.2.1-2
		{"sub-TLV too long for its TLV", arrived, testReply(nil), "80020009 00000000 80040010ff 8001000155", "40020009 035e9c40 40040010ff 8001000155"},
		// RFC 8972 4.3-9, 4.3-11
		{"clock free-running", arrived, freeRunning, "80030004 00000000", "00030004 05020502"},
		// RFC 8972 4.3-4, 4.3-5
		{"timestamp information too short", arrived, testReply(nil), "80030003 000000 8001000155", "40030003 000000 8001000155"},
		// RFC 8972 4.5-12
		{"direct measurement without state", arrived, stateless, "8005000c 00000009 00000000 00000000", "8005000c 00000009 00000000 00000000"},
		// RFC 8972 4.5-6, 4.5-9
		{"direct measurement wraps", arrived, last, "8005000c ffffffff 11111111 22222222", "0005000c ffffffff 00000000 00000000"},
		// RFC 8972 4.5-3
		{"direct measurement too long", arrived, testReply(nil), "8005000d 00000009 00000000 0000000000 8001000155", "4005000d 00000009 00000000 0000000000 8001000155"},
		// RFC 8972 4.6-8, 4.6-9, 4.6-12, 4.6-13
		{"access report, what is reserved", arrived, testReply(nil), "80060004 2f02ffff", "00060004 20020000"},
		// RFC 8972 4.6-6
		{"access report of an unknown network", arrived, testReply(nil), "80060004 30010000 8001000155", "80060004 30010000 0001000155"},
		// RFC 8972 4.6-4
		{"access report too short", arrived, testReply(nil), "80060003 100100 8001000155", "40060003 100100 8001000155"},
		// RFC 8972 4.7-5, 4.7-6, 4.7-7
		{"follow-up too short", arrived, testReply(nil), "80070004 ffffffff 8001000155", "40070004 00000000 8001000155"},
		// RFC 8972 4-11, 5.1-2, 5.1-3
		{"type 9 and beyond", arrived, testReply(nil), "8009000101 8000000102 80ff000103 80fb0000", "8009000101 8000000102 80ff000103 80fb0000"},
		// RFC 8972 4-5, 4-14, 5.1-3
		{"private use", arrived, testReply(nil), "80fc0004aabbccdd 80fd0003aabbcc 80fe0000", "80fc0004aabbccdd 40fd0003aabbcc 80fe0000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _, why := exchanged(octets(t, sentBase+c.sent), c.in, c.out)
			if want := octets(t, c.back); why != answered || !bytes.Equal(got[stamp.BaseSize:], want) {
				t.Errorf("%v\n got %x\nwant %x", why, got[stamp.BaseSize:], want)
			}
		})
	}
}

// sealed is a request with TLVs whose HMAC TLV is good.
func sealed(t testing.TB, base, tlvs string, size int) []byte {
	b := octets(t, base+tlvs)
	stamp.NewMAC(octets(t, goodKey)).SealTLVs(b, size)
	return b
}

// TLVs that verify are answered, and the answer verifies, in both modes.
//
// RFC 8972 4-19, 4.8-1, 4.8-5
func TestHMACTLV(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		base string
		auth bool
	}{"unauthenticated": {sentBase, false}, "authenticated": {authBase, true}} {
		out := testReply(stamp.NewMAC(octets(t, goodKey)))
		out.authenticated = c.auth
		size := baseSize(c.auth)
		got, tos, why := exchanged(sealed(t, c.base, allTLVs+hmacTLV+"8001000155", size), arrived, out)
		hmac := len(got) - 5 - 20
		want := append(octets(t, answeredTLVs), 0, 8, 0, 16)
		if why != answered || !bytes.Equal(got[size:hmac+4], want) || !bytes.Equal(got[len(got)-5:], octets(t, "0001000155")) {
			t.Errorf("%s: %v\n got %x\nwant %x", name, why, got[size:], want)
		}
		if !stamp.NewMAC(octets(t, goodKey)).VerifyTLVs(got, size) {
			t.Errorf("%s: the reply's TLVs do not verify", name)
		}
		if tos != 46<<2 {
			t.Errorf("%s: the reply has TOS %#x", name, tos)
		}
	}
}

// TLVs that do not verify come back as they were with I on each, whatever they
// ask for. So they do where they have to verify and cannot.
//
// RFC 8972 4-18, 4.8-21, 4.8-23, 4.8-24, 4.8-25
func TestHMACTLVFails(t *testing.T) {
	t.Parallel()
	key, other := stamp.NewMAC(octets(t, goodKey)), stamp.NewMAC(octets(t, otherKey))
	const cos, padding = "80040004b8000000", "8001000155"
	for _, c := range []struct {
		name       string
		auth       bool
		mac        *stamp.MAC
		sent, back string
		integrity  bool
	}{
		{"good", false, key, cos + hmacTLV, "", true},
		{"another key", false, other, cos + hmacTLV, "20040004b8000000 20080010", false},
		{"no key", false, nil, cos + hmacTLV, "20040004b8000000 20080010", false},
		{"another key, authenticated", true, other, cos + hmacTLV, "20040004b8000000 20080010", false},
		{"not there, authenticated", true, key, cos, "20040004b8000000", false},
		// RFC 8972 4.8-3
		{"not there, padding alone, authenticated", true, key, padding, "0001000155", true},
		{"not there, padding twice, authenticated", true, key, padding + padding, "2001000155 2001000155", false},
		{"not there, unauthenticated", false, key, cos, "", true},
		// RFC 8972 4.8-7
		{"in front", false, key, hmacTLV + cos, "20080010" + zeros16 + "20040004b8000000", false},
		{"in front of padding", false, key, cos + hmacTLV + padding, "", true},
		{"unknown type", false, other, "80c80000" + hmacTLV, "a0c80000 20080010", false},
		{"what does not fit", false, other, cos + hmacTLV + "8001ffff", "", false},
		{"too short", false, key, cos + "80080004 00000000" + padding, "20040004b8000000 20080004 00000000 2001000155", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := sentBase
			if c.auth {
				base = authBase
			}
			size := baseSize(c.auth)
			request := sealed(t, base, c.sent, size)
			out := testReply(c.mac)
			out.authenticated = c.auth
			got, tos, why := exchanged(request, arrived, out)
			if why != answered || !bytes.HasPrefix(got[size:], octets(t, c.back)) {
				t.Errorf("%v: got %x, want %s", why, got[size:], c.back)
			}
			if !c.integrity && tos != 20<<2 {
				t.Errorf("a Class of Service TLV that does not verify changed the TOS to %#x", tos)
			}
			for b := got[size:]; len(b) > 0; {
				_, rest, err := stamp.NextTLV(b)
				if b[0]&stamp.FlagI != 0 == c.integrity || err != nil && b[0]&stamp.FlagM == 0 {
					t.Errorf("flags %#x on %x", b[0], b)
				}
				if err != nil {
					break
				}
				b = rest
			}
		})
	}
}

// What follows a malformed TLV is not touched, an HMAC TLV included.
//
// RFC 8972 4-38, 4-40
func TestHMACBehindMalformed(t *testing.T) {
	t.Parallel()
	request := sealed(t, sentBase, "8003000100"+hmacTLV, stamp.BaseSize)
	got, why := reflected(request, 64, testReply(stamp.NewMAC(octets(t, goodKey))))
	want := bytes.Clone(request[stamp.BaseSize:])
	want[0] = stamp.FlagM
	if why != answered || !bytes.Equal(got[stamp.BaseSize:], want) {
		t.Errorf("%v\n got %x\nwant %x", why, got[stamp.BaseSize:], want)
	}
}

// The policy on Location TLVs reaches the replies.
//
// RFC 8972 4.2.2-3, 4.2.2-4
func TestHiddenLocation(t *testing.T) {
	t.Parallel()
	for hide, want := range map[bool]string{false: "00020004 035e9c40", true: "00020004 00000000"} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, server, func(c *Config) { c.HideLocation = hide }).start()
			s := g.sender(client)
			s.send(server, request(0, 1, octets(t, "80020004 00000000")...))
			if m, _ := s.one(); !bytes.Equal(m.Buf[stamp.BaseSize:], octets(t, want)) {
				t.Errorf("hidden is %v, and the location %x", hide, m.Buf[stamp.BaseSize:])
			}
		})
	}
}
