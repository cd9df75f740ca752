package prober

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
)

// Auth is the least protection of a session that a user accepts.
type Auth uint8

// What -auth can be, the weakest first.
const (
	AuthNone Auth = iota
	Mixed         // TWAMP's: of its control protocol, not of packets
	Authenticated
	Encrypted // TWAMP's
)

// authModes are the security modes of TWAMP by Auth.
var authModes = [...]twamp.Mode{twamp.Unauthenticated, twamp.Mixed, twamp.Authenticated, twamp.Encrypted}

func (a Auth) mode() twamp.Mode { return authModes[a] }

// String is the mode as settings and events name it.
func (a Auth) String() string { return a.mode().String() }

// UnmarshalText reads the setting.
func (a *Auth) UnmarshalText(b []byte) error {
	var m twamp.Mode
	if m.UnmarshalText(b) != nil {
		return errors.New("must be none, mixed, authenticated or encrypted")
	}
	*a = Auth(slices.Index(authModes[:], m))
	return nil
}

// keyFile is where keys were read from. STAMP's and TWAMP's have another form.
type keyFile struct {
	path        string // empty: none
	passphrases bool
}

// Forget has the next Check read the key file again.
func (t *Test) Forget() { t.keysOf = keyFile{} }

// checkAuth reads the keys, and finds what does not go with them. A copy of what
// was checked has them already: thousands of targets share one key file.
func (t *Test) checkAuth(bad func(variable, format string, args ...any)) {
	file := keyFile{t.KeyFile, t.Mode == ModeTWAMP}
	if file != t.keysOf {
		t.keys, t.passphrases, t.keysOf = stamp.Keys{}, twamp.Passphrases{}, keyFile{}
	}
	if t.Mode != ModeTWAMP {
		if t.Auth == Mixed || t.Auth == Encrypted {
			bad("AUTH", "must be none or authenticated but in twamp mode: STAMP knows no other")
			return
		}
		if t.KeyID != "" {
			bad("KEY_ID", "must be empty but in twamp mode: STAMP's keys have selectors")
		}
	}
	switch {
	case t.KeyFile == "" && (t.Auth != AuthNone || t.Mode == ModeTWAMP && t.KeyID != ""):
		bad("KEY_FILE", "must be given where there is to be protection")
		return
	case t.KeyFile == "":
		return
	case t.Mode == ModeLight:
		bad("KEY_FILE", "must be empty in light mode, which has no protection")
		return
	}
	if file != t.keysOf {
		if err := t.readKeys(file); err != nil {
			bad("KEY_FILE", "must be a good key file: %v", err)
			return
		}
		t.keysOf = file
	}
	if t.Mode == ModeTWAMP {
		t.checkKeyID(bad)
	}
}

func (t *Test) readKeys(file keyFile) error {
	text, err := service.ReadSecretFile(file.path, slog.Default())
	switch {
	case err != nil:
	case file.passphrases:
		t.passphrases, err = twamp.ParsePassphrases(text)
	default:
		t.keys, err = stamp.ParseKeys(text)
	}
	return err
}

// checkKeyID finds out whether the key file tells which passphrase to use.
func (t *Test) checkKeyID(bad func(variable, format string, args ...any)) {
	_, known := t.passphrases.Lookup(t.KeyID)
	_, only := t.passphrases.Only()
	switch {
	case t.KeyID != "" && !known:
		bad("KEY_ID", "must be one of the key file's")
	case t.KeyID == "" && !only:
		bad("KEY_ID", "must be given where the key file has several")
	}
}

// passphrase gives that of TWAMP-Control with its key id; both are empty if there
// is no key file.
func (t *Test) passphrase() (keyID, passphrase string) {
	if keyID = t.KeyID; keyID == "" {
		keyID, _ = t.passphrases.Only()
	}
	passphrase, _ = t.passphrases.Lookup(keyID)
	return keyID, passphrase
}

// key gives the key for a session of the test, nil if it is not authenticated by
// one of STAMP's.
func (t *Test) key(ssid uint16, peer netip.Addr) ([]byte, error) {
	if t.Mode == ModeTWAMP {
		return nil, nil // its keys are drawn for each control connection
	}
	key, ok := t.keys.Lookup(ssid, peer)
	if !ok && t.Auth == Authenticated {
		return nil, fmt.Errorf("prober: %s has no key for %v with SSID %d, and -auth asks for one", t.KeyFile, peer, ssid)
	}
	return key, nil
}

// authenticate has the session seal its packets with a key, and take no reply
// that is not sealed with it.
func (s *session) authenticate(key []byte) { s.mac = stamp.NewMAC(key) }

// auth is how the session is protected, as events name it.
func (s *session) auth() string {
	switch {
	case s.terms != nil:
		return s.terms.mode.Security().String()
	case s.mac != nil:
		return Authenticated.String()
	}
	return AuthNone.String()
}

// baseSize is that of a base packet, in either direction.
func (s *session) baseSize() int {
	if s.mac != nil {
		return stamp.AuthSize
	}
	return stamp.BaseSize
}

// prepare writes what of the next packet does not depend on its time.
func (s *session) prepare(p *stamp.SenderPacket) {
	if s.terms != nil {
		s.terms.prepare(s.payload, p)
	}
}

// encode writes packet n of the session into its payload.
func (s *session) encode(p *stamp.SenderPacket, n uint64) {
	if s.terms != nil {
		s.terms.encode(s.payload, p)
		return
	}
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
