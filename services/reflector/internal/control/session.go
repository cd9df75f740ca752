package control

import (
	"errors"
	"net/netip"
	"time"

	"tinytwamp/shared/twamp"
)

// Reflector reflects the packets of the test sessions that a server negotiates
// (the Session-Reflector of RFC 5357 section 1.2).
type Reflector interface {
	// Open makes room for a session, of which nothing is reflected before it is
	// started. When it has ended, for whatever reason, ended is called once, on
	// any goroutine. The error is one of this package where it is one of these.
	Open(t Terms, ended func()) (Session, error)
}

// Session is a test session, which ends by itself when it has been started and
// no packet comes for long (REFWAIT), and when it is stopped.
type Session interface {
	// Port is where its packets are expected.
	Port() uint16
	// Start has packets reflected that come from now on, and not before an
	// instant: its Start Time.
	Start(notBefore time.Time)
	// Stop has packets reflected for the session's Timeout more. A session that
	// has not begun ends at once.
	Stop()
}

// Terms are what a client asked for, with nothing left open but the port.
type Terms struct {
	SID      twamp.SID
	Mode     twamp.Mode
	Keys     *twamp.Keys // of the control connection; nil: unauthenticated mode
	KeyID    string
	Sender   netip.AddrPort
	Receiver netip.AddrPort // its port is the one that the client would like
	Padding  int            // most octets behind the sender's base packet
	DSCP     uint8          // of the reflected packets
	Timeout  time.Duration
}

// MaxPayload is the longest test packet over IPv6; IPv4 has 20 octets less.
const MaxPayload = 65535 - 8

// RequestBase is the size of a request without its padding. Where the size is
// symmetrical the sender leaves room for what the reflector adds (RFC 6038
// section 5.1.4).
func (t *Terms) RequestBase() int {
	if t.Mode&twamp.SymmetricalSize != 0 {
		return t.Mode.ReflectorBase()
	}
	return t.Mode.SenderBase()
}

// RequestSize is how long a request can be.
func (t *Terms) RequestSize() int { return t.RequestBase() + t.Padding }

// Errors of [Reflector.Open].
var (
	ErrAddress = errors.New("control: the receiver address is none of this host's")
	ErrLoop    = errors.New("control: the sender is a reflector of this host")
	ErrNoPort  = errors.New("control: no port is free for the session")
	ErrEnding  = errors.New("control: the reflector is ending")
)
