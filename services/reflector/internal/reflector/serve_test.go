package reflector

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

const (
	server = "[2001:db8::2]:862"
	client = "[2001:db8::1]:40000"
)

func TestSequenceNumbersOnTheWire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		set  func(*Config)
		want []uint32
	}{
		// RFC 8762 4-5, 4.3.1-4, 4.3.1-5
		{"stateful", nil, []uint32{0, 1, 2}},
		// RFC 8762 4-3, 4.3.1-3
		{"stateless", func(c *Config) { c.Stateless = true }, []uint32{500, 7, 500}},
		{"full", func(c *Config) { c.SessionTable = 0 }, []uint32{500, 7, 500}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, server, c.set).start()
				s := g.sender(client)
				for i, sequence := range []uint32{500, 7, 500} {
					s.send(server, request(sequence, 1))
					if _, p := s.one(); p.Sequence != c.want[i] || p.SenderSequence != sequence {
						t.Errorf("request %d is answered as %d to %d, want %d", sequence, p.Sequence, p.SenderSequence, c.want[i])
					}
				}
			})
		})
	}
}

// A session is addresses, ports and SSID; a TWAMP Light sender's random padding
// is no SSID.
//
// RFC 8762 4-7, RFC 8972 3-5, 3-13
func TestSessionsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, "[::]:862", nil).start()
		s, neighbour := g.sender(client), g.sender("[2001:db8::1]:40001")
		s.send(server, request(0, 1))
		s.send(server, request(0, 2))
		s.send("[2001:db8::3]:862", request(0, 1))
		neighbour.send(server, request(0, 1))
		for _, m := range append(s.replies(), neighbour.replies()...) {
			if p := decoded(t, m.Buf); p.Sequence != 0 {
				t.Errorf("a new session begins with sequence %d", p.Sequence)
			}
		}
		if n := g.r.table.len(); n != 4 {
			t.Errorf("%d sessions, want 4", n)
		}
		light := g.sender("[2001:db8::1]:40002")
		for i := range 20 {
			padded := append(request(uint32(i), 0)[:14], bytes.Repeat([]byte{byte(i), 1}, 30)...)
			light.send(server, padded)
			if _, p := light.one(); p.Sequence != uint32(i) {
				t.Errorf("TWAMP Light packet %d is answered as %d", i, p.Sequence)
			}
		}
		if n := g.r.table.len(); n != 5 {
			t.Errorf("a TWAMP Light sender opened %d sessions, want 1", n-4)
		}
	})
}

// RFC 8762 4.3.1-8, 4.3.1-9, 4.3.1-15
func TestTimesAndPath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, "[::]:862", nil).start()
		s := g.sender(client)
		a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
		marked := udptest.Remark(46<<2 | 3) // EF, congestion experienced
		g.net.SetPath(a, b, udptest.Delay(20*time.Millisecond).Then(udptest.Hops(7)).Then(marked))
		start := time.Now()
		s.send(server, request(0, 1))
		time.Sleep(time.Second)
		m, p := s.one()
		if m.Peer.String() != server {
			t.Errorf("the reply came from %v, %v was asked", m.Peer, server)
		}
		if m.TTL != 255 || m.TOS != 46<<2 {
			t.Errorf("the reply has TTL %d and TOS %#x, want 255, and the request's DSCP without ECN", m.TTL, m.TOS)
		}
		if p.SenderTTL != 255-7 {
			t.Errorf("the request's TTL is reported as %d", p.SenderTTL)
		}
		arrived := start.Add(20 * time.Millisecond).UnixNano()
		t2, _ := p.ReceiveTimestamp.UnixNano(p.ErrorEstimate.Format())
		t3, _ := p.Timestamp.UnixNano(p.ErrorEstimate.Format())
		if t2 != arrived || t3 != arrived {
			t.Errorf("T2 is %d and T3 %d ns after the arrival", t2-arrived, t3-arrived)
		}
		if !p.ErrorEstimate.Valid() {
			t.Error("the error estimate is not valid")
		}
	})
}

func TestUnknownTOS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := udptest.New()
		n.SetFeatures(udp.Features{})
		c, err := n.Listen(udp.Config{Local: netip.MustParseAddrPort("192.0.2.2:862")})
		if err != nil {
			t.Fatal(err)
		}
		rec := &recorder{}
		g := (&rig{recorder: rec, t: t, net: n, server: c, r: assemble(rec.config(), []conn{c})}).start()
		n.SetFeatures(udp.Features{TOS: true})
		s := g.sender("192.0.2.1:40000")
		s.send("192.0.2.2:862", request(0, 1))
		if m, p := s.one(); m.TOS != 0 || p.SenderTTL != 0 {
			t.Errorf("TOS %d, sender TTL %d where the kernel does not tell", m.TOS, p.SenderTTL)
		}
	})
}

