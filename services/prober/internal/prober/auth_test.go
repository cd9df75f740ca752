package prober

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

var testKey = bytes.Repeat([]byte{7}, 32)

// keysOf is a key file with one key for all.
func keysOf(t *testing.T) stamp.Keys {
	t.Helper()
	keys, err := stamp.ParseKeys([]byte("* " + strings.Repeat("07", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// sealing is a Session-Reflector in authenticated mode, stateless and without a
// clock of its own. Change may spoil a reply before it leaves.
func sealing(t *testing.T, b *bench, change func(i int, reply []byte)) {
	mac := stamp.NewMAC(testKey)
	i := 0
	b.back(udptest.Instant)
	b.reflector.raw = func(request []byte) []byte {
		var p stamp.SenderPacket
		if p.UnmarshalAuthenticated(request) != nil || !mac.Verify(request) {
			t.Errorf("the request is not authentic: %x", request)
			return nil
		}
		if len(request) > stamp.AuthSize && stamp.NeedsHMAC(request[stamp.AuthSize:], true) && !mac.VerifyTLVs(request, stamp.AuthSize) {
			t.Errorf("its TLVs are not: %x", request)
		}
		reply := stamp.ReflectorPacket{
			Sequence: p.Sequence, Timestamp: p.Timestamp, ErrorEstimate: p.ErrorEstimate, SSID: p.SSID, ReceiveTimestamp: p.Timestamp,
			SenderSequence: p.Sequence, SenderTimestamp: p.Timestamp, SenderErrorEstimate: p.ErrorEstimate, SenderTTL: 250,
		}.AppendAuthenticated(nil)
		reply = append(reply, request[stamp.AuthSize:]...)
		for tlvs := reply[stamp.AuthSize:]; len(tlvs) > 0; {
			_, rest, err := stamp.NextTLV(tlvs)
			if err != nil {
				t.Fatal(err)
			}
			tlvs[0] = 0
			tlvs = rest
		}
		mac.SealTLVs(reply, stamp.AuthSize)
		mac.Seal(reply)
		change(i, reply)
		i++
		return reply
	}
}

// Packets go out sealed, and replies are taken if they are.
//
// RFC 8762 4-10, 4.4-2, 4.4-7
func TestAuthenticated(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(i int, reply []byte)
		received uint64
		failed   uint64
	}{
		"all sealed":            {func(int, []byte) {}, 10, 0},
		"two changed":           {func(i int, reply []byte) { reply[40] += byte(i % 5 / 4) }, 8, 2},
		"the HMAC itself":       {func(_ int, reply []byte) { reply[111]++ }, 0, 10},
		"not in HMAC's reach":   {func(_ int, reply []byte) { reply[len(reply)-1]++ }, 10, 0},
		"as an open reply":      {func(_ int, reply []byte) { clear(reply[96:112]) }, 0, 10},
		"with padding replaced": {func(_ int, reply []byte) { copy(reply[116:], "x") }, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				b.test.keys, b.test.Auth, b.test.Padding, b.test.Message = keysOf(t), Authenticated, PadMessage, "hello"
				sealing(t, b, c.change)
				b.run(t, 0)
				e := b.reports[0]
				if e.Received != c.received || e.HMACFailed != c.failed || e.Unexpected != 0 || e.Session.Auth != "authenticated" || e.Session.Size != 112+4+6 {
					t.Errorf("received %d, HMAC failed %d, unexpected %d, %+v", e.Received, e.HMACFailed, e.Unexpected, e.Session)
				}
				if c.received > 0 && (e.HopsForward == nil || e.HopsForward.Last != 5 || e.Processing == nil) {
					t.Errorf("hops %+v, processing %+v", e.HopsForward, e.Processing)
				}
			})
		})
	}
}

