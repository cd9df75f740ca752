package reflector

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

func TestProvisionedSetting(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Provisioned{
		"0":                     {},
		"4660":                  {SSID: 0x1234},
		"010":                   {SSID: 10}, // as the prober's -ssid and the key file read it
		"0x1234":                {SSID: 0x1234},
		"65535@192.0.2.0/24":    {SSID: 65535, From: netip.MustParsePrefix("192.0.2.0/24")},
		"0x1@2001:db8::1/128":   {SSID: 1, From: netip.MustParsePrefix("2001:db8::1/128")},
		"0xffff@2001:db8::/126": {SSID: 65535, From: netip.MustParsePrefix("2001:db8::/126")},
	} {
		var p Provisioned
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want {
			t.Errorf("%s is %+v (%v), want %+v", text, p, err, want)
		}
	}
	for _, text := range []string{"", "@", "65536", "-1", "0x10000", "1_0", "0x1_0", "0b1", "0o7", "0x", "one", "1@", "1@192.0.2.1", "@192.0.2.0/24", "1@192.0.2.0/33"} {
		var p Provisioned
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

// Sessions that the reflector was not told of are discarded.
//
// RFC 8972 3-14, 3-15
func TestOnlyProvisionedSessions(t *testing.T) {
	t.Parallel()
	sessions := []Provisioned{
		{SSID: 1},
		{SSID: 2, From: netip.MustParsePrefix("2001:db8::/64")},
		{SSID: 2, From: netip.MustParsePrefix("192.0.2.0/24")},
		{SSID: 0, From: netip.MustParsePrefix("192.0.2.7/32")},
	}
	light := append(request(0, 0)[:14], make([]byte, 30)...)
	light[15], light[20] = 3, 1 // padding, not an SSID
	for _, c := range []struct {
		from    string
		payload []byte
		want    reason
	}{
		{"[2001:db8:9::1]:40000", request(0, 1), answered},
		{"198.51.100.1:40000", request(0, 1), answered},
		{"[2001:db8::1]:40000", request(0, 2), answered},
		{"192.0.2.1:40001", request(0, 2), answered},
		{"[2001:db8:0:1::1]:40000", request(0, 2), notProvisioned},
		{"192.0.2.1:40000", request(0, 3), notProvisioned},
		{"192.0.2.1:40000", request(0, 0), notProvisioned},
		{"192.0.2.7:40000", request(0, 0), answered},
		{"192.0.2.7:40000", request(0, 0)[:14], answered},
		{"192.0.2.7:40000", light, answered},
		{"192.0.2.8:40000", light, notProvisioned},
	} {
		rec := &recorder{}
		cfg := rec.config()
		cfg.Sessions = sessions
		w := assemble(cfg, []conn{sink{}}).workers[0]
		if why := ask(w, c.from, c.payload); why != c.want {
			t.Errorf("%x from %s: %v, want %v", c.payload[14:], c.from, why, c.want)
		}
	}
}

// ask hands one request to a worker.
func ask(w *worker, from string, payload []byte) reason {
	m := udp.Message{
		Buf: append(make([]byte, 0, 2048), payload...)[:2048], N: len(payload), Peer: netip.MustParseAddrPort(from),
		Local: netip.MustParseAddr("2001:db8::2"), Time: time.Now().UnixNano(), TTL: 64,
	}
	_, _, why := w.reply(&m)
	return why
}

// A reply is known as one, whoever's it is; no request is taken for one.
func TestRepliesAreNotAnswered(t *testing.T) {
	t.Parallel()
	base := octets(t, sentBase)
	ptp := octets(t, sentSequence+sentT1+"ca0b"+sentSSID+sentZeros)
	for name, sent := range map[string][]byte{
		"base": base, "PTP": ptp, "light": base[:14], "padded": append(octets(t, sentBase), make([]byte, 1000)...),
	} {
		b, _ := reflected(sent, 64, reply{clock: testClock})
		if !isReply(b, false) {
			t.Errorf("the reply to %s is taken for a request: %x", name, b)
		}
		for _, n := range []int{36, 38, 41, 44} { // as old TWAMP reflectors end them
			if !isReply(b[:n], false) {
				t.Errorf("the first %d octets of the reply to %s are taken for a request", n, name)
			}
		}
		stamp.PutTransmitTimestamp(b, stamp.NewTimestamp(testT2, stamp.ErrorEstimate(uint16(b[12])<<8).Format()))
		if !isReply(b, false) {
			t.Errorf("a reply to %s with T3 = T2 is taken for a request", name)
		}
		stamp.PutTransmitTimestamp(b, stamp.NewTimestamp(testT2-1000, stamp.ErrorEstimate(uint16(b[12])<<8).Format()))
		if !isReply(b, false) {
			t.Errorf("a reply to %s with T3 < T2, of two clocks, is taken for a request", name)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	padding := func(n int) (b []byte) {
		for range n {
			b = append(b, byte(random.Uint32()))
		}
		return b
	}
	for range 10000 {
		if b := append(request(1, 1)[:14], padding(random.IntN(100))...); isReply(b, false) {
			t.Fatalf("a TWAMP Light request with random padding is taken for a reply: %x", b)
		}
	}
	stale, _ := reflected(base, 64, reply{clock: testClock})
	copy(stale, request(2, 0)[:14]) // a sender that writes its next request over the last reply
	for name, b := range map[string][]byte{
		"base": request(0, 1), "light": request(0, 0)[:14], "a message": append(request(0, 0)[:14], "TWAMP test message, padded to the base packet\x00"...),
		"zeros": append(request(0, 0), make([]byte, 1000)...), "over a reply": stale,
	} {
		if isReply(b, false) {
			t.Errorf("the request %s is taken for a reply: %x", name, b)
		}
	}
	// What must be zero is ignored where it is not (RFC 8762 section 4.2.2).
	filled := authRequest(t, goodKey, 0, 1)
	copy(filled[28:96], bytes.Repeat([]byte{0x55}, 68))
	if isReply(filled, true) {
		t.Errorf("an authentic request is taken for a reply: %x", filled)
	}
}

// A forged request makes two reflectors on ports that neither knows exchange
// one packet, not packets without end.
func TestForgedRequestBetweenReflectors(t *testing.T) {
	t.Parallel()
	one := reflecting(t, netip.MustParseAddrPort("[::1]:0"))
	loopBetween(t, one, reflecting(t, netip.MustParseAddrPort("[::1]:0")), 1)
}

// reflecting is a reflector that answers at one address.
func reflecting(t *testing.T, at netip.AddrPort) *running {
	u := run(t, func(c *Config) { c.Listen = []netip.AddrPort{at} })
	if err := u.next(t); err != nil {
		t.Fatal(err)
	}
	return u
}

// loopBetween sends forged requests from one reflector's socket to another's,
// and holds what becomes of each.
func loopBetween(t *testing.T, one, two *running, repliesEach uint64) {
	const forged = 10
	for i := range uint32(forged) {
		b := request(i, 1)
		if _, err := one.r.conns[0].Write([]udp.Message{{Buf: b, N: len(b), Peer: two.r.Addresses()[0]}}); err != nil {
			t.Fatal(err)
		}
	}
	dropped := func() uint64 { return one.r.dropped(loop) + two.r.dropped(loop) }
	eventually(t, func() bool { return dropped() == forged })
	// Its self-check apart, the one whose address was forged answers nothing.
	if n := one.r.table.len(); n != 0 {
		t.Errorf("the first reflector has %d sessions", n)
	}
	if got := two.r.table.packets(); got != forged*repliesEach {
		t.Errorf("%d packets are answered, want %d", got, forged*repliesEach)
	}
	one.stop()
	two.stop()
	if dropped() != forged {
		t.Errorf("%d packets were dropped, %d forged: they went on", dropped(), forged)
	}
}

// packets counts those of all sessions.
func (t *table) packets() (n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		n += uint64(s.packets)
	}
	return n
}

// eventually waits until something is true.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("waited in vain")
		}
	}
}

