package reflector

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// How a reflector of [FuzzRespond] has its keys.
const (
	noKeys = iota
	keysRequired
	keysOptional
)

// fuzzed is one request of [FuzzRespond].
type fuzzed struct {
	octets   []byte
	strict   bool
	stateful bool
	keys     int
	seal     bool // the HMACs are made good
	six      bool // over IPv6
	ttl, tos int
}

// worker is one that answers it.
func (f *fuzzed) worker(t *testing.T) *worker {
	rec := &recorder{}
	cfg := rec.config()
	cfg.Strict, cfg.Stateless, cfg.Logging, cfg.CoSAllow = f.strict, !f.stateful, LogOff, []stamp.DSCP{0, 8, 46}
	if f.keys != noKeys {
		cfg.Keys = parsedKeys(t, "* "+goodKey)
	}
	if f.keys == keysOptional {
		cfg.AllowUnauthenticated = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return assemble(cfg, []conn{sink{}}).workers[0]
}

// message is it as it arrives.
func (f *fuzzed) message() *udp.Message {
	m := &udp.Message{
		Buf: append(make([]byte, 0, roomSize), f.octets...)[:roomSize], N: len(f.octets),
		Peer: testPeer, Local: testLocal.Addr(), Time: testT2, TTL: f.ttl, TOS: f.tos,
	}
	if f.six {
		m.Peer, m.Local = netip.MustParseAddrPort(client), netip.MustParseAddrPort(server).Addr()
	}
	return m
}

// FuzzRespond holds replies to what no request may change.
func FuzzRespond(f *testing.F) {
	for _, trailing := range []string{"", "55aa", "80010004cafebabe", "80c8000101 80010005cafe", "80", allTLVs, allTLVs + hmacTLV, allTLVs + hmacTLV + "8001000155", "80070003ffffff" + allTLVs} {
		f.Add(append(octets(f, sentBase), octets(f, trailing)...), byte(0b00001), uint8(64), uint8(0xb9))
		f.Add(append(octets(f, sentBase), octets(f, trailing)...), byte(0b10011), uint8(64), uint8(0xb9))
		for _, mode := range []byte{0b001111, 0b010111, 0b110100, 0b100110} {
			f.Add(append(octets(f, authBase), octets(f, trailing)...), mode, uint8(255), uint8(3))
		}
	}
	f.Add(octets(f, sentSequence+sentT1+sentEE), byte(0), uint8(1), uint8(0))
	f.Add(bytes.Repeat([]byte("0"), stamp.AuthSize), byte(0b010111), uint8(1), uint8(0)) // T2 is T3, as in a reply
	workers := map[byte]*worker{}                                                        // by mode: to make one takes long
	f.Fuzz(func(t *testing.T, b []byte, mode, ttl, tos uint8) {
		message(b, stamp.BaseSize)
		identity(b, mode&1 != 0)
		isReply(b, mode&2 != 0)
		if len(b) > roomSize-stamp.AuthSize {
			return
		}
		c := &fuzzed{
			octets: bytes.Clone(b), strict: mode&1 != 0, stateful: mode&2 != 0, keys: int(mode>>2&3) % 3,
			seal: mode&16 != 0, six: mode&32 != 0, ttl: int(ttl), tos: int(tos),
		}
		w, mac := workers[mode&15], stamp.NewMAC(octets(t, goodKey))
		if w == nil {
			w = c.worker(t)
			workers[mode&15] = w
		}
		if c.stateful {
			w.table = newTable(1)
		}
		if c.seal && len(b) >= stamp.AuthSize {
			mac.Seal(c.octets)
			mac.SealTLVs(c.octets, stamp.AuthSize)
		}
		authentic := c.keys != noKeys && mac.Verify(c.octets)
		m := c.message()
		n, follow, why := w.reply(m)
		if !checkReason(t, c, authentic, why) {
			return
		}
		base := baseSize(authentic)
		if n != max(len(b), base) || m.TOS&3 != 0 {
			t.Fatalf("%d octets are answered with %d, TOS %#x", len(b), n, m.TOS)
		}
		finish(m.Buf, testT3, follow.seal)
		got := m.Buf[:n]
		if !isReply(got, authentic) {
			t.Fatalf("the reply %x is taken for a request", got)
		}
		if authentic != (follow.seal != nil) || authentic && !mac.Verify(got) {
			t.Fatalf("authentic %v, the reply is %x", authentic, got)
		}
		checkBase(t, c, authentic, got)
		if c.keys == noKeys {
			mac = nil
		}
		checkTrailing(t, c, authentic, mac, got)
	})
}

// checkReason holds a drop to its cause, and tells whether there is a reply.
func checkReason(t *testing.T, c *fuzzed, authentic bool, why reason) bool {
	ee := 12
	if authentic {
		ee = 24
	}
	switch {
	case c.keys == keysRequired && !authentic:
		if why != unauthenticated && why != hmacFailed {
			t.Fatalf("not authentic: %v", why)
		}
	case isReply(c.octets, authentic):
		if why != loop {
			t.Fatalf("a reply: %v", why)
		}
	case len(c.octets) < stamp.LightSize:
		if why != tooShort {
			t.Fatalf("%d octets: %v", len(c.octets), why)
		}
	case c.octets[ee+1] == 0:
		if why != invalidErrorEstimate {
			t.Fatalf("multiplier 0: %v", why)
		}
	case why != answered:
		t.Fatalf("not answered: %v", why)
	}
	return why == answered
}

// checkBase holds the base packet of a reply to its request.
func checkBase(t *testing.T, c *fuzzed, authentic bool, got []byte) {
	var req stamp.SenderPacket
	var p stamp.ReflectorPacket
	decode(&req, c.octets, authentic)
	err := p.UnmarshalBinary(got)
	if authentic {
		err = p.UnmarshalAuthenticated(got)
	}
	want := stamp.ReflectorPacket{
		Sequence: req.Sequence, SSID: req.SSID, SenderSequence: req.Sequence, SenderTimestamp: req.Timestamp,
		SenderErrorEstimate: req.ErrorEstimate, SenderTTL: uint8(c.ttl), TTLKnown: true,
		Timestamp: p.Timestamp, ErrorEstimate: p.ErrorEstimate, ReceiveTimestamp: p.ReceiveTimestamp,
	}
	if c.stateful {
		want.Sequence = 0
	}
	format := p.ErrorEstimate.Format()
	t2, _ := p.ReceiveTimestamp.UnixNano(format)
	t3, _ := p.Timestamp.UnixNano(format)
	if err != nil || p != want || t2 != testT2 || t3 != testT3 || format != req.ErrorEstimate.Format() {
		t.Fatalf("the reply is %+v (%v), want %+v", p, err, want)
	}
}

// checkTrailing holds what came back behind the base packet to what was sent.
func checkTrailing(t *testing.T, c *fuzzed, authentic bool, mac *stamp.MAC, got []byte) {
	base := baseSize(authentic)
	if len(c.octets) <= base {
		return
	}
	sent, back := c.octets[base:], got[base:]
	if !c.strict && sent[0] != stamp.FlagU {
		if !bytes.Equal(sent, back) {
			t.Fatalf("padding %x came back as %x", sent, back)
		}
		return
	}
	if stamp.NeedsHMAC(sent, authentic) && (mac == nil || !mac.VerifyTLVs(c.octets, base)) {
		checkTLVs(t, sent, back, stamp.FlagI)
		return
	}
	if reached := checkTLVs(t, sent, back, 0); reached && !mac.VerifyTLVs(got, base) {
		t.Fatalf("the reply's TLVs do not verify: %x", got)
	}
}

// checkTLVs walks TLVs that were sent and came back, all of which are to have
// the flags in all, and says whether the HMAC TLV was among those answered.
func checkTLVs(t *testing.T, sent, back []byte, all byte) (hmac bool) {
	for len(sent) > 0 {
		tlv, rest, err := stamp.NextTLV(sent)
		end := len(sent) - len(rest)
		flags := back[0]
		known := tlv.Type.Known()
		switch {
		case flags&all != all || flags&^(stamp.FlagU|stamp.FlagM|stamp.FlagI) != 0 || all == 0 && flags&stamp.FlagI != 0:
			t.Fatalf("flags %#x on %x", flags, sent)
		case err != nil && (flags != all|stamp.FlagM || !bytes.Equal(sent[1:], back[1:])):
			t.Fatalf("what does not fit, %x, came back as %x", sent, back)
		case err != nil:
			return hmac
		case !known && flags != all|stamp.FlagU, flags&stamp.FlagM != 0 && !known, binary.BigEndian.Uint16(sent[2:]) != binary.BigEndian.Uint16(back[2:]), sent[1] != back[1]:
			t.Fatalf("%x came back as %x", sent[:end], back[:end])
		case (all != 0 || !known || tlv.Type == stamp.TLVExtraPadding) && !bytes.Equal(sent[1:end], back[1:end]):
			t.Fatalf("the value of %x came back as %x", sent[:end], back[:end])
		case all == 0 && flags&stamp.FlagM != 0:
			if !bytes.Equal(sent[end:], back[end:]) {
				t.Fatalf("behind a malformed TLV, %x came back as %x", sent[end:], back[end:])
			}
			return hmac
		}
		hmac = hmac || tlv.Type == stamp.TLVHMAC
		sent, back = sent[end:], back[end:]
	}
	return hmac
}
