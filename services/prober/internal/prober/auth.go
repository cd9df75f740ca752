package prober

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// Auth is the least protection of a session's packets that a user accepts.
type Auth uint8

// What -auth can be.
const (
	AuthNone Auth = iota
	Authenticated
)

// String is the mode as settings and events name it.
func (a Auth) String() string { return [...]string{"none", "authenticated"}[a] }

// UnmarshalText reads the setting.
func (a *Auth) UnmarshalText(b []byte) error {
	switch string(b) {
	case "none":
		*a = AuthNone
	case "authenticated":
		*a = Authenticated
	case "encrypted", "mixed":
		return errors.New("must be none or authenticated: STAMP knows no other")
	default:
		return errors.New("must be none or authenticated")
	}
	return nil
}

// Forget has the next Check read the key file again.
func (t *Test) Forget() { t.keysOf = "" }

// checkAuth reads the keys, and finds what does not go with them. A copy of what
// was checked has them already: thousands of targets share one key file.
func (t *Test) checkAuth(bad func(variable, format string, args ...any)) {
	if t.KeyFile != t.keysOf {
		t.keys, t.keysOf = stamp.Keys{}, ""
	}
	switch {
	case t.KeyFile == "" && t.Auth == Authenticated:
		bad("KEY_FILE", "must be given where packets are to be authenticated")
		return
	case t.KeyFile == "":
		return
	case t.Mode != ModeSTAMP:
		bad("KEY_FILE", "must be empty but in stamp mode")
		return
	case t.KeyFile == t.keysOf:
		return
	}
	text, err := service.ReadSecretFile(t.KeyFile, slog.Default())
	if err == nil {
		t.keys, err = stamp.ParseKeys(text)
	}
	if err != nil {
		bad("KEY_FILE", "must be a good key file: %v", err)
		return
	}
	t.keysOf = t.KeyFile
}

// key gives the key for a session of the test, nil if it is not authenticated.
func (t *Test) key(ssid uint16, peer netip.Addr) ([]byte, error) {
	key, ok := t.keys.Lookup(ssid, peer)
	if !ok && t.Auth == Authenticated {
		return nil, fmt.Errorf("prober: %s has no key for %v with SSID %d, and -auth asks for one", t.KeyFile, peer, ssid)
	}
	return key, nil
}

// authenticate has the session seal its packets with a key, and take no reply
// that is not sealed with it.
func (s *session) authenticate(key []byte) { s.mac = stamp.NewMAC(key) }

func (s *session) auth() Auth {
	if s.mac != nil {
		return Authenticated
	}
	return AuthNone
}

// baseSize is that of a base packet, in either direction.
func (s *session) baseSize() int {
	if s.mac != nil {
		return stamp.AuthSize
	}
	return stamp.BaseSize
}

// encode writes packet n of the session into its payload.
func (s *session) encode(p *stamp.SenderPacket, n uint64) {
	if s.direct != nil {
		binary.BigEndian.PutUint32(s.direct, uint32(n+1))
	}
	if s.mac == nil {
		_, _ = p.AppendBinary(s.payload[:0]) // cannot fail
		return
	}
	p.AppendAuthenticated(s.payload[:0])
	s.mac.SealTLVs(s.payload, stamp.AuthSize)
	s.mac.Seal(s.payload)
}

// trailing gives the TLVs of a reply; none if they should be sealed, but are
// not by the session's key (RFC 8972 section 4.8).
func (s *session) trailing(m *udp.Message) []byte {
	base := s.baseSize()
	pkt := m.Buf[:m.N]
	if len(pkt) <= base {
		return nil
	}
	if s.mac != nil && stamp.NeedsHMAC(pkt[base:], true) && !s.mac.VerifyTLVs(pkt, base) {
		s.interval.told.integrity++
		return nil
	}
	return pkt[base:]
}
