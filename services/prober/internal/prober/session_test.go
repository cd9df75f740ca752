package prober

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// open makes a prober whose sessions are called by hand, with its socket.
func (b *bench) open(t *testing.T) (*Prober, *link) {
	t.Helper()
	p := New(b.cfg)
	l, err := p.open(netip.AddrPortFrom(netip.IPv6Unspecified(), 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.conn.Close(); b.reflector.conn.Close() })
	go b.reflector.serve()
	return p, l
}

// session makes one to the reflector, due now.
func (b *bench) session(t *testing.T, p *Prober, l *link) *session {
	t.Helper()
	return sessionOn(t, p, l, b.test)
}

// sessionOn makes a session to the reflector, due now, whose link is called by
// hand.
func sessionOn(t testing.TB, p *Prober, l *link, how Test) *session {
	t.Helper()
	r := newRoster(t.Context(), p, nil)
	r.sockets.open = func(netip.AddrPort) (*link, error) { return l, nil }
	m := r.member(Target{Name: "r", Host: reflectorAddr.Addr().String(), Port: reflectorAddr.Port(), Test: how})
	s, err := r.build(m, m.endpoints()[0])
	if err != nil {
		t.Fatal(err)
	}
	l.makeRoom(s)
	l.peers[reflectorAddr] = append(l.peers[reflectorAddr], s)
	id := s.identity()
	l.sessions[id] = append(l.sessions[id], s)
	s.beginAt(time.Now())
	return s
}

// pass lets time pass until a given one, and takes what comes in.
func pass(t *testing.T, l *link, until time.Time) {
	t.Helper()
	ms, evs := []udp.Message{{Buf: make([]byte, roomForReplies)}}, make([]udp.Event, 1)
	for time.Now().Before(until) {
		n, e, err := l.conn.ReadUntil(ms, evs, until)
		if err != nil {
			t.Fatal(err)
		}
		l.take(ms[:n], evs[:e])
	}
}

// drive calls a session whenever it wants to be, and takes its reports.
func drive(t *testing.T, p *Prober, l *link, s *session) []*sealed {
	t.Helper()
	for {
		now := time.Now()
		next := s.wake(now, now)
		if next.IsZero() {
			all, _ := p.ready.take()
			return all
		}
		pass(t, l, next)
	}
}

func TestSequenceNumbersWrap(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		p, l := b.open(t)
		s := b.session(t, p, l)
		const first = 1<<32 - 5
		s.ring.next, s.open, s.first = first, first, first
		b.reflector.next = 1<<32 - 7
		s.ways.receive(first-1, b.reflector.next-1)
		s.ways.cut()
		b.forward(udptest.Lose(6))
		b.back(udptest.LoseEvery(4))
		r := drive(t, p, l, s)[0]
		if i := r.interval; i.sent != 10 || i.received != 7 || i.lost != 3 || i.unexpected != 0 || i.reordered != 0 {
			t.Errorf("sent %d, received %d, lost %d, unexpected %d, reordered %d", i.sent, i.received, i.lost, i.unexpected, i.reordered)
		}
		if r.forward == nil || *r.forward != 1 || *r.backward != 2 {
			t.Errorf("directions %v, %v", r.forward, r.backward)
		}
		var seen []uint64
		for _, x := range b.replies {
			seen = append(seen, x.Number-first)
		}
		if !slices.Equal(seen, []uint64{0, 1, 2, 4, 5, 7, 9}) {
			t.Errorf("answered %v", seen)
		}
	})
}

// RFC 8972 3-10
func TestSessionsOfOneSocketAreToldApart(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		p, l := b.open(t)
		var sessions []*session
		for _, ssid := range []uint16{7, 8} {
			b.test.SSID = ssid
			sessions = append(sessions, b.session(t, p, l))
		}
		b.back(func(pkt udptest.Packet) []udptest.Delivery { // the first session's take longer
			var r stamp.ReflectorPacket
			_ = r.UnmarshalBinary(pkt.Payload)
			return udptest.Delay(time.Duration(10-r.SSID) * ms)(pkt)
		})
		for now := time.Now(); now.Before(sessions[0].start.Add(time.Second)); now = time.Now() {
			for _, s := range sessions {
				s.wake(now, now)
			}
			pass(t, l, now.Add(50*ms))
		}
		reports, _ := p.ready.take()
		for _, r := range reports {
			d, want := r.interval.rtt.Report(), int64(10-r.session.ssid)*int64(ms)
			if r.interval.unexpected != 0 || d == nil || d.N != 10 || d.MinNs != want || d.MaxNs != want {
				t.Errorf("SSID %d: unexpected %d, rtt %+v, want %d for 10", r.session.ssid, r.interval.unexpected, d, want)
			}
		}
		if len(reports) != 2 {
			t.Errorf("%d reports", len(reports))
		}
	})
}

