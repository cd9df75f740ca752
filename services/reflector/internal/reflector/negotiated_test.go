package reflector

import (
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// terms are those of a session between [client] and port 5000 of [server].
func terms() control.Terms {
	return control.Terms{
		SID: testSID, Mode: twamp.Unauthenticated, Keys: &testKeys, Padding: 27, Timeout: 2 * time.Second,
		Sender: netip.MustParseAddrPort(client), Receiver: netip.MustParseAddrPort("[2001:db8::2]:5000"),
	}
}

// negotiated is a session of a rig, with what has become of it.
type negotiatedRig struct {
	*rig
	control.Session
	terms control.Terms
	to    string       // where its packets go
	over  atomic.Int32 // calls of ended
}

// open opens a session, which is to be accepted.
func (g *rig) open(t control.Terms) *negotiatedRig {
	g.t.Helper()
	s := &negotiatedRig{rig: g, terms: t}
	var err error
	if s.Session, err = g.r.Open(t, func() { s.over.Add(1) }); err != nil {
		g.t.Fatal(err)
	}
	s.to = netip.AddrPortFrom(t.Receiver.Addr(), s.Port()).String()
	return s
}

// pkt is a request of the session, of the negotiated size, in clear.
func (s *negotiatedRig) pkt(sequence uint32) []byte {
	p := stamp.SenderPacket{Sequence: sequence, Timestamp: 1, ErrorEstimate: 1}
	b, _ := p.AppendBinary(nil)
	b = b[:twamp.SenderSize]
	if s.terms.Mode.ProtectsTest() {
		b = twamp.AppendSender(nil, p)
	}
	b = append(b, make([]byte, s.terms.RequestSize()-len(b))...)
	if s.terms.Mode.ProtectsTest() {
		twamp.NewTestCipher(s.terms.Mode, s.terms.Keys, s.terms.SID).SealSender(b)
	}
	return b
}

// answered sends a request and reads the reply, if there is one.
func (s *negotiatedRig) answered(from *sender, sequence uint32) (m udp.Message, p stamp.ReflectorPacket, ok bool) {
	s.t.Helper()
	from.send(s.to, s.pkt(sequence))
	got := from.replies()
	if len(got) != 1 {
		return m, p, false
	}
	if !s.terms.Mode.ProtectsTest() {
		return got[0], decoded(s.t, got[0].Buf), true
	}
	if !twamp.NewTestCipher(s.terms.Mode, s.terms.Keys, s.terms.SID).OpenReflector(got[0].Buf) {
		s.t.Error("the reply does not verify")
	}
	if err := p.UnmarshalAuthenticated(got[0].Buf); err != nil {
		s.t.Error(err)
	}
	return got[0], p, true
}

// A session's life on the wire, on a port of its own and on one of the
// reflector's (RFC 8545), in each mode.
func TestNegotiatedSession(t *testing.T) {
	t.Parallel()
	for _, mode := range securityModes {
		for _, port := range []uint16{5000, 862} {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, server, nil).start()
				from, tm := g.sender(client), terms()
				tm.Mode, tm.DSCP, tm.KeyID = mode, 46, "joe"
				tm.Receiver = netip.AddrPortFrom(tm.Receiver.Addr(), port)
				s := g.open(tm)
				if s.Port() != port {
					t.Fatalf("the port is %d, want %d", s.Port(), port)
				}
				if _, _, ok := s.answered(from, 0); ok {
					t.Errorf("%v: reflected before the start", mode)
				}
				time.Sleep(time.Second)
				s.Start(time.Time{})
				for i := range uint32(3) {
					m, p, ok := s.answered(from, 100+i)
					if !ok || p.Sequence != i || p.SenderSequence != 100+i || p.SenderTTL != 255 || p.SSID != 0 || !p.ErrorEstimate.Valid() {
						t.Errorf("%v: request %d is answered %v by %+v", mode, i, ok, p)
					}
					if m.TOS != 46<<2 || m.TTL != 255 || m.Peer != netip.MustParseAddrPort(s.to) || m.N != max(len(s.pkt(0)), mode.ReflectorBase()) {
						t.Errorf("%v: the reply has TOS %d, TTL %d, %d octets, from %v", mode, m.TOS, m.TTL, m.N, m.Peer)
					}
				}
				s.Stop()
				time.Sleep(2*time.Second - time.Nanosecond)
				if _, _, ok := s.answered(from, 103); !ok || s.over.Load() != 0 {
					t.Errorf("%v: not reflected within the Timeout", mode)
				}
				time.Sleep(2 * time.Nanosecond)
				if _, _, ok := s.answered(from, 104); ok || s.over.Load() != 1 {
					t.Errorf("%v: reflected after the Timeout; it ended %d times", mode, s.over.Load())
				}
				drops := g.drops()
				if drops[notStarted] != 1 || port == 862 && drops[sessionOver] != 1 {
					t.Errorf("%v: the drops are %v", mode, drops)
				}
				g.stop()
				g.checkRecords(mode, 4)
			})
		}
	}
}

