package reflector

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"tinytwamp/shared/stamp"
)

// The clock of these tests, and the instants at which a request arrives (T2)
// and its reply leaves (T3): 2023-11-14 22:13:20 and half, or three quarters,
// of a second.
var testClock = errorEstimates{stamp.NTP: 0x8105, stamp.PTP: 0xc206}

const (
	testT2 = 1_700_000_000_500_000_000
	testT3 = 1_700_000_000_750_000_000
)

// octets turns hexadecimal digits, with spaces between fields, into octets.
func octets(t testing.TB, fields string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(fields), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The addresses of these tests.
var (
	testPeer  = netip.MustParseAddrPort("192.0.2.9:40000")
	testLocal = netip.MustParseAddrPort("192.0.2.1:862")
)

// reflected answers one request as a worker does, or says why not.
func reflected(request []byte, ttl int, out reply) ([]byte, reason) {
	got, _, why := exchanged(request, arrival{time: testT2, ttl: ttl, tos: -1, peer: testPeer, local: testLocal}, out)
	return got, why
}

// exchanged is reflected for what the kernel says of a request; it gives the
// reply's DSCP<<2, too.
func exchanged(request []byte, in arrival, out reply) (got []byte, tos int, why reason) {
	var req stamp.SenderPacket
	if why := decode(&req, request, out.authenticated); why != answered {
		return nil, 0, why
	}
	buf := append(make([]byte, 0, max(len(request), baseSize(out.authenticated))), request...)
	buf = buf[:cap(buf)]
	n, tos := respond(&req, buf, len(request), &in, &out)
	seal := out.mac
	if !out.authenticated {
		seal = nil
	}
	finish(buf, testT3, seal)
	return buf[:n], tos, answered
}

// A request with a distinct value in each field: sequence, T1, error estimate,
// SSID.
const (
	sentSequence = "01020304"
	sentT1       = "1112131415161718"
	sentEE       = "8a0b"
	sentSSID     = "1234"
	sentZeros    = "00000000000000000000000000000000000000000000000000000000"
	sentBase     = sentSequence + sentT1 + sentEE + sentSSID + sentZeros
)

// RFC 8762 4.3.1-1, 4.3.1-7, 4.3.1-11, 4.3.1-12, 4.3.1-13, 4.3.1-14, 4.3.1-15, 4.3.1-16
// RFC 8972 3-16, 3-17, RFC 8186 2.3
func TestReplyOctetByOctet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		request string
		ttl     int
		out     reply
		want    string
	}{
		{
			// RFC 8762 4.2.1-7, 4.3.1-5
			name:    "stateful",
			request: sentBase, ttl: 57, out: reply{sequence: 7, stateful: true},
			want: "00000007 e8fe6f80c0000000 8105 1234" +
				"e8fe6f8080000000" + sentSequence + sentT1 + sentEE + "0000 39 000000",
		},
		{
			// RFC 8762 4-3, 4.3.1-3
			name:    "stateless takes the sender's sequence number",
			request: sentBase, ttl: 255, out: reply{sequence: 7},
			want: "01020304 e8fe6f80c0000000 8105 1234" +
				"e8fe6f8080000000" + sentSequence + sentT1 + sentEE + "0000 ff 000000",
		},
		{
			// RFC 8762 4.2.1-9
			name:    "PTP is answered in PTP",
			request: sentSequence + sentT1 + "ca0b" + sentSSID + sentZeros, ttl: 64, out: reply{},
			want: "01020304 6553f1002cb41780 c206 1234" +
				"6553f1001dcd6500" + sentSequence + sentT1 + "ca0b" + "0000 40 000000",
		},
		{
			name:    "an unknown TTL is 0",
			request: sentBase, ttl: -1, out: reply{},
			want: "01020304 e8fe6f80c0000000 8105 1234" +
				"e8fe6f8080000000" + sentSequence + sentT1 + sentEE + "0000 00 000000",
		},
		{
			// RFC 8762 4.6-6, 4.6-7
			name:    "TWAMP Light's smallest has no SSID",
			request: sentSequence + sentT1 + sentEE, ttl: 1, out: reply{},
			want: "01020304 e8fe6f80c0000000 8105 0000" +
				"e8fe6f8080000000" + sentSequence + sentT1 + sentEE + "0000 01 000000",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.out.clock = testClock
			got, why := reflected(octets(t, c.request), c.ttl, c.out)
			if want := octets(t, c.want); why != answered || !bytes.Equal(got, want) {
				t.Errorf("%v\n got %x\nwant %x", why, got, want)
			}
		})
	}
}