// Deadlines are absolute: one late packet moves no other.
func TestLatenessDoesNotAddUp(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.Count = 4
		p, l := b.open(t)
		s := b.session(t, p, l)
		for _, x := range []struct{ at, next time.Duration }{{30 * ms, 100 * ms}, {250 * ms, 300 * ms}} {
			pass(t, l, s.start.Add(x.at))
			if got := s.wake(time.Now(), time.Now()).Sub(s.start); got != x.next {
				t.Errorf("at %v: next one at %v, want %v", x.at, got, x.next)
			}
		}
		pass(t, l, time.Now().Add(50*ms))
		r := drive(t, p, l, s)[0]
		d := r.interval.lateness.Distribution()
		// 30 ms, then 150 and 50 ms, then in time.
		if d.MinNs != 0 || d.P50Ns != int64(30*ms) || d.P90Ns != int64(150*ms) || d.MeanNs != int64(230*ms)/4 {
			t.Errorf("lateness %+v", d)
		}
	})
}

// However many targets there are, their packets leave one after the other.
func TestTargetsShareTheInterval(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		for _, host := range []string{"2001:db8::2", "2001:db8::3", "2001:db8::4"} {
			b.cfg.Targets = append(b.cfg.Targets, Target{Name: host, Host: host, Port: 862})
		}
		b.test.Count = 2
		b.run(t, 0)
		var at []time.Duration
		for _, a := range b.tap.attempts {
			at = append(at, a.at.Sub(b.start).Round(100*time.Microsecond))
		}
		first := []time.Duration{0, 23600 * time.Microsecond, 61800 * time.Microsecond, 85400 * time.Microsecond}
		want := slices.Clone(first)
		for _, d := range first {
			want = append(want, d+100*ms)
		}
		if !slices.Equal(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
		if b.outcome != (Outcome{Sessions: 4, Answered: 1}) || len(b.reports) != 4 {
			t.Errorf("%+v, %d reports", b.outcome, len(b.reports))
		}
	})
}

// A step of the wall clock does not enter a delay, is counted once for all
// packets on their way, and voids the one-way delays.
func TestStep(t *testing.T) {
	const took, hour = int64(20 * ms), int64(time.Hour)
	tests := map[string]struct {
		step  int64 // of the wall clock, after T1
		total int64 // T4-T1
		want  int64
		clean bool
		steps uint64
	}{
		"none":                      {total: took - 5, want: took - 5, clean: true},
		"slewed":                    {step: int64(ms) / 2, total: took, want: took, clean: true},
		"forward":                   {step: hour, total: took + hour, want: took, steps: 1},
		"back":                      {step: -hour, total: took - hour, want: took, steps: 1},
		"after T4":                  {step: hour, total: took, want: took, steps: 1},
		"unseen, total is too much": {total: hour, want: took},
		"unseen, total is negative": {total: -1, want: took},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				p, l := b.open(t)
				s := b.session(t, p, l)
				t1 := time.Now()
				s.offset = t1.UnixNano() - tt.step // as it was then
				k := &slot{t1: t1.UnixNano() - tt.step, mono: int64(t1.Sub(s.start))}
				time.Sleep(time.Duration(took))
				for range 2 {
					if got, stepped := s.withoutStep(tt.total, took, k, time.Now()); got != tt.want || stepped == tt.clean {
						t.Errorf("got %d, stepped %v, want %d", got, stepped, tt.want)
					}
				}
				if s.interval.steps != tt.steps {
					t.Errorf("%d steps, want %d", s.interval.steps, tt.steps)
				}
			})
		})
	}
}

