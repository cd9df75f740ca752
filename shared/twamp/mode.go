package twamp

import (
	"fmt"
	"strings"
)

// Mode is the Modes field of a Greeting, and the Mode field of a SetUpResponse:
// one bit for each security mode, of which a client picks exactly one, and one
// for each extension, of which it picks any.
type Mode uint32

// Bits of Mode. Bits of further extensions (RFC 5938, RFC 7717, RFC 7750, RFC
// 8186) have no meaning here: a client must not pick what it does not know.
const (
	Unauthenticated Mode = 1 << 0 // RFC 4656 section 3.1
	Authenticated   Mode = 1 << 1 // RFC 4656 section 3.1
	Encrypted       Mode = 1 << 2 // RFC 4656 section 3.1
	Mixed           Mode = 1 << 3 // control encrypted, test packets not: RFC 5618 section 3.1

	ReflectOctets   Mode = 1 << 5 // RFC 6038 section 4.2
	SymmetricalSize Mode = 1 << 6 // RFC 6038 section 5.1.4

	security = Unauthenticated | Authenticated | Encrypted | Mixed
)

// byStrength are the security modes, the strongest first. Authenticated is
// before mixed, since it protects the test's sequence numbers as well.
var byStrength = [...]Mode{Encrypted, Authenticated, Mixed, Unauthenticated}

var modeNames = map[Mode]string{
	Unauthenticated: "none", Authenticated: "authenticated", Encrypted: "encrypted", Mixed: "mixed",
	ReflectOctets: "reflect-octets", SymmetricalSize: "symmetrical-size",
}

// Security is the part of m that says how messages and packets are protected.
func (m Mode) Security() Mode { return m & security }

// ProtectsControl reports whether messages are encrypted in the mode.
func (m Mode) ProtectsControl() bool { return m&(Authenticated|Encrypted|Mixed) != 0 }

// ProtectsTest reports whether test packets are protected in the mode.
func (m Mode) ProtectsTest() bool { return m&(Authenticated|Encrypted) != 0 }

// Valid reports whether m is a client's answer to what was offered: exactly one
// security mode of the offered ones, and extensions only of these. A server
// ignores bits that it does not know (RFC 4656 section 3.1).
func (m Mode) Valid(offered Mode) bool {
	s := m.Security()
	known := security | ReflectOctets | SymmetricalSize
	return s != 0 && s&(s-1) == 0 && m&known&^offered == 0
}

// Strongest is the strongest security mode of the offered ones that is not
// weaker than least. Only with a key can it be another than Unauthenticated. It
// is not ok if there is none.
func (m Mode) Strongest(least Mode, haveKey bool) (_ Mode, ok bool) {
	for _, s := range byStrength {
		if m&s != 0 && (haveKey || s == Unauthenticated) {
			return s, true
		}
		if s == least {
			break
		}
	}
	return 0, false
}

// String names the bits, for instance "authenticated+symmetrical-size".
func (m Mode) String() string {
	var names []string
	for bit := Mode(1); bit != 0; bit <<= 1 {
		switch name, known := modeNames[bit]; {
		case m&bit == 0:
		case known:
			names = append(names, name)
		default:
			names = append(names, fmt.Sprintf("%#x", uint32(bit)))
		}
	}
	return strings.Join(names, "+")
}

// UnmarshalText reads the name of a security mode: none, authenticated,
// encrypted or mixed.
func (m *Mode) UnmarshalText(text []byte) error {
	for _, s := range byStrength {
		if modeNames[s] == string(text) {
			*m = s
			return nil
		}
	}
	return fmt.Errorf("twamp: mode %q is not none, authenticated, encrypted or mixed", text)
}

// Accept is a server's answer to a request, or a client's verdict on a test, RFC
// 4656 section 3.3.
type Accept uint8

// Values of Accept.
const (
	OK                   Accept = 0
	Failure              Accept = 1 // for no reason given
	InternalError        Accept = 2
	NotSupported         Accept = 3 // some aspect of the request
	PermanentlyExhausted Accept = 4 // cannot perform, due to permanent resource limitations
	TemporarilyExhausted Accept = 5 // cannot perform, due to temporary resource limitations
)

// String says what the value means, in the RFC's words. Reserved ones mean
// Failure.
func (a Accept) String() string {
	switch a {
	case OK:
		return "OK"
	case InternalError:
		return "internal error"
	case NotSupported:
		return "some aspect of the request is not supported"
	case PermanentlyExhausted:
		return "permanent resource limitation"
	case TemporarilyExhausted:
		return "temporary resource limitation"
	}
	return fmt.Sprintf("failure (%d)", uint8(a))
}