// An open reply is nothing to an authenticated session, and the other way
// around.
//
// RFC 8762 4-10
func TestModesDoNotMix(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.keys = keysOf(t)
		b.run(t, 0) // the reflector of the bench answers in open mode
		if e := b.reports[0]; e.Received != 0 || e.Unexpected != 10 {
			t.Errorf("received %d, unexpected %d", e.Received, e.Unexpected)
		}
	})
	bubble(t, func(t *testing.T, b *bench) {
		b.reflector.raw = func(request []byte) []byte {
			var p stamp.SenderPacket
			_ = p.UnmarshalBinary(request)
			reply := stamp.ReflectorPacket{
				SSID: p.SSID, ErrorEstimate: p.ErrorEstimate, SenderSequence: p.Sequence, SenderTimestamp: p.Timestamp,
			}.AppendAuthenticated(nil)
			stamp.NewMAC(testKey).Seal(reply)
			return reply
		}
		b.run(t, 0)
		if e := b.reports[0]; e.Received != 0 || e.Unexpected != 10 {
			t.Errorf("received %d, unexpected %d", e.Received, e.Unexpected)
		}
	})
}

// TLVs of an authenticated reply count if the HMAC TLV seals them; the reply
// itself does without.
//
// RFC 8972 4.8-2, 4.8-6, 4.8-22, 4.8-27
func TestTLVsAreSealed(t *testing.T) {
	const tlvs = stamp.AuthSize + stamp.TLVHeaderSize // value of the first one
	for name, c := range map[string]struct {
		change func(i int, reply []byte)
		told   bool
		failed uint64
	}{
		"sealed":         {func(int, []byte) {}, true, 0},
		"value changed":  {func(_ int, reply []byte) { reply[tlvs]++ }, false, 10},
		"flag changed":   {func(_ int, reply []byte) { reply[stamp.AuthSize] = stamp.FlagU }, false, 10},
		"without HMAC":   {func(_ int, reply []byte) { reply[stamp.AuthSize+8+16+1] = 1 }, false, 10},
		"reflector says": {func(_ int, reply []byte) { reply[stamp.AuthSize] = stamp.FlagI; reseal(reply) }, false, 10},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				b.test.keys = keysOf(t)
				b.test.TLV.TimestampInfo, b.test.TLV.Direct = true, true
				sealing(t, b, c.change)
				b.run(t, 0)
				e := b.reports[0]
				if e.Received != 10 || e.Extensions == nil {
					t.Fatalf("received %d, %+v", e.Received, e.Extensions)
				}
				if x := e.Extensions; (x.TimestampInfo != nil) != c.told || x.IntegrityFailed != c.failed {
					t.Errorf("%+v", x)
				}
			})
		})
	}
}

// reseal makes the HMACs right again.
func reseal(reply []byte) {
	m := stamp.NewMAC(testKey)
	m.SealTLVs(reply, stamp.AuthSize)
	m.Seal(reply)
}

