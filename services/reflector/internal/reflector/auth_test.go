package reflector

import (
	"bytes"
	"maps"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/stamp"
)

// Keys, and the authenticated base packet with the fields of the other tests.
// Its HMAC, like those below, is what Python's hmac module computes.
const (
	goodKey  = "0f0e0d0c0b0a09080706050403020100"
	otherKey = "ff0e0d0c0b0a09080706050403020100"
	zeros12  = "000000000000000000000000"
	zeros16  = zeros12 + "00000000"

	authBase = sentSequence + zeros12 + sentT1 + sentEE + sentSSID + zeros12 + zeros12 + zeros12 + zeros16 + zeros16 +
		"1179e28ec1ff54e512f1606518b95bb9"
)

func parsedKeys(t testing.TB, text string) *stamp.Keys {
	t.Helper()
	keys, err := stamp.ParseKeys([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &keys
}

// authRequest is an authenticated test packet, sealed, followed by trailing
// octets.
func authRequest(t testing.TB, key string, sequence uint32, ssid uint16, trailing ...byte) []byte {
	p := stamp.SenderPacket{
		Sequence: sequence, SSID: ssid,
		Timestamp:     stamp.NewTimestamp(time.Now().UnixNano(), stamp.NTP),
		ErrorEstimate: stamp.NewErrorEstimate(time.Millisecond, true, stamp.NTP),
	}
	b := append(p.AppendAuthenticated(nil), trailing...)
	mac := stamp.NewMAC(octets(t, key))
	mac.Seal(b)
	mac.SealTLVs(b, stamp.AuthSize)
	return b
}

// RFC 8762 4-9, 4.3.2-1, 4.3.2-2, 4.4-1, 4.4-3
// RFC 8972 3-16, 3-23, 4-26, 4-28, RFC 8186 2.3
func TestAuthenticatedReplyOctetByOctet(t *testing.T) {
	t.Parallel()
	// T1's format is the reply's (RFC 8186 section 2.3).
	ptp := octets(t, authBase)
	ptp[24] |= 0x40
	ptpReply, _ := reflected(ptp, 57, reply{authenticated: true, clock: testClock, mac: stamp.NewMAC(octets(t, goodKey))})
	if p := authDecoded(t, ptpReply); p.ErrorEstimate != testClock[stamp.PTP] || p.ReceiveTimestamp != 0x6553f100_1dcd6500 || p.Timestamp != 0x6553f100_2cb41780 {
		t.Errorf("PTP is answered with %+v", p)
	}
	for _, c := range []struct {
		name    string
		request string
		want    string
	}{
		{"alone", authBase, "2dd30f05e4cdeec2462ddeb350ba9f48"},
		{"with padding", authBase + "55aa55", "2dd30f05e4cdeec2462ddeb350ba9f48" + "55aa55"},
		{"with a TLV", authBase + "80010002beef", "2dd30f05e4cdeec2462ddeb350ba9f48" + "00010002beef"},
	} {
		out := reply{sequence: 7, stateful: true, authenticated: true, clock: testClock, mac: stamp.NewMAC(octets(t, goodKey))}
		got, why := reflected(octets(t, c.request), 57, out)
		want := octets(t, "00000007"+zeros12+"e8fe6f80c0000000 8105 1234 00000000 e8fe6f8080000000 0000000000000000"+
			sentSequence+zeros12+sentT1+sentEE+"000000000000 39 000000"+zeros12+c.want)
		if why != answered || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n got %x\nwant %x", c.name, why, got, want)
		}
	}
}

// Who is answered, and how, when there are keys.
//
// RFC 8762 4-2, 4-9, 4.3-1, 4.4-6
func TestAuthentication(t *testing.T) {
	t.Parallel()
	open := func(c *Config) { c.AllowUnauthenticated = []netip.Prefix{netip.MustParsePrefix("2001:db8::/64")} }
	tampered := authRequest(t, goodKey, 0, 1)
	tampered[20] ^= 1
	for _, c := range []struct {
		name    string
		keys    string // of the reflector; empty: no keys file
		set     func(*Config)
		payload []byte
		want    reason
		auth    bool
	}{
		{"authentic", "* " + goodKey, nil, authRequest(t, goodKey, 0, 1), answered, true},
		{"authentic, with padding", "* " + goodKey, nil, authRequest(t, goodKey, 0, 1, 1, 2, 3), answered, true},
		// RFC 8762 4.4-5
		{"by SSID", "ssid:1 " + goodKey + "\n* " + otherKey, nil, authRequest(t, goodKey, 0, 1), answered, true},
		{"by prefix", "2001:db8::/32 " + goodKey, nil, authRequest(t, goodKey, 0, 1), answered, true},
		{"another key", "* " + goodKey, nil, authRequest(t, otherKey, 0, 1), hmacFailed, false},
		{"another session's key", "ssid:2 " + goodKey + "\n* " + otherKey, nil, authRequest(t, goodKey, 0, 1), hmacFailed, false},
		{"tampered", "* " + goodKey, nil, tampered, hmacFailed, false},
		{"no key for it", "ssid:2 " + goodKey, nil, authRequest(t, goodKey, 0, 1), noKey, false},
		{"unauthenticated", "* " + goodKey, nil, request(0, 1), unauthenticated, false},
		// RFC 8762 4.6-1
		{"TWAMP Light", "* " + goodKey, nil, request(0, 1)[:14], unauthenticated, false},
		{"one octet short", "* " + goodKey, nil, authRequest(t, goodKey, 0, 1)[:111], unauthenticated, false},
		{"unauthenticated of 112 octets", "* " + goodKey, nil, request(0, 1, make([]byte, 68)...), hmacFailed, false},
		{"junk", "* " + goodKey, nil, []byte("junk"), unauthenticated, false},
		{"open: unauthenticated", "* " + goodKey, open, request(0, 1), answered, false},
		{"open: unauthenticated, long", "* " + goodKey, open, request(0, 1, make([]byte, 200)...), answered, false},
		{"open: authentic", "* " + goodKey, open, authRequest(t, goodKey, 0, 1), answered, true},
		{"open: no key for it", "ssid:2 " + goodKey, open, request(0, 1, make([]byte, 68)...), answered, false},
		{"open elsewhere", "* " + goodKey, func(c *Config) { c.AllowUnauthenticated = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, request(0, 1), unauthenticated, false},
		{"not allowed", "* " + goodKey, func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, authRequest(t, goodKey, 0, 1), notAllowed, false},
		{"no keys file", "", nil, request(0, 1, make([]byte, 68)...), answered, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, server, func(cfg *Config) {
					if c.set != nil {
						c.set(cfg)
					}
					if c.keys != "" {
						cfg.Keys = parsedKeys(t, c.keys)
					}
				}).start()
				s := g.sender(client)
				s.send(server, c.payload)
				got, want := s.replies(), map[reason]uint64{}
				if c.want != answered {
					want[c.want] = 1
				}
				if drops := g.drops(); !maps.Equal(drops, want) || (len(got) == 1) != (c.want == answered) {
					t.Fatalf("%d replies, dropped %v, want %v", len(got), drops, want)
				}
				if n := g.r.table.len(); n != len(got) {
					t.Errorf("%d sessions for %d replies", n, len(got))
				}
				if len(got) == 0 {
					return
				}
				if auth := stamp.NewMAC(octets(t, goodKey)).Verify(got[0].Buf); auth != c.auth || got[0].N != len(c.payload) {
					t.Errorf("answered with %d octets for %d, authentic %v", got[0].N, len(c.payload), auth)
				}
			})
		})
	}
}

