// Package controltest is the other end of a Control-Client, for tests: a Server
// with its Session-Reflector that does as it is told.
package controltest

import (
	"crypto/rand"
	"net"
	"sync"
	"testing"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// Server answers Control-Clients, each connection in Serve. Set its first fields
// before.
type Server struct {
	Modes       twamp.Mode
	Passphrases map[string]string                           // by key id
	Count       uint32                                      // of key derivation; 0: the least that is allowed
	Answer      func(i int, r *Session) twamp.AcceptSession // to the i-th request of all; nil: Grant
	Ended       func()                                      // called when a connection has ended; may be nil

	mu       sync.Mutex
	conns    map[net.Conn]bool // that are served
	sessions []*Session
	setUps   []twamp.SetUpResponse
	stops    []twamp.StopSessions
	opened   int // connections, ever
}

// Session is one that was asked for.
type Session struct {
	twamp.RequestSession
	Accept twamp.AcceptSession
	Mode   twamp.Mode
	Keys   *twamp.Keys // nil: in clear

	Started, Stopped bool // guarded by the Server
}

// Cipher is that of the session's test packets; nil: they are not protected.
func (s *Session) Cipher() *twamp.TestCipher {
	if !s.Mode.ProtectsTest() {
		return nil
	}
	return twamp.NewTestCipher(s.Mode, s.Keys, s.Accept.SID)
}

// Grant accepts a session with the port that the client would like.
func Grant(s *Session) (a twamp.AcceptSession) {
	a.Port, a.ReflectedOctets = s.ReceiverPort, s.OctetsToReflect
	_, _ = rand.Read(a.SID[:])
	return a
}

// Sessions are all that were asked for, as they stand.
func (s *Server) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Session
	for _, x := range s.sessions {
		all = append(all, *x)
	}
	return all
}

// SetUps are the modes and key ids that clients chose.
func (s *Server) SetUps() []twamp.SetUpResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]twamp.SetUpResponse(nil), s.setUps...)
}

// Stops are the Stop-Sessions that came.
func (s *Server) Stops() []twamp.StopSessions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]twamp.StopSessions(nil), s.stops...)
}

// Opened is the number of connections, ever, and Open of those that are served.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Open is the number of connections that are served.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Cut ends all connections from the server's side.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Serve serves a connection until it ends.
func (s *Server) Serve(conn net.Conn) {
	s.mu.Lock()
	if s.conns == nil {
		s.conns = make(map[net.Conn]bool)
	}
	s.conns[conn] = true
	s.opened++
	s.mu.Unlock()
	c := &connection{Server: s, Conn: twamp.NewConn(conn)}
	if c.setUp() {
		for c.command() {
		}
	}
	conn.Close()
	s.mu.Lock()
	delete(s.conns, conn)
	for _, x := range c.own {
		x.Stopped = true
	}
	s.mu.Unlock()
	if s.Ended != nil {
		s.Ended()
	}
}

// connection is one that is served.
type connection struct {
	*Server
	*twamp.Conn
	mode twamp.Mode
	keys *twamp.Keys
	own  []*Session
}

// setUp says whether there was one.
func (c *connection) setUp() bool {
	g := twamp.Greeting{Modes: c.Modes, Count: max(c.Count, twamp.MinCount)}
	if c.Count != 0 {
		g.Count = c.Count
	}
	_, _ = rand.Read(g.Challenge[:])
	_, _ = rand.Read(g.Salt[:])
	if c.Send(g) != nil {
		return false
	}
	b, err := c.Receive(twamp.SetUpResponseSize)
	if err != nil {
		return false
	}
	var r twamp.SetUpResponse
	_ = r.UnmarshalBinary(b)
	c.mu.Lock()
	c.setUps = append(c.setUps, r)
	c.mu.Unlock()
	c.mode = r.Mode
	start := twamp.ServerStart{StartTime: 1}
	if !r.Mode.Valid(c.Modes) {
		start.Accept = twamp.NotSupported
	} else if r.Mode.ProtectsControl() {
		passphrase, known := c.Passphrases[r.KeyID]
		keys, ok := twamp.OpenToken(twamp.DeriveKey(passphrase, &g), g.Challenge, r.Token)
		if c.keys = &keys; !ok || !known {
			start.Accept, c.keys = twamp.Failure, nil
		}
		_, _ = rand.Read(start.ServerIV[:])
	}
	return c.SendStart(start, c.keys, r.ClientIV) == nil && start.Accept == twamp.OK
}

// command answers the next one, and says whether there was one.
func (c *connection) command() bool {
	command, b, err := c.ReceiveCommand()
	if err != nil {
		return false
	}
	switch command {
	case twamp.CommandRequestSession:
		return c.request(b)
	case twamp.CommandStartSessions:
		c.mu.Lock()
		for _, x := range c.own {
			x.Started = x.Accept.Accept == twamp.OK
		}
		c.mu.Unlock()
		return c.Send(twamp.StartAck{}) == nil
	default:
		var stop twamp.StopSessions
		_ = stop.UnmarshalBinary(b)
		c.mu.Lock()
		c.stops = append(c.stops, stop)
		c.mu.Unlock()
		return true
	}
}

func (c *connection) request(b []byte) bool {
	x := &Session{Mode: c.mode, Keys: c.keys}
	_ = x.UnmarshalBinary(b)
	c.mu.Lock()
	n := len(c.sessions)
	x.Accept = Grant(x)
	if c.Answer != nil {
		x.Accept = c.Answer(n, x)
	}
	c.sessions = append(c.sessions, x)
	c.own = append(c.own, x)
	c.mu.Unlock()
	return c.Send(x.Accept) == nil
}

// Reflector is the Session-Reflector's side of a session: what it makes of a
// request, and whether it is one. Its clock is the caller's.
type Reflector struct {
	Session
	TestCipher *twamp.TestCipher
	Sequence   uint32
}

// NewReflector makes that of a session.
func NewReflector(s Session) *Reflector { return &Reflector{Session: s, TestCipher: s.Cipher()} }

// Reply makes the reply to a request that arrived at t2 with a TTL, and that it
// changes. It is nil if the request is not one of the session.
func (r *Reflector) Reply(t testing.TB, request []byte, t2, t3 stamp.Timestamp, ttl uint8) []byte {
	t.Helper()
	var p stamp.SenderPacket
	at := r.Mode.SenderBase() // where padding begins
	if r.Mode&twamp.SymmetricalSize != 0 {
		at = r.Mode.ReflectorBase()
	}
	if len(request) != at+int(r.Padding) {
		t.Errorf("a request of %d octets, where the padding was to have %d", len(request), r.Padding)
	}
	if r.TestCipher == nil {
		if p.UnmarshalBinary(request) != nil {
			return nil
		}
	} else if !r.TestCipher.OpenSender(request) || twamp.UnmarshalSender(request, &p) != nil {
		return nil
	}
	reply := stamp.ReflectorPacket{
		Sequence: r.Sequence, Timestamp: t3, ErrorEstimate: 1, ReceiveTimestamp: t2, SenderSequence: p.Sequence,
		SenderTimestamp: p.Timestamp, SenderErrorEstimate: p.ErrorEstimate, SenderTTL: ttl,
	}
	r.Sequence++
	b := make([]byte, max(len(request), r.Mode.ReflectorBase()))
	copy(b[r.Mode.ReflectorBase():], request[at:])
	if r.TestCipher == nil {
		whole, _ := reply.AppendBinary(nil)
		copy(b, whole[:twamp.ReflectorSize])
		return b
	}
	reply.AppendAuthenticated(b[:0])
	r.TestCipher.SealReflector(b)
	return b
}