// What a reflector tells is reported, and what it could not.
//
// RFC 8972 4-31, 4.2-1, 4.2.2-11, 4.2.2-16, 4.2.2-21, 4.3-1, 4.5-11, 4.6-1, 6-1
func TestExtensionsAreReported(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.TLV = TLVs{Location: true, TimestampInfo: true, Direct: true, Access: stamp.AccessNon3GPP, FollowUp: true, ClassOfService: true}
		seen := netip.MustParseAddrPort("198.51.100.9:61000")
		b.reflector.raw = func(request []byte) []byte {
			reply := slices.Clone(request)
			replyTo(request, reply[:stamp.BaseSize])
			for tlvs := reply[stamp.BaseSize:]; len(tlvs) > 0; {
				v, rest, err := stamp.NextTLV(tlvs)
				if err != nil {
					t.Fatal(err)
				}
				tlvs[0] = 0
				switch v.Type {
				case stamp.TLVLocation:
					_ = stamp.Location{Destination: reflectorAddr, Source: seen}.Answer(v.Value)
				case stamp.TLVTimestampInfo:
					_ = stamp.TimestampInfo{SyncIn: stamp.SyncPTP, MethodIn: stamp.TimestampHWAssist, SyncOut: 9, MethodOut: stamp.TimestampSWLocal}.Answer(v.Value)
				case stamp.TLVDirectMeasurement:
					var d stamp.DirectMeasurement
					_ = d.UnmarshalBinary(v.Value)
					stamp.DirectMeasurement{SenderTx: d.SenderTx, ReflectorRx: d.SenderTx - 1, ReflectorTx: 3}.Put(v.Value)
				case stamp.TLVClassOfService:
					stamp.ClassOfService{ReversePath: 1}.Put(v.Value)
				case stamp.TLVFollowUpTelemetry:
					tlvs[0] = stamp.FlagU
				case stamp.TLVAccessReport:
					tlvs[0] = stamp.FlagM
				}
				tlvs = rest
			}
			return reply
		}
		b.run(t, 0)
		x := b.reports[0].Extensions
		if x == nil || x.Location == nil || *x.Location != (events.Location{Source: seen, Destination: reflectorAddr, Translated: true}) {
			t.Fatalf("%+v", x)
		}
		if x.TimestampInfo == nil || *x.TimestampInfo != (events.TimestampInfo{SyncIn: "ptp", MethodIn: "hw_assist", SyncOut: "9", MethodOut: "sw_local"}) {
			t.Errorf("%+v", x.TimestampInfo)
		}
		if x.DirectMeasurement == nil || *x.DirectMeasurement != (events.DirectMeasurement{SenderTx: 10, ReflectorRx: 9, ReflectorTx: 3}) {
			t.Errorf("%+v", x.DirectMeasurement)
		}
		if x.AccessReport != nil || !x.DSCPRefused || !slices.Equal(x.Unrecognized, []string{"follow_up_telemetry"}) || !slices.Equal(x.Malformed, []string{"access_report"}) {
			t.Errorf("%+v", x)
		}
	})
	bubble(t, func(t *testing.T, b *bench) {
		b.run(t, 0)
		if b.reports[0].Extensions != nil {
			t.Error("nobody asked")
		}
	})
}

