package prober

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
)

// terms are what TWAMP-Control agreed on for a session.
type terms struct {
	mode      twamp.Mode
	sid       twamp.SID
	cipher    *twamp.TestCipher // nil: packets are not protected
	reflected []byte            // a part of each packet that must come back; empty: none
}

// extensions are those of RFC 6038 that the test asks for.
func (t *Test) extensions() (m twamp.Mode) {
	if t.ReflectOctets > 0 {
		m |= twamp.ReflectOctets
	}
	if t.SymmetricalSize {
		m |= twamp.SymmetricalSize
	}
	return m
}

const (
	serverOctetsSize = 2
	// maxReflect leaves room for the longest reply without padding.
	maxReflect = MaxSize - twamp.ReflectorAuthSize
)

// paddingAt is where padding begins in a sender's packet: with symmetrical size
// where it does in a reply (RFC 6038 section 5.1.4).
func paddingAt(mode twamp.Mode) int {
	if mode&twamp.SymmetricalSize != 0 {
		return mode.ReflectorBase()
	}
	return mode.SenderBase()
}

// twampPayload makes the packet that a session sends in a mode. Server octets,
// if there are any, are the first of the padding that is to be reflected (RFC
// 6038 section 5.1.2), for which there is room in any case.
func (t *Test) twampPayload(mode twamp.Mode, serverOctets uint16) ([]byte, error) {
	var pad []byte
	if t.Padding == PadMessage && t.Message != "" {
		pad = stamp.AppendMessage(nil, t.Message)
	}
	begin, least := paddingAt(mode), paddingAt(mode)
	need := begin + len(pad)
	if t.ReflectOctets > 0 {
		least = mode.ReflectorBase() + t.ReflectOctets
		if t.SymmetricalSize {
			least++ // padding must be more than is to come back (RFC 6038 section 4.2)
		}
		need += serverOctetsSize
	}
	size := t.Size
	if size == 0 {
		size = max(least, need, mode.ReflectorBase())
	}
	switch {
	case size < least:
		return nil, fmt.Errorf("must be at least %d in mode %v", least, mode)
	case size < need && len(pad) > 0:
		return nil, fmt.Errorf("must be at least %d in mode %v, so that the message fits in, or the padding zero or random", need, mode)
	case size > MaxSize:
		return nil, fmt.Errorf("must leave room: packets would have %d octets, more than %d", size, MaxSize)
	}
	b := make([]byte, size)
	padding := b[begin:]
	if t.Padding == PadRandom {
		rand.Read(padding)
	}
	if serverOctets != 0 {
		binary.BigEndian.PutUint16(padding, serverOctets)
		padding = padding[serverOctetsSize:]
	}
	copy(padding, pad)
	return b, nil
}

// agree has the session test as TWAMP-Control agreed, before it begins.
func (s *session) agree(a *agreement) {
	s.terms = &terms{mode: a.mode, sid: a.session.SID, cipher: a.session.Cipher}
	s.payload = a.payload
	if a.reflect > 0 {
		begin := paddingAt(a.mode)
		s.terms.reflected = s.payload[begin : begin+a.reflect]
	}
	s.peer = a.peer
	s.ways.known = true // the reflector numbers its replies, RFC 5357 section 4.2.1
}

// prepare writes what does not depend on the packet's time. In authenticated
// mode nothing that is protected does.
func (t *terms) prepare(payload []byte, p *stamp.SenderPacket) {
	if t.mode&twamp.Authenticated != 0 {
		twamp.AppendSender(payload[:0], *p)
		t.cipher.SealSender(payload)
	}
}

// encode writes the packet, or what prepare left of it.
func (t *terms) encode(payload []byte, p *stamp.SenderPacket) {
	switch {
	case t.cipher == nil:
		twamp.PutSender(payload, *p)
	case t.mode&twamp.Authenticated != 0:
		twamp.PutSenderTime(payload, p.Timestamp, p.ErrorEstimate)
	default:
		twamp.AppendSender(payload[:0], *p)
		t.cipher.SealSender(payload)
	}
}

// negotiated takes a reply of a session that was agreed on by TWAMP-Control. What
// STAMP has the SSID in is zero there (RFC 5357 section 4.2.1).
func (s *session) negotiated(m *udp.Message, now time.Time) bool {
	pkt := m.Buf[:m.N]
	if len(pkt) < s.terms.mode.ReflectorBase() {
		return false
	}
	var p stamp.ReflectorPacket
	if c := s.terms.cipher; c == nil {
		_ = p.UnmarshalBinary(pkt) // it is long enough
	} else {
		if !c.OpenReflector(pkt) {
			s.notAuthentic()
			return true
		}
		_ = p.UnmarshalAuthenticated(pkt)
	}
	p.SSID = 0
	return s.receive(&p, m, now)
}

// notAuthentic counts a reply whose HMAC does not verify.
func (s *session) notAuthentic() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interval.hmacFailed++
}

// reflects says whether a reply has the octets that were to come back.
func (t *terms) reflects(pkt []byte) bool {
	if t == nil || len(t.reflected) == 0 {
		return true
	}
	pkt = pkt[t.mode.ReflectorBase():]
	return len(pkt) >= len(t.reflected) && bytes.Equal(pkt[:len(t.reflected)], t.reflected)
}