// No reply is longer than its request, but for the base packet.
//
// RFC 8762 4.2-1, 4.6-7, 4.6-8
func TestNoReplyIsLonger(t *testing.T) {
	t.Parallel()
	followUp := append([]byte{stamp.FlagU, byte(stamp.TLVFollowUpTelemetry), 0, stamp.FollowUpSize}, make([]byte, stamp.FollowUpSize)...)
	cos := []byte{stamp.FlagU, byte(stamp.TLVClassOfService), 0, stamp.ClassOfServiceSize, 0xb8, 0, 0, 0}
	for name, trailing := range map[string][]byte{
		"zeros": make([]byte, 200), "TLVs": append(append([]byte{}, followUp...), cos...),
		"lengths beyond the end": {0x80, 4, 0xff, 0xff, 0x80, 7, 0xff, 0xff}, "flags": {0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, strict %v", name, strict), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					g := newRig(t, server, func(c *Config) { c.Strict = strict }).start()
					s := g.sender(client)
					whole := request(0, 1, trailing...)
					for n := range len(whole) + 1 {
						s.send(server, whole[:n])
						got := s.replies()
						if want := n >= stamp.LightSize; (len(got) == 1) != want {
							t.Fatalf("%d octets get %d replies", n, len(got))
						}
						if len(got) == 1 && got[0].N != max(n, stamp.BaseSize) {
							t.Errorf("%d octets are answered with %d", n, got[0].N)
						}
					}
				})
			})
		}
	}
}