// Keys are for those whom the file names; who insists on them gets no session
// without.
func TestKeySelectors(t *testing.T) {
	keys, err := stamp.ParseKeys([]byte("2001:db8::/32 " + strings.Repeat("07", 16)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer string
		auth Auth
		key  bool
		fail bool
	}{
		{"2001:db8::1", Authenticated, true, false},
		{"2001:db8::1", AuthNone, true, false},
		{"192.0.2.1", AuthNone, false, false},
		{"192.0.2.1", Authenticated, false, true},
	} {
		how := Test{keys: keys, Auth: c.auth, KeyFile: "keys"}
		key, err := how.key(1, netip.MustParseAddr(c.peer))
		if (key != nil) != c.key || (err != nil) != c.fail {
			t.Errorf("%+v: key %v, %v", c, key != nil, err)
		}
	}
}

// A copy of checked settings has their keys; those who want the file as it is
// now say so.
func TestKeysAreReadAgainOnDemand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	check := func(test *Test, key string, problems int) {
		t.Helper()
		if err := os.WriteFile(file, []byte("* "+strings.Repeat(key, 16)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := test.Check(); len(got) != problems {
			t.Fatalf("problems %v", got)
		}
	}
	test := Test{Count: 1, Interval: ms, Timeout: ms, KeyFile: file}
	has := func(test *Test, octet byte) {
		t.Helper()
		if key, err := test.key(1, proberAddr); err != nil || len(key) != 16 || key[0] != octet {
			t.Errorf("the key is %x (%v), want %x", key, err, octet)
		}
	}
	check(&test, "0a", 0)
	has(&test, 0x0a)
	copied := test
	check(&copied, "0b", 0)
	has(&copied, 0x0a)
	test.Forget()
	check(&test, "0c", 0)
	has(&test, 0x0c)
	test.KeyFile += ".none"
	check(&test, "0d", 1)
	if key, _ := test.key(1, proberAddr); key != nil {
		t.Error("a key of another file is used")
	}
}

// A key file that is broken, or that others can read, is a sentence.
func TestBadKeyFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := "* " + strings.Repeat("ab", 16) + "\n"
	for name, c := range map[string]struct {
		how  Test
		want string
	}{
		"good":             {Test{KeyFile: write("good", good, 0o600)}, ""},
		"open to all":      {Test{KeyFile: write("open", good, 0o644)}, "readable by everybody"},
		"broken":           {Test{KeyFile: write("broken", "* xyz\n", 0o600)}, "line 1"},
		"not there":        {Test{KeyFile: filepath.Join(folder, "none")}, "no such file"},
		"asked for, but":   {Test{Auth: Authenticated}, "must be given"},
		"not for light":    {Test{KeyFile: write("light", good, 0o600), Mode: ModeLight}, "empty in light mode"},
		"payload too long": {Test{KeyFile: write("size", good, 0o600), Auth: Authenticated, Size: 100}, "must be "},
	} {
		c.how.Count, c.how.Interval, c.how.Timeout = 1, 100*ms, 100*ms
		var all []string
		for _, p := range c.how.Check() {
			all = append(all, p.Msg)
		}
		if text := strings.Join(all, "; "); (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

// Sealed packets with all TLVs cost no allocation either.
func TestAuthenticatedPathDoesNotAllocate(t *testing.T) {
	c := new(sink)
	p := New(Config{Continuous: true, ReportInterval: 24 * time.Hour})
	l := newLink(c, &p.clock)
	s := sessionOn(t, p, l, Test{
		Interval: 10 * time.Microsecond, Timeout: 1000 * ms, SSID: 9, Padding: PadZero, keys: keysOf(t),
		TLV: TLVs{Location: true, TimestampInfo: true, Direct: true, Access: stamp.Access3GPP, FollowUp: true, ClassOfService: true},
	})
	mac := stamp.NewMAC(testKey)
	reply := udp.Message{Buf: make([]byte, len(s.payload)), N: len(s.payload), Peer: reflectorAddr, Kernel: true, TTL: 250}
	packet := func() {
		s.wake(s.due, s.due)
		var sent stamp.SenderPacket
		_ = sent.UnmarshalAuthenticated(c.last.Buf)
		copy(reply.Buf, c.last.Buf)
		stamp.ReflectorPacket{
			Sequence: sent.Sequence, Timestamp: sent.Timestamp, ErrorEstimate: sent.ErrorEstimate, SSID: sent.SSID,
			ReceiveTimestamp: sent.Timestamp, SenderSequence: sent.Sequence, SenderTimestamp: sent.Timestamp, SenderTTL: 250,
		}.AppendAuthenticated(reply.Buf[:0])
		mac.SealTLVs(reply.Buf, stamp.AuthSize)
		mac.Seal(reply.Buf)
		reply.Time = time.Now().UnixNano()
		l.message(&reply, time.Now())
	}
	if n := testing.AllocsPerRun(5000, packet); n != 0 {
		t.Errorf("%v allocations per packet, want 0", n)
	}
	if i := s.interval; i.received+s.ring.next-s.open != 5001 || i.told.integrity != 0 || i.hmacFailed != 0 {
		t.Errorf("received %d, of %d; integrity %d", i.received, s.ring.next, i.told.integrity)
	}
}

// What is asked is asked as the extensions have it: all zero but for what the
// sender knows.
//
// RFC 8972 4.2-2, 4.3-2, 4.3-3, 4.5-4, 4.5-5, 4.5-8, 4.6-14, 4.6-15
func TestWhatIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.TLV = TLVs{Location: true, TimestampInfo: true, Direct: true, Access: stamp.AccessNon3GPP}
		n := byte(0)
		b.reflector.raw = func(request []byte) []byte {
			n++
			want := "8002002c" + "00000000" + "80040010" + zeros16 + "80070010" + zeros16 +
				"80030004" + "00000000" + "8005000c" + fmt.Sprintf("%08x", n) + "0000000000000000" + "80060004" + "20010000"
			if got := hex.EncodeToString(request[stamp.BaseSize:]); got != want {
				t.Errorf("packet %d asks\n     %s\nwant %s", n, got, want)
			}
			return nil
		}
		b.run(t, 0)
		if n != 10 {
			t.Errorf("%d packets", n)
		}
	})
}

const zeros16 = "00000000000000000000000000000000"

// Of the TLVs of a reply those count that stand before a malformed one, and none
// if the integrity of one is in doubt.
//
// RFC 8972 4-33, 4-34, 4-39, 4.8-26, 6-1
func TestTLVsThatCanBeUsed(t *testing.T) {
	const (
		info   = "00030004" + "02010201"
		direct = "0005000c" + "000000010000000200000003"
		access = "00060004" + "10010000"
	)
	for name, c := range map[string]struct {
		tlvs               string
		filled             kinds
		unknown, malformed kinds
		integrity          uint64
	}{
		"all":                    {info + direct + access, 1<<3 | 1<<5 | 1<<6, 0, 0, 0},
		"unknown":                {info + "80" + direct[2:] + access, 1<<3 | 1<<6, 1 << 5, 0, 0},
		"malformed says the bit": {info + "40" + direct[2:] + access, 1 << 3, 0, 1 << 5, 0},
		"malformed by length":    {info + "00050004" + "00000000" + access, 1 << 3, 0, 1 << 5, 0},
		"beyond the end":         {info + "0005000d" + "000000010000000200000003", 1 << 3, 0, 0, 0},
		"doubted":                {info + direct + "20" + access[2:], 0, 0, 0, 1},
		"doubted, and more":      {info + direct + "e0" + access[2:], 0, 0, 0, 1},
		"doubted behind":         {info + "40" + direct[2:] + "20" + access[2:], 1 << 3, 0, 1 << 5, 0},
	} {
		b, err := hex.DecodeString(c.tlvs)
		if err != nil {
			t.Fatal(err)
		}
		var x told
		usable := x.take(b)
		if x.filled != c.filled || x.unknown != c.unknown || x.malformed != c.malformed || x.integrity != c.integrity {
			t.Errorf("%s: %+v", name, x)
		}
		if whole := c.malformed == 0 && c.integrity == 0 && name != "beyond the end"; whole != (len(usable) == len(b)) {
			t.Errorf("%s: %d of %d octets can be used", name, len(usable), len(b))
		}
	}
}

// With RP set the reply's marking is the reflector's affair, not the way's.
//
// RFC 8972 4.4-17, 4.4-18
func TestReversePath(t *testing.T) {
	for refused, remarked := range map[uint8]uint64{0: 10, 1: 0} {
		bubble(t, func(t *testing.T, b *bench) {
			b.test.DSCP, b.test.TLV.ClassOfService = 46, true
			b.reflector.raw = func(request []byte) []byte {
				reply := slices.Clone(request)
				replyTo(request, reply[:stamp.BaseSize])
				reply[stamp.BaseSize] = 0
				stamp.ClassOfService{DSCP1: 46, DSCP2: 46, ReversePath: refused}.Put(reply[stamp.BaseSize+stamp.TLVHeaderSize:])
				return reply // with DSCP 0
			}
			b.run(t, 0)
			m := b.reports[0].Marking
			if m.Remarked != remarked || (m.ReturnedDSCP == nil) != (refused == 1) || *m.ReflectorDSCP != 46 || b.reports[0].Extensions.DSCPRefused != (refused == 1) {
				t.Errorf("RP %d: %+v", refused, m)
			}
		})
	}
}

// The HMAC TLV stands behind all that it protects; padding alone does without.
//
// RFC 8972 4.8-2, 4.8-4, 4.8-6, 4.8-8
func TestPlaceOfTheHMAC(t *testing.T) {
	how := Test{TLV: TLVs{Direct: true}, Padding: PadMessage, Message: "x"}
	with, err := how.payload(true)
	if err != nil {
		t.Fatal(err)
	}
	how.TLV = TLVs{}
	without, err := how.payload(true)
	if err != nil {
		t.Fatal(err)
	}
	types := func(b []byte) (all []stamp.TLVType) {
		for b = b[stamp.AuthSize:]; len(b) > 0; {
			var v stamp.TLV
			if v, b, err = stamp.NextTLV(b); err != nil {
				t.Fatal(err)
			}
			all = append(all, v.Type)
		}
		return all
	}
	if got := types(with); !slices.Equal(got, []stamp.TLVType{stamp.TLVDirectMeasurement, stamp.TLVHMAC, stamp.TLVExtraPadding}) {
		t.Errorf("with TLVs: %v", got)
	}
	if got := types(without); !slices.Equal(got, []stamp.TLVType{stamp.TLVExtraPadding}) {
		t.Errorf("padding alone: %v", got)
	}
}

// A reply whose HMAC TLV is not behind all others is as one that does not verify.
//
// RFC 8972 4.8-8
func TestHMACInAnotherPlace(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.keys = keysOf(t)
		b.test.TLV.TimestampInfo = true // 8 octets, then the HMAC TLV of 20
		sealing(t, b, func(_ int, reply []byte) {
			tlvs := reply[stamp.AuthSize:]
			info := slices.Clone(tlvs[:8])
			copy(tlvs, tlvs[8:28])
			copy(tlvs[20:], info)
			reseal(reply)
		})
		b.run(t, 0)
		if e := b.reports[0]; e.Received != 10 || e.Extensions.IntegrityFailed != 10 || e.Extensions.TimestampInfo != nil {
			t.Errorf("received %d, %+v", e.Received, e.Extensions)
		}
	})
}