// Nothing is answered with more than it asked with, but for the base packet.
//
// RFC 8762 4-11, 4.2-1, 4.3-2, 4.3-3, 4.6-7, 4.6-8, RFC 8972 3-4
func TestReplyLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ request, reply int }{
		{14, 44}, {15, 44}, {16, 44}, {41, 44}, {43, 44}, {44, 44}, {45, 45}, {1500, 1500},
	} {
		request := append(octets(t, sentBase), bytes.Repeat([]byte{0x55, 0xaa, 0x00}, 500)...)[:c.request]
		got, why := reflected(request, 64, reply{clock: testClock})
		if why != answered || len(got) != c.reply {
			t.Fatalf("%d octets are answered with %d (%v), want %d", c.request, len(got), why, c.reply)
		}
		wantSSID := uint16(0x1234)
		if c.request < 16 {
			wantSSID = 0
		}
		var p stamp.ReflectorPacket
		if err := p.UnmarshalBinary(got); err != nil {
			t.Fatal(err)
		}
		if p.SSID != wantSSID || p.SenderSequence != 0x01020304 || p.SenderTTL != 64 {
			t.Errorf("%d octets are answered with %+v", c.request, p)
		}
		if c.request > stamp.BaseSize && !bytes.Equal(got[stamp.BaseSize:], request[stamp.BaseSize:]) {
			t.Errorf("%d octets: the padding came back changed", c.request)
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	t.Parallel()
	whole := append(octets(t, sentBase), octets(t, "80010004cafebabe 80c80001ff 80010002abcd")...)
	for n := range len(whole) + 1 {
		got, why := reflected(whole[:n], 64, reply{clock: testClock})
		switch {
		case n < stamp.LightSize && why != tooShort:
			t.Errorf("%d octets: %v, want %v", n, why, tooShort)
		case n >= stamp.LightSize && len(got) != max(n, stamp.BaseSize):
			t.Errorf("%d octets are answered with %d (%v)", n, len(got), why)
		}
	}
}

// RFC 4656 4.1.2
func TestCorruptErrorEstimate(t *testing.T) {
	t.Parallel()
	for _, ee := range []string{"0000", "8000", "bf00"} {
		if _, why := reflected(octets(t, sentSequence+sentT1+ee+sentSSID+sentZeros), 64, reply{}); why != invalidErrorEstimate {
			t.Errorf("error estimate %s: %v, want %v", ee, why, invalidErrorEstimate)
		}
	}
}

// RFC 8972 4-24, 4-28, 6-4
func TestTrailingOctets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		strict     bool
		sent, back string
	}{
		// RFC 8972 4-12, 4.1-1
		{"extra padding", false, "80010004cafebabe", "00010004cafebabe"},
		{"empty extra padding", false, "80010000", "00010000"},
		// RFC 8972 4-11, 4-30, 4-35, 4-36
		{"unknown type", false, "80c80003010203", "80c80003010203"},
		// RFC 8972 4-37
		{"known behind unknown", false, "80c8000101 8001000107", "80c8000101 0001000107"},
		// RFC 8972 4-12, 4-16, 4-19, 4.1-8
		{"flags of the sender do not count", false, "8001000107 6001000107 00c8000109", "0001000107 0001000107 80c8000109"},
		// RFC 8972 4-21, 4-22
		{"reserved flags are zeroed", false, "80010000 9f010000 1fc80000", "00010000 00010000 80c80000"},
		// RFC 8972 4-15, 4-41
		{"value beyond the packet", false, "80010005cafebabe", "40010005cafebabe"},
		{"header beyond the packet", false, "8001", "4001"},
		{"first octet alone", false, "80", "40"},
		// RFC 8972 4-38, 4-40
		{"remainder behind a malformed one", false, "8001000107 80c8ffff 8001000107", "0001000107 40c8ffff 8001000107"},
		{"padding is not touched", false, "00010004cafebabe", "00010004cafebabe"},
		{"padding that looks like flags", false, "e0010004cafebabe", "e0010004cafebabe"},
		// RFC 8972 4-24, 4-26
		{"strict: always TLVs", true, "00010004cafebabe", "00010004cafebabe"},
		{"strict: unknown without the sender's U", true, "00c80001ff", "80c80001ff"},
		{"strict: text is malformed", true, "5457414d50", "4057414d50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, why := reflected(append(octets(t, sentBase), octets(t, c.sent)...), 64, reply{strict: c.strict, clock: testClock})
			if why != answered {
				t.Fatal(why)
			}
			if want := octets(t, c.back); !bytes.Equal(got[stamp.BaseSize:], want) {
				t.Errorf("%s came back as %x, want %x", c.sent, got[stamp.BaseSize:], want)
			}
		})
	}
}

