package prober

import (
	"bytes"
	"testing"
	"time"

	"tinytwamp/services/prober/internal/control"
	"tinytwamp/services/prober/internal/control/controltest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
	"tinytwamp/shared/udp"
)

// agreedOn makes a session on a link as if TWAMP-Control had agreed on it.
func agreedOn(t testing.TB, p *Prober, l *link, how Test, mode twamp.Mode, keys *twamp.Keys, sid twamp.SID) *session {
	t.Helper()
	how.Mode, how.Padding = ModeTWAMP, PadZero
	s := sessionOn(t, p, l, how)
	payload, err := how.twampPayload(mode, 0)
	if err != nil {
		t.Fatal(err)
	}
	a := &agreement{mode: mode, session: control.Session{SID: sid}, peer: reflectorAddr, payload: payload, reflect: how.ReflectOctets}
	if mode.ProtectsTest() {
		a.session.Cipher = twamp.NewTestCipher(mode, keys, sid)
	}
	s.agree(a)
	return s
}

// Replies of another implementation, as they were recorded, give the delays that
// stand in them.
func TestCapturedReplies(t *testing.T) {
	for _, tt := range twamptest.Captures {
		c := twamptest.Read(t, tt.File)
		sid := c.Accept.SID
		p := New(Config{Continuous: true, ReportInterval: 24 * time.Hour})
		l := newLink(new(sink), &p.clock)
		s := agreedOn(t, p, l, Test{Interval: time.Second, Timeout: time.Second}, tt.Mode, c.Keys, sid)
		for i := range 2 {
			request := bytes.Clone(c.Tests[2*i])
			var sent stamp.SenderPacket
			if s.terms.cipher != nil {
				s.terms.cipher.OpenSender(request)
				_ = twamp.UnmarshalSender(request, &sent)
			} else {
				_ = sent.UnmarshalBinary(request)
			}
			t1, _ := sent.Timestamp.UnixNano(stamp.NTP)
			now := time.Now()
			s.ring.next = uint64(i + 1)
			*s.ring.at(uint64(i)) = slot{wire: sent.Timestamp, t1: t1, mono: int64(now.Sub(s.start))}
			m := udp.Message{Buf: bytes.Clone(c.Tests[2*i+1]), N: len(c.Tests[2*i+1]), Peer: reflectorAddr, Time: t1 + int64(ms), Kernel: true, TTL: 255}
			if !s.negotiated(&m, now.Add(ms)) {
				t.Fatalf("%s: reply %d is not taken", tt.File, i)
			}
			a := s.ring.at(uint64(i)).answer
			var reply stamp.ReflectorPacket
			if s.terms.cipher != nil {
				_ = reply.UnmarshalAuthenticated(m.Buf) // which is open now
			} else {
				_ = reply.UnmarshalBinary(m.Buf)
			}
			t2, _ := reply.ReceiveTimestamp.UnixNano(stamp.NTP)
			t3, _ := reply.Timestamp.UnixNano(stamp.NTP)
			if want := int64(ms) - (t3 - t2); !a.delays || a.rtt != want || a.processing != t3-t2 || t3 <= t2 || t2 <= t1 || a.senderTTL != 255 {
				t.Errorf("%s: reply %d: %+v, want a round-trip time of %d", tt.File, i, a, want)
			}
		}
		if i := s.interval; i.hmacFailed+i.unexpected > 0 {
			t.Errorf("%s: %d with a wrong HMAC, %d unexpected", tt.File, i.hmacFailed, i.unexpected)
		}
	}
}

// Packets of each mode cost no allocation, as those of STAMP: sent, stamped by
// the kernel, answered with the octets that were to come back, answered again,
// and forged.
func TestTWAMPPathDoesNotAllocate(t *testing.T) {
	for _, mode := range []twamp.Mode{twamp.Unauthenticated, twamp.Authenticated, twamp.Encrypted} {
		c := new(sink)
		p := New(Config{Continuous: true, ReportInterval: 24 * time.Hour})
		l := newLink(c, &p.clock)
		keys, sid := &twamp.Keys{}, twamp.SID{1}
		how := Test{Interval: 10 * time.Microsecond, Timeout: time.Second, Samples: events.MaxSamples, ReflectOctets: 10}
		s := agreedOn(t, p, l, how, mode|twamp.ReflectOctets, keys, sid)
		x := controltest.Session{Mode: mode, Keys: keys, Accept: twamp.AcceptSession{SID: sid}}
		cipher := x.Cipher()
		request := make([]byte, len(s.payload))
		reply := udp.Message{Buf: make([]byte, len(s.payload)), N: len(s.payload), Peer: reflectorAddr, Kernel: true, TTL: 250}
		packet := func() {
			s.wake(s.due, s.due)
			copy(request, c.last.Buf)
			l.event(&udp.Event{Kind: udp.TxStamp, TxID: c.last.TxID, Time: time.Now().UnixNano()})
			var sent stamp.SenderPacket
			if cipher != nil {
				cipher.OpenSender(request)
				_ = twamp.UnmarshalSender(request, &sent)
			} else {
				_ = sent.UnmarshalBinary(request)
			}
			made := stamp.ReflectorPacket{
				Sequence: sent.Sequence, Timestamp: sent.Timestamp, ErrorEstimate: sent.ErrorEstimate,
				ReceiveTimestamp: sent.Timestamp, SenderSequence: sent.Sequence, SenderTimestamp: sent.Timestamp, SenderTTL: 250,
			}
			reply.Time = time.Now().UnixNano()
			for range 2 {
				if cipher != nil {
					made.AppendAuthenticated(reply.Buf[:0])
					cipher.SealReflector(reply.Buf)
				} else {
					_, _ = made.AppendBinary(reply.Buf[:0])
					clear(reply.Buf[twamp.ReflectorSize:])
				}
				l.message(&reply, time.Now())
			}
			reply.Buf[0] ^= 0x80
			l.message(&reply, time.Now())
		}
		const packets = 5000
		if n := testing.AllocsPerRun(packets, packet); n != 0 {
			t.Errorf("%v: %v allocations per packet, want 0", mode, n)
		}
		i := s.interval
		forged := i.hmacFailed
		if cipher == nil { // it is a reply to no packet, or once more to the same
			forged = packets + 1
		}
		if i.received != packets+1 || i.duplicates < packets+1 || forged != packets+1 || i.unreflected != 0 || i.t1Kernel != packets+1 {
			t.Errorf("%v: received %d, duplicates %d, forged %d, unreflected %d, kernel transmit times %d",
				mode, i.received, i.duplicates, i.hmacFailed, i.unreflected, i.t1Kernel)
		}
	}
}

// A reply that is cut short, or too short for its mode, is none.
func TestTWAMPShortReplies(t *testing.T) {
	for mode, size := range map[twamp.Mode]int{twamp.Unauthenticated: 40, twamp.Encrypted: 111} {
		p := New(Config{Continuous: true, ReportInterval: 24 * time.Hour})
		l := newLink(new(sink), &p.clock)
		s := agreedOn(t, p, l, Test{Interval: time.Second, Timeout: time.Second}, mode, new(twamp.Keys), twamp.SID{})
		for n := range size + 1 {
			l.message(&udp.Message{Buf: make([]byte, n), N: n, Peer: reflectorAddr}, time.Now())
		}
		if got := s.interval.unexpected; got != uint64(size+1) {
			t.Errorf("%v: %d of %d are unexpected", mode, got, size+1)
		}
	}
}