// checkRecords holds the test log to one session of so many packets.
func (g *rig) checkRecords(mode twamp.Mode, packets uint64) {
	g.t.Helper()
	records, _ := g.sent()
	for _, r := range records {
		if r.Kind != events.SessionOpened && r.Kind != events.SessionEnded {
			continue
		}
		if r.Mode != mode.String() || r.KeyID != "joe" || r.SID != testSID.String() || r.Peer.String() != client {
			g.t.Errorf("the record is %+v", r)
		}
		if r.Kind == events.SessionEnded && (r.Count != packets || r.Reason != "stopped") {
			g.t.Errorf("the session ended with %d packets: %s", r.Count, r.Reason)
		}
	}
	if count(records, events.SessionOpened) != 1 || count(records, events.SessionEnded) != 1 || count(records, events.PacketReceived) == 0 {
		g.t.Errorf("the records are %+v", records)
	}
}

// The addresses of a session that ended on the reflector's own port are free
// for STAMP after a while, and for a new session at once.
func TestOwnPortAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		from, tm := g.sender(client), terms()
		tm.Receiver = netip.MustParseAddrPort(server)
		s := g.open(tm)
		s.Stop()
		s = g.open(tm)
		s.Start(time.Time{})
		if _, p, ok := s.answered(from, 5); !ok || p.Sequence != 0 {
			t.Errorf("the new session answers %v with %+v", ok, p)
		}
		s.Stop()
		time.Sleep(2*time.Second + reserved - time.Nanosecond)
		if _, _, ok := s.answered(from, 6); ok {
			t.Error("a packet of the session is answered after its end")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if g.r.sessions.byPair.Load() != nil {
			t.Error("packets still look for negotiated sessions")
		}
		from.send(server, request(7, 1))
		if _, p := from.one(); p.SSID != 1 {
			t.Errorf("STAMP is answered with %+v", p)
		}
	})
}

// However many sessions a client opens and stops on the reflector's own port, so
// many addresses stay reserved and no more: those of the latest.
func TestReservedAddressesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil)
		tm := terms()
		tm.Receiver = netip.MustParseAddrPort(server)
		const more = 10
		for port := range uint16(mostReserved + more) {
			tm.Sender = netip.AddrPortFrom(tm.Sender.Addr(), 10000+port)
			g.open(tm).Stop()
		}
		if n := len(*g.r.sessions.byPair.Load()); n != mostReserved {
			t.Errorf("%d addresses are reserved, want %d", n, mostReserved)
		}
		for port, want := range map[uint16]bool{10000: false, 10000 + more: true} {
			p := pair{netip.AddrPortFrom(tm.Sender.Addr(), port), tm.Receiver}
			if got := g.r.sessions.find(p) != nil; got != want {
				t.Errorf("the addresses of port %d are reserved: %v, want %v", port, got, want)
			}
		}
		time.Sleep(reserved)
		synctest.Wait()
		if g.r.sessions.byPair.Load() != nil {
			t.Error("addresses stay reserved for ever")
		}
	})
}