// Who need not authenticate may have TLVs that verify, with the key of the
// session.
//
// RFC 8972 4.8-9, 4.8-11, 4.8-18
func TestHMACTLVInUnauthenticatedMode(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]byte{goodKey: 0, otherKey: stamp.FlagI} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, server, func(c *Config) {
				c.Keys, c.AllowUnauthenticated = parsedKeys(t, "ssid:2 "+otherKey+"\nssid:1 "+goodKey), []netip.Prefix{netip.MustParsePrefix("::/0")}
			}).start()
			s := g.sender(client)
			b, mac := request(0, 1, octets(t, allTLVs+hmacTLV)...), stamp.NewMAC(octets(t, key))
			mac.SealTLVs(b, stamp.BaseSize)
			s.send(server, b)
			m, _ := s.one()
			if m.Buf[stamp.BaseSize] != want || want == 0 && !mac.VerifyTLVs(m.Buf, stamp.BaseSize) {
				t.Errorf("flags %#x on the first TLV, want %#x", m.Buf[stamp.BaseSize], want)
			}
		})
	}
}

// The readable message of an authentic packet stands behind its longer base.
func TestMessageOfAuthenticPacket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Keys = parsedKeys(t, "* "+goodKey) }).start()
		padding := stamp.AppendTLV(nil, stamp.TLV{Flags: stamp.FlagU, Type: stamp.TLVExtraPadding, Value: []byte("hello\x00")})
		g.sender(client).send(server, authRequest(t, goodKey, 0, 1, padding...))
		synctest.Wait()
		g.stop()
		if told := g.told(); len(told) < 2 || told[1] != `Received test packet from [2001:db8::1]: "hello"` {
			t.Errorf("the log says %q", told)
		}
	})
}

