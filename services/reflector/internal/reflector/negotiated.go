package reflector

import (
	"net/netip"
	"sync"
	"time"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
)

// pair are the four addresses by which a negotiated session is found.
type pair struct{ peer, local netip.AddrPort }

// negotiated is a test session that TWAMP-Control opened (RFC 5357 section 3.5).
// It implements [control.Session].
type negotiated struct {
	// set once
	terms   control.Terms
	pair    pair
	all     *sessions
	ended   func()
	refwait time.Duration
	on      *testPort // nil: one of the reflector's own ports

	mu       sync.Mutex
	cipher   *twamp.TestCipher // nil: test packets are not protected
	sequence uint32            // of the next reply: so many went
	begun    int64             // packets are reflected since then, Unix ns; 0: not yet
	until    int64             // and up to then; 0: nobody knows
	over     bool
	seen     int64 // last packet, Unix ns
	noted    int64 // last packet in the test log, Unix ns
	timer    *time.Timer

	kept *time.Timer // ends the reservation of its addresses; guarded by the mutex of all
}

// Port implements [control.Session].
func (s *negotiated) Port() uint16 { return s.pair.local.Port() }

// Start implements [control.Session].
func (s *negotiated) Start(notBefore time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if wait := time.Until(notBefore); !notBefore.IsZero() && wait > 0 {
		s.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.begin()
		})
		return
	}
	s.begin()
}

// begin is called with mu held.
func (s *negotiated) begin() {
	if s.over || s.begun != 0 {
		return
	}
	s.begun = time.Now().UnixNano()
	s.seen = s.begun
	s.timer = time.AfterFunc(s.refwait, s.endIfIdle)
}

// endIfIdle ends the session if no packet came for REFWAIT (RFC 5357 section
// 4.2).
func (s *negotiated) endIfIdle() {
	s.mu.Lock()
	if s.over || s.until != 0 {
		s.mu.Unlock()
		return
	}
	if idle := time.Duration(time.Now().UnixNano() - s.seen); idle >= 0 && idle < s.refwait {
		s.timer = time.AfterFunc(s.refwait-idle, s.endIfIdle)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.end("idle")
}

// Stop implements [control.Session].
func (s *negotiated) Stop() {
	s.mu.Lock()
	if s.over || s.until != 0 {
		s.mu.Unlock()
		return
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.begun == 0 {
		s.mu.Unlock()
		s.end("stopped before it began")
		return
	}
	s.until = time.Now().Add(s.terms.Timeout).UnixNano()
	s.timer = time.AfterFunc(s.terms.Timeout, func() { s.end("stopped") })
	s.mu.Unlock()
}

// end ends the session, once.
func (s *negotiated) end(why string) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	r := s.record(events.SessionEnded, time.Now())
	r.Reason, r.Count = why, uint64(s.sequence)
	s.mu.Unlock()
	s.all.remove(s)
	s.all.tell(r)
	s.ended()
}

func (s *negotiated) record(kind events.RecordKind, at time.Time) events.Record {
	return events.Record{
		Time: at.UTC(), Kind: kind, Peer: s.pair.peer, Local: s.pair.local,
		Mode: s.terms.Mode.String(), KeyID: s.terms.KeyID, SID: s.terms.SID.String(),
	}
}

// queued is more than a packet waits in a socket's buffer. What seems to have
// come longer before a session began came before the clock was set back.
const queued = 10 * time.Second

// due says whether a packet that came at an instant is to be reflected. It is
// called with mu held.
func (s *negotiated) due(at int64) reason {
	switch {
	case s.over || s.until != 0 && at > s.until:
		return sessionOver
	case s.begun == 0 || at < s.begun && s.begun-at < int64(queued):
		return notStarted
	}
	return answered
}

// admit takes a request: it is of this session, of the right time and
// authentic, and has its tokens. It decrypts the request, gives the sequence
// number of its reply, and says whether the test log has nothing of the session
// from the last every nanoseconds.
func (s *negotiated) admit(m *udp.Message, req *stamp.SenderPacket, l *limits, every int64) (sequence uint32, note bool, why reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why = s.due(m.Time); why != answered {
		return 0, false, why
	}
	if why = s.open(m.Buf[:m.N], req); why != answered {
		return 0, false, why
	}
	if why = l.take(m.Peer.Addr(), m.Time); why != answered {
		return 0, false, why
	}
	sequence = s.sequence
	s.sequence++
	s.seen = m.Time
	if note = elapsed(s.noted, m.Time, every); note {
		s.noted = m.Time
	}
	return sequence, note, answered
}

// open decrypts a request and reads it, or says why it is none of the session's.
// It is called with mu held.
func (s *negotiated) open(pkt []byte, req *stamp.SenderPacket) reason {
	switch {
	case len(pkt) < s.terms.RequestBase():
		return tooShort
	case len(pkt) > s.terms.RequestSize():
		return truncated
	case s.cipher == nil:
		_ = req.UnmarshalBinary(pkt) // it is long enough
	case !s.cipher.OpenSender(pkt):
		return hmacFailed
	default:
		_ = twamp.UnmarshalSender(pkt, req)
	}
	if !req.ErrorEstimate.Valid() {
		return invalidErrorEstimate // RFC 4656 section 4.1.2: considered corrupt
	}
	return answered
}

// finish puts T3 into a reply and protects it. Again: it has been before, and was
// not sent.
func (s *negotiated) finish(pkt []byte, unixNs int64, again bool) {
	if s.cipher == nil {
		finish(pkt, unixNs, nil)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if again {
		s.cipher.OpenReflector(pkt)
	}
	format := stamp.ErrorEstimate(uint16(pkt[24])<<8 | uint16(pkt[25])).Format()
	stamp.PutAuthTransmitTimestamp(pkt, stamp.NewTimestamp(unixNs, format))
	s.cipher.SealReflector(pkt)
}