// Packets that come before the Start Time are not reflected, neither then nor
// later, and a session that is stopped before it began is over.
func TestStartTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		from, s := g.sender(client), g.open(terms())
		s.Start(time.Now().Add(time.Hour))
		time.Sleep(time.Hour - time.Nanosecond)
		if _, _, ok := s.answered(from, 0); ok {
			t.Error("reflected before the Start Time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if _, p, ok := s.answered(from, 1); !ok || p.Sequence != 0 {
			t.Errorf("at the Start Time the answer is %v, %+v", ok, p)
		}
		tm := terms()
		tm.Sender = netip.AddrPortFrom(tm.Sender.Addr(), 40001)
		other := g.open(tm)
		other.Start(time.Now().Add(time.Hour))
		other.Stop()
		other.Stop()
		other.Start(time.Time{})
		if other.over.Load() != 1 {
			t.Errorf("it ended %d times", other.over.Load())
		}
	})
}

// What waited in the socket's buffer when the session began is not reflected
// late; a clock that is set back is no reason to drop.
func TestDue(t *testing.T) {
	t.Parallel()
	s := &negotiated{begun: testT2}
	for at, want := range map[int64]reason{
		testT2: answered, testT2 - 1: notStarted, testT2 - int64(time.Second): notStarted, testT2 - int64(time.Hour): answered,
	} {
		if got := s.due(at); got != want {
			t.Errorf("%v before the start: %v, want %v", time.Duration(testT2-at), got, want)
		}
	}
}

// A session without packets ends after REFWAIT, one with packets does not (RFC
// 5357 section 4.2).
func TestRefWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		from, s := g.sender(client), g.open(terms())
		time.Sleep(10 * idle) // before it is started the control connection counts
		s.Start(time.Time{})
		for range 3 {
			time.Sleep(idle - time.Second)
			if _, _, ok := s.answered(from, 0); !ok {
				t.Fatal("the session has ended")
			}
		}
		time.Sleep(idle - time.Nanosecond)
		synctest.Wait()
		if s.over.Load() != 0 {
			t.Error("the session ended before REFWAIT")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s.over.Load() != 1 {
			t.Error("the session is left after REFWAIT")
		}
		g.stop()
		if told := strings.Join(g.told(), "\n"); !strings.Contains(told, "ended: idle (3 packets)") {
			t.Errorf("the log is\n%s", told)
		}
	})
}

// Packets that are not the session's are dropped with their reason, and take no
// sequence number.
func TestDropsOfSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.RateLimit = 1 }).start()
		from, stranger := g.sender(client), g.sender("[2001:db8::9]:40000")
		tm := terms()
		tm.Mode = twamp.Encrypted
		s := g.open(tm)
		s.Start(time.Time{})
		forged := s.pkt(0)
		forged[0] ^= 1
		s.terms.Padding++
		long := s.pkt(0)
		s.terms.Padding = 5000
		longest := s.pkt(0)
		s.terms.Padding = 27
		from.send(s.to, forged, s.pkt(0)[:47], long, longest, nil)
		stranger.send(s.to, s.pkt(0), request(1, 1))
		for range leastBurst + 1 {
			from.send(s.to, s.pkt(1))
		}
		got := from.replies()
		if len(got) != leastBurst || len(stranger.replies()) != 0 {
			t.Errorf("%d replies", len(got))
		}
		want := map[reason]uint64{hmacFailed: 1, tooShort: 2, truncated: 2, noSession: 2, rateLimited: 1}
		for why, n := range want {
			if g.drops()[why] != n {
				t.Errorf("%d dropped as %v, want %d", g.drops()[why], why, n)
			}
		}
		time.Sleep(time.Minute)
		if _, p, ok := s.answered(from, 2); !ok || p.Sequence != leastBurst {
			t.Errorf("the next reply is %v, %+v", ok, p)
		}
	})
}