// Keys change while packets come in: the next one needs the new key.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Keys = parsedKeys(t, "* "+goodKey) }).start()
		s := g.sender(client)
		for i, c := range []struct {
			key  string
			want int
		}{{goodKey, 1}, {otherKey, 0}} {
			s.send(server, authRequest(t, c.key, uint32(i), 1))
			if got := s.replies(); len(got) != c.want {
				t.Errorf("before: %d replies, want %d", len(got), c.want)
			}
		}
		g.r.SetKeys(*parsedKeys(t, "* "+otherKey))
		s.send(server, authRequest(t, goodKey, 2, 1))
		if got := s.replies(); len(got) != 0 {
			t.Error("the old key still counts")
		}
		s.send(server, authRequest(t, otherKey, 3, 1))
		if m := s.replies(); len(m) != 1 || !stamp.NewMAC(octets(t, otherKey)).Verify(m[0].Buf) {
			t.Errorf("%d replies to the new key", len(m))
		} else if p := authDecoded(t, m[0].Buf); p.Sequence != 1 {
			t.Errorf("the session began anew: reply %d", p.Sequence)
		}
	})
}

func authDecoded(t testing.TB, b []byte) (p stamp.ReflectorPacket) {
	t.Helper()
	if err := p.UnmarshalAuthenticated(b); err != nil {
		t.Fatal(err)
	}
	return p
}

// Two reflectors with the same key do not answer each other's replies, although
// these are authentic and the loop guard lets authentic requests pass.
func TestAuthenticLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Keys = parsedKeys(t, "* "+goodKey) }).start()
		s := g.sender("[2001:db8::1]:862")
		s.send(server, authRequest(t, goodKey, 0, 1))
		got := s.replies()
		if len(got) != 1 {
			t.Fatalf("%d replies to an authentic request from port 862", len(got))
		}
		s.send(server, got[0].Buf)
		if again := s.replies(); len(again) != 0 || g.drops()[loop] != 1 {
			t.Errorf("a reply is answered %d times, dropped %v", len(again), g.drops())
		}
		s.send(server, request(0, 1))
		if g.drops(); len(s.replies()) != 0 {
			t.Error("an unauthenticated request is answered")
		}
	})
}

// What cannot authenticate counts in a session of its own.
func TestUnauthenticatedStateIsApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) {
			c.Keys, c.AllowUnauthenticated = parsedKeys(t, "* "+goodKey), []netip.Prefix{netip.MustParsePrefix("::/0")}
		}).start()
		s := g.sender(client)
		for range 3 {
			s.send(server, request(0, 1))
		}
		s.replies()
		s.send(server, authRequest(t, goodKey, 0, 1))
		m := s.replies()
		if p := authDecoded(t, m[0].Buf); p.Sequence != 0 {
			t.Errorf("the first authentic packet is answered as %d", p.Sequence)
		}
	})
}