// RFC 8762 4-2, 4.3-1
func TestDrops(t *testing.T) {
	t.Parallel()
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, x := range s {
			p = append(p, netip.MustParsePrefix(x))
		}
		return p
	}
	corrupt := request(0, 0)
	corrupt[13] = 0
	for _, c := range []struct {
		name    string
		set     func(*Config)
		from    string
		payload []byte
		want    reason
	}{
		{"good", nil, client, request(0, 0), answered},
		{"empty", nil, client, nil, tooShort},
		{"13 octets", nil, client, request(0, 0)[:13], tooShort},
		{"14 octets", nil, client, request(0, 0)[:14], answered},
		{"multiplier 0", nil, client, corrupt, invalidErrorEstimate},
		{"from port 862", nil, "[2001:db8::1]:862", request(0, 0), loop},
		{"from our own port", nil, "[2001:db8::1]:18620", request(0, 0), loop},
		{"from port 862, symmetric", func(c *Config) { c.AllowSymmetric = prefixes("2001:db8::/64") }, "[2001:db8::1]:862", request(0, 0), answered},
		{"from port 862, symmetric elsewhere", func(c *Config) { c.AllowSymmetric = prefixes("2001:db8:1::/64") }, "[2001:db8::1]:862", request(0, 0), loop},
		{"allowed", func(c *Config) { c.Allow = prefixes("192.0.2.0/24", "2001:db8::/64") }, client, request(0, 0), answered},
		{"not allowed", func(c *Config) { c.Allow = prefixes("192.0.2.0/24") }, client, request(0, 0), notAllowed},
		{"symmetric does not allow", func(c *Config) {
			c.Allow, c.AllowSymmetric = prefixes("192.0.2.0/24"), prefixes("2001:db8::/64")
		}, "[2001:db8::1]:862", request(0, 0), notAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := "[2001:db8::2]:18620"
				g := newRig(t, to, c.set).start()
				s := g.sender(c.from)
				s.send(to, c.payload)
				want, replies := map[reason]uint64{}, 1
				if c.want != answered {
					want[c.want], replies = 1, 0
				}
				if got := s.replies(); len(got) != replies {
					t.Errorf("%d replies, want %d", len(got), replies)
				}
				if got := g.drops(); !maps.Equal(got, want) {
					t.Errorf("dropped %v, want %v", got, want)
				}
				if sessions := g.r.table.len(); sessions != replies {
					t.Errorf("%d sessions, want %d", sessions, replies)
				}
				if got, sent := g.r.counters.received.Load(), g.r.counters.replies.Load(); got != 1 || sent != uint64(replies) {
					t.Errorf("counted %d received, %d sent", got, sent)
				}
			})
		})
	}
}

func TestTruncatedIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRig(t, server, nil).r.workers[0]
		b := request(0, 0)
		if _, _, why := w.reply(&udp.Message{Buf: b, N: len(b), Truncated: true}); why != truncated {
			t.Errorf("a truncated datagram: %v, want %v", why, truncated)
		}
	})
}

// Nothing that a datagram holds ends the loop.
func TestJunk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Strict, c.Logging = true, LogAll }).start()
		s := g.sender(client)
		for n := range 300 {
			for _, fill := range []byte{0x00, 0x80, 0xff} {
				s.send(server, bytes.Repeat([]byte{fill}, n))
			}
		}
		s.send(server, bytes.Repeat([]byte{0xff}, 65507))
		s.replies()
		s.send(server, request(9, 1))
		if _, p := s.one(); p.SenderSequence != 9 {
			t.Errorf("the answer is %+v", p)
		}
	})
}

// What the host refuses to send is dropped; the rest of the batch goes out.
func TestSendFailures(t *testing.T) {
	t.Parallel()
	for _, fail := range [][]int{{0}, {2}, {4}, {1, 2}, {0, 4}, {0, 1, 2, 3, 4}} {
		t.Run(fmt.Sprint(fail), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, server, func(c *Config) { c.Logging = LogAll })
				s := g.sender(client)
				errs := make([]error, 5)
				for _, i := range fail {
					errs[i] = syscall.EPERM // of a firewall
				}
				g.server.FailWrites(errs...)
				for i := range 5 { // they wait for the worker: one batch
					s.send(server, request(uint32(i), 1))
				}
				s.send(server, []byte("junk"), request(5, 1))
				g.start()
				var want []uint32
				for i := range uint32(6) {
					if i == 5 || errs[i] == nil {
						want = append(want, i)
					}
				}
				got := s.replies()
				if len(got) != len(want) {
					t.Fatalf("%d replies, want %d", len(got), len(want))
				}
				for i, m := range got {
					if p := decoded(t, m.Buf); p.SenderSequence != want[i] || p.Sequence != want[i] {
						t.Errorf("reply %d is %d to %d, want %d", i, p.Sequence, p.SenderSequence, want[i])
					}
				}
				if drops := g.drops(); drops[sendFailed] != uint64(len(fail)) || drops[tooShort] != 1 {
					t.Errorf("dropped %v", drops)
				}
				// The test log says of each which became of it.
				time.Sleep(2 * time.Second)
				synctest.Wait()
				records, _ := g.sent()
				if n := count(records, "response_sent"); n != len(want) {
					t.Errorf("%d responses in the test log, want %d", n, len(want))
				}
			})
		})
	}
}

// More than a batch at once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil)
		s := g.sender(client)
		for i := range 3*batchSize + 1 {
			s.send(server, request(uint32(i), 1))
		}
		g.start()
		got := s.replies()
		for i, m := range got {
			if p := decoded(t, m.Buf); p.Sequence != uint32(i) || p.SenderSequence != uint32(i) {
				t.Fatalf("reply %d is %d to %d", i, p.Sequence, p.SenderSequence)
			}
		}
		if len(got) != 3*batchSize+1 {
			t.Errorf("%d replies, want %d", len(got), 3*batchSize+1)
		}
	})
}