// The loop guard is for those who did not negotiate: a session's sender may have
// port 862 itself.
func TestSenderOnPort862(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		tm := terms()
		tm.Sender, tm.Receiver = netip.MustParseAddrPort("[2001:db8::1]:862"), netip.MustParseAddrPort(server)
		from, s := g.sender("[2001:db8::1]:862"), g.open(tm)
		s.Start(time.Time{})
		if _, _, ok := s.answered(from, 0); !ok {
			t.Error("not answered")
		}
	})
}

// A message in the padding is in the test log, whatever the mode, and not where
// the base packet is.
func TestMessageOfASession(t *testing.T) {
	t.Parallel()
	for _, mode := range []twamp.Mode{twamp.Mixed, twamp.Encrypted, twamp.Authenticated | twamp.SymmetricalSize} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, server, nil).start()
			from, tm := g.sender(client), terms()
			tm.Mode = mode
			s := g.open(tm)
			s.Start(time.Time{})
			pkt := s.pkt(0)
			copy(pkt[tm.RequestBase():], "TWAMP test message\x00")
			from.send(s.to, pkt)
			from.replies()
			g.stop()
			if told := strings.Join(g.told(), "\n"); !strings.Contains(told, `Received test packet from [2001:db8::1]: "TWAMP test message"`) {
				t.Errorf("%v: the log is\n%s", mode, told)
			}
		})
	}
}

// A reply that the host refuses once is whole when it goes out behind another.
func TestRefusedReplyOfASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		from, tm := g.sender(client), terms()
		tm.Mode, tm.Receiver = twamp.Encrypted, netip.MustParseAddrPort(server)
		s := g.open(tm)
		s.Start(time.Time{})
		g.net.SetPath(netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), udptest.Delay(time.Millisecond))
		g.server.FailWrites(syscall.EPERM)
		from.send(server, s.pkt(0), s.pkt(1), s.pkt(2)) // which come in one batch
		time.Sleep(time.Second)
		got := from.replies()
		if len(got) != 2 || g.drops()[sendFailed] != 1 {
			t.Fatalf("%d replies, drops %v", len(got), g.drops())
		}
		for i, m := range got {
			var p stamp.ReflectorPacket
			if !twamp.NewTestCipher(tm.Mode, &testKeys, testSID).OpenReflector(m.Buf) || p.UnmarshalAuthenticated(m.Buf) != nil || p.SenderSequence != uint32(i+1) {
				t.Errorf("reply %d does not verify, or is %+v", i, p)
			}
		}
	})
}

// Where sessions are is negotiated for the results of their tests as well: also
// when they have just ended, and without a table.
func TestResultsOfSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.Stateless = true }).start()
		res := &results{sessions: g.r.sessions}
		s := g.open(terms())
		if !res.knows(0, 40000) || !res.knows(7, 40000) || res.knows(0, 40001) {
			t.Error("a session is not recognised, or another is")
		}
		s.Stop()
		if !res.knows(0, 40000) {
			t.Error("a session that just ended is not recognised")
		}
		time.Sleep(idle)
		if res.knows(0, 40000) {
			t.Error("a session that ended long ago is recognised")
		}
	})
}