// No two sessions have the same SSID, chosen or drawn.
//
// RFC 8972 3-9
func TestSSIDs(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.SSID, b.test.Count = 65534, 1
		b.cfg.Targets = nil
		for _, host := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} {
			b.cfg.Targets = append(b.cfg.Targets, Target{Name: host, Host: host, Port: 862})
		}
		b.run(t, 0)
		seen := make(map[uint16]bool)
		for _, e := range b.reports {
			seen[e.Session.SSID] = true
		}
		if len(seen) != 3 || !seen[65534] || !seen[65535] || !seen[1] {
			t.Errorf("%v", seen)
		}
	})
	x := make(ssids)
	for range 1<<16 - 1 {
		s := x.choose(0)
		if s == 0 || x[s] != 0 {
			t.Fatalf("SSID %d is given twice, or none", s)
		}
		x.take(s)
	}
	if s := x.choose(0); s == 0 {
		t.Error("when all are given there is none")
	}
	x.giveBack(9)
	if s := x.choose(0); s != 9 {
		t.Errorf("%d, not the one that is free", s)
	}
}

// A session whose replies come without the SSID goes on, or stops, as the user
// has it.
//
// RFC 8972 3-20
func TestZeroSSID(t *testing.T) {
	for what, sent := range map[ZeroSSID]uint64{ContinueOnZeroSSID: 10, StopOnZeroSSID: 1} {
		bubble(t, func(t *testing.T, b *bench) {
			b.test.ZeroSSID = what
			b.reflector.behave = func(_ int, a *answering) { a.reply.SSID = 0 }
			b.run(t, 0)
			if e := b.reports[0]; len(b.reports) != 1 || e.Sent != sent || e.Received != sent || e.Report.Cut != (what == StopOnZeroSSID) {
				t.Errorf("%d: %d sent, %d received, %+v", what, e.Sent, e.Received, e.Report)
			}
		})
	}
}