func TestReadableMessage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", stamp.MaxMessage/2)
	extraPadding := func(value string) []byte {
		return stamp.AppendTLV(nil, stamp.TLV{Flags: stamp.FlagU, Type: stamp.TLVExtraPadding, Value: []byte(value)})
	}
	for _, c := range []struct {
		name     string
		trailing []byte
		want     string
	}{
		{"none", nil, ""},
		{"bare padding", []byte("TWAMP test message\x00\x00\x00"), "TWAMP test message"},
		{"extra padding", extraPadding("TWAMP test message\x00"), "TWAMP test message"},
		{"behind another TLV", append(octets(t, "80c80001ff"), extraPadding("hello\x00")...), "hello"},
		{"longest", []byte(long + "\x00"), long},
		{"too long", []byte(long + "x\x00"), ""},
		{"no end", []byte("hello"), ""},
		{"not UTF-8", []byte("h\xe9llo\x00"), ""},
		{"zeros", make([]byte, 100), ""},
		{"malformed TLV", []byte("\x80\x01\xff\xffhello\x00"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := message(append(octets(t, sentBase), c.trailing...), stamp.BaseSize); string(got) != c.want {
				t.Errorf("the message is %q, want %q", got, c.want)
			}
		})
	}
	for n := range stamp.BaseSize {
		if got := message(make([]byte, n), stamp.BaseSize); got != nil {
			t.Errorf("%d octets hold the message %q", n, got)
		}
	}
}

func TestRespondDoesNotAllocate(t *testing.T) {
	buf := append(octets(t, sentBase), octets(t, "80c8000101 80010004cafebabe")...)
	var req stamp.SenderPacket
	out := reply{sequence: 1, stateful: true, clock: testClock}
	if n := testing.AllocsPerRun(100, func() {
		decode(&req, buf, false)
		identity(buf, false)
		message(buf, stamp.BaseSize)
		respond(&req, buf, len(buf), &arrival{time: testT2, ttl: 64}, &out)
		finish(buf, testT3, nil)
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}

// The octets where STAMP has its SSID are padding in a TWAMP Light packet, and
// may be different in each.
//
// RFC 8762 4.2.1-20, RFC 8972 3-13
func TestIdentity(t *testing.T) {
	t.Parallel()
	base := octets(t, sentBase)
	random := bytes.Clone(base)
	copy(random[16:], "random padding of twenty-eight")
	last := bytes.Clone(base)
	last[43] = 1
	for _, c := range []struct {
		name string
		pkt  []byte
		want uint16
	}{
		{"STAMP", base, 0x1234},
		{"STAMP with padding", append(bytes.Clone(base), 1, 2, 3), 0x1234},
		{"TWAMP Light, random padding", random, 0},
		{"TWAMP Light, one octet of it not zero", last, 0},
		{"TWAMP Light, short", base[:43], 0},
		{"TWAMP Light, shortest", base[:14], 0},
	} {
		if got := identity(c.pkt, false); got != c.want {
			t.Errorf("%s: SSID %#x, want %#x", c.name, got, c.want)
		}
	}
}