// A reflector that ends waits for its sessions, for the grace at most, and opens
// no others.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		s := g.open(terms())
		s.Start(time.Time{})
		begin := time.Now()
		drained := make(chan time.Duration)
		go func() {
			g.r.sessions.drain(5 * time.Second)
			drained <- time.Since(begin)
		}()
		time.Sleep(time.Second)
		if _, err := g.r.Open(terms(), nil); !errors.Is(err, control.ErrEnding) {
			t.Errorf("a session is opened: %v", err)
		}
		s.Stop()
		if took := <-drained; took != 3*time.Second {
			t.Errorf("it took %v, want 1 s and the Timeout", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		s := g.open(terms())
		s.Start(time.Time{})
		begin := time.Now()
		drained := make(chan time.Duration)
		go func() {
			g.r.sessions.drain(5 * time.Second)
			drained <- time.Since(begin)
		}()
		time.Sleep(5 * time.Second)
		s.Stop() // as its control connection is closed
		time.Sleep(parting - time.Nanosecond)
		if _, _, ok := s.answered(g.sender(client), 0); !ok {
			t.Error("what was on its way when the grace was over is not answered")
		}
		if took := <-drained; took != 5*time.Second+parting || s.over.Load() != 0 {
			t.Errorf("it took %v, and the session ended %d times", took, s.over.Load())
		}
		g.stop()
		if s.over.Load() != 1 || !strings.Contains(strings.Join(g.told(), "\n"), "ended: reflector stopped") {
			t.Errorf("the session ended %d times", s.over.Load())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		begin := time.Now()
		g.r.sessions.drain(5 * time.Second)
		if took := time.Since(begin); took != 0 {
			t.Errorf("without sessions it took %v", took)
		}
	})
}

// Who may negotiate sessions that nothing authenticates.
func TestAllowsOpen(t *testing.T) {
	t.Parallel()
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	prefix := netip.MustParsePrefix("192.0.2.0/24")
	for name, c := range map[string]struct {
		change func(*Config)
		other  bool
	}{
		"all":         {func(*Config) {}, true},
		"keys":        {func(c *Config) { c.Keys, c.AllowUnauthenticated = parsedKeys(t, "* "+goodKey), []netip.Prefix{prefix} }, false},
		"provisioned": {func(c *Config) { c.Sessions = []Provisioned{{SSID: 0, From: prefix}, {SSID: 1}} }, false},
	} {
		cfg := (&recorder{}).config()
		c.change(&cfg)
		r := assemble(cfg, nil)
		if !r.AllowsOpen(one) || r.AllowsOpen(other) != c.other {
			t.Errorf("%s: one may %v, the other %v", name, r.AllowsOpen(one), r.AllowsOpen(other))
		}
	}
}

// Answering negotiated sessions costs no allocation, in any mode.
func TestSessionsDoNotAllocate(t *testing.T) {
	for _, mode := range securityModes {
		for _, logging := range []Logging{LogAll, LogOff} {
			rec := &recorder{}
			cfg := rec.config()
			cfg.Logging = logging
			r := assemble(cfg, []conn{sink{}})
			r.sessions.isOwn = func(netip.Addr) bool { return true }
			w := r.workers[0]
			tm := terms()
			tm.Mode, tm.Receiver = mode, netip.MustParseAddrPort(server)
			opened, err := r.Open(tm, func() {})
			if err != nil {
				t.Fatal(err)
			}
			s := &negotiatedRig{Session: opened, terms: tm}
			s.Start(time.Time{})
			pkt := s.pkt(0)
			w.ms = []udp.Message{{Buf: make([]byte, 2048)}}
			round := func() {
				n := copy(w.ms[0].Buf, pkt)
				w.ms[0] = udp.Message{Buf: w.ms[0].Buf, N: n, Peer: tm.Sender, Local: tm.Receiver.Addr(), TTL: 64, Time: time.Now().UnixNano()}
				w.send(w.answer(1))
				for len(w.log.notes) > 0 {
					w.log.free <- <-w.log.notes
				}
			}
			if n := testing.AllocsPerRun(100, round); n != 0 {
				t.Errorf("%v: %v allocations for a packet", mode, n)
			}
			if got := r.counters.replies.Load(); got != 101 {
				t.Errorf("%v: %d replies", mode, got)
			}
			r.sessions.close("")
		}
	}
}