// Replies that are strange, but answer a packet, are received; their delays
// are what their timestamps allow. Others are unexpected.
func TestStrangeReplies(t *testing.T) {
	tests := map[string]struct {
		behave                   func(a *answering)
		received, rtt, oneWay    uint64
		unexpected, implausible  uint64
		forwardHops              bool
		roundTrip, reflectorTook time.Duration
	}{
		"ordinary": {func(*answering) {}, 10, 10, 10, 0, 0, true, 20 * ms, 5 * ms},
		// RFC 8972 3-21
		"SSID zero":      {func(a *answering) { a.reply.SSID = 0 }, 10, 10, 10, 0, 0, true, 20 * ms, 5 * ms},
		"SSID of others": {func(a *answering) { a.reply.SSID++ }, 0, 0, 0, 10, 0, false, 0, 0},
		"wrong T1":       {func(a *answering) { a.reply.SenderTimestamp++ }, 0, 0, 0, 10, 0, false, 0, 0},
		"wrong sequence": {func(a *answering) { a.reply.SenderSequence += 1 << 20 }, 0, 0, 0, 10, 0, false, 0, 0},
		// RFC 8762 4.6-2
		"36 octets":    {func(a *answering) { a.size = 36 }, 10, 10, 10, 0, 0, false, 20 * ms, 5 * ms},
		"35 octets":    {func(a *answering) { a.size = 35 }, 0, 0, 0, 10, 0, false, 0, 0},
		"too long":     {func(a *answering) { a.size = roomForReplies + 1 }, 0, 0, 0, 10, 0, false, 0, 0},
		"junk besides": {func(a *answering) { a.extra = [][]byte{{}, []byte("junk")} }, 10, 10, 10, 20, 0, true, 20 * ms, 5 * ms},
		"no T2":        {func(a *answering) { a.reply.ReceiveTimestamp = 0 }, 10, 10, 0, 0, 0, true, 25 * ms, 0},
		"PTP nanoseconds": {func(a *answering) {
			a.reply.ErrorEstimate = stamp.NewErrorEstimate(0, true, stamp.PTP)
			a.reply.ReceiveTimestamp, a.reply.Timestamp = 1<<32|999_999_999, 1<<32|1_000_000_000
		}, 10, 10, 0, 0, 0, true, 25 * ms, 0},
		"T3 before T2":  {func(a *answering) { a.reply.Timestamp = a.reply.ReceiveTimestamp - 100 }, 10, 0, 0, 0, 10, true, 0, 0},
		"T3 too late":   {func(a *answering) { a.reply.Timestamp = a.reply.ReceiveTimestamp + 1<<30 }, 10, 0, 0, 0, 10, true, 0, 0},
		"no sender TTL": {func(a *answering) { a.reply.SenderTTL = 0 }, 10, 10, 10, 0, 0, false, 20 * ms, 5 * ms},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				b.forward(udptest.Delay(5 * ms).Then(udptest.Hops(3)))
				b.back(udptest.Delay(15 * ms))
				b.reflector.behave = func(_ int, a *answering) {
					a.processing = 5 * ms
					tt.behave(a)
				}
				b.run(t, 0)
				e := b.reports[0]
				if e.Received != tt.received || e.Unexpected != tt.unexpected || e.Implausible != tt.implausible || e.Lost != 10-tt.received {
					t.Errorf("received %d, unexpected %d, implausible %d", e.Received, e.Unexpected, e.Implausible)
				}
				checkConstant(t, "rtt", e.RTT, tt.rtt, tt.roundTrip)
				checkConstant(t, "processing", e.Processing, tt.oneWay, tt.reflectorTook)
				if (e.Forward != nil) != (tt.oneWay > 0) || (e.Backward != nil) != (tt.oneWay > 0) {
					t.Errorf("forward %v, backward %v", e.Forward, e.Backward)
				}
				if (e.HopsForward != nil) != tt.forwardHops || tt.forwardHops && e.HopsForward.Last != 3 {
					t.Errorf("hops forward %+v", e.HopsForward)
				}
			})
		})
	}
}

func checkConstant(t *testing.T, what string, d *events.Delay, n uint64, want time.Duration) {
	t.Helper()
	switch {
	case n == 0 && d != nil:
		t.Errorf("%s %+v, want null", what, d)
	case n > 0 && (d == nil || d.N != n || d.MinNs != int64(want) || d.MaxNs != int64(want)):
		t.Errorf("%s %+v, want %v of %d", what, d, want, n)
	}
}

// What comes from an address that is not tested, a refusal by this host, and
// transmit times of nobody's packet touch no session.
func TestStrangers(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		p, l := b.open(t)
		s := b.session(t, p, l)
		l.message(&udp.Message{Peer: proberAddrPort, Buf: make([]byte, 44), N: 44}, time.Now())
		l.event(&udp.Event{Kind: udp.TxStamp, TxID: 77, Time: 5})
		l.event(&udp.Event{Kind: udp.ICMPError, Peer: proberAddrPort})
		s.wake(time.Now(), time.Now())
		b.tap.mu.Lock()
		for id := range b.tap.stamped {
			l.event(&udp.Event{Kind: udp.TxStamp, TxID: id + stampsKept, Time: 5})
		}
		b.tap.mu.Unlock()
		l.stamps[0] = sent{session: s}
		l.event(&udp.Event{Kind: udp.LocalError, Peer: reflectorAddr, Time: 5}) // its TxID means nothing
		if tx := s.ring.at(0).tx; tx == 5 {
			t.Error("a packet has the transmit time of another")
		}
		if i := s.interval; l.stray.Load() != 1 || i.unexpected != 0 || len(i.icmp) != 0 {
			t.Errorf("strays %d, unexpected %d, icmp %v", l.stray.Load(), i.unexpected, i.icmp)
		}
	})
}
