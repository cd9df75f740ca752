package control

import (
	"encoding"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

const (
	// A client that does not take an answer for so long is gone.
	sendTime = 10 * time.Second
	// What may still come of a command whose end is unknown.
	lingerTime = 2 * time.Second
	lingerSize = 1 << 16
)

// connection is a control connection. One goroutine reads its commands, each
// of which it has answered before it reads the next.
type connection struct {
	// set once
	server      *Server
	net         net.Conn
	wire        *twamp.Conn
	peer, local netip.AddrPort

	// set by the set-up
	mode  twamp.Mode
	keyID string
	keys  *twamp.Keys // nil: unauthenticated mode

	mu       sync.Mutex
	sessions []*session // requested, and not stopped yet
	testing  bool       // they are started
}

// session is a test session of a connection.
type session struct {
	Session
	notBefore time.Time
	over      bool // guarded by mu of its connection
}

// serve serves the connection to its end, and leaves no session running.
func (c *connection) serve() {
	defer c.net.Close()
	if why := c.setUp(); why != none {
		c.refused(why)
		return
	}
	opened := c.record(events.ControlOpened, none)
	opened.Mode, opened.KeyID = c.mode.String(), c.keyID
	c.server.cfg.Record(opened)
	why := c.commands()
	for _, s := range c.takeSessions() {
		s.Stop() // as if the client had said so: what is under way is reflected
	}
	c.server.counters.by[why].Add(1)
	c.server.cfg.Record(c.record(events.ControlClosed, why))
}

// commands answers commands until there are no more, and says why.
func (c *connection) commands() (why reason) {
	for {
		c.await()
		command, msg, err := c.wire.ReceiveCommand()
		switch {
		case errors.Is(err, twamp.ErrCommand):
			c.linger(c.send(twamp.AcceptSession{Accept: twamp.NotSupported}))
			return unknownCommand
		case err != nil:
			return c.lost(err)
		}
		switch command {
		case twamp.CommandRequestSession:
			err = c.request(msg)
		case twamp.CommandStartSessions:
			err = c.start()
		case twamp.CommandStopSessions:
			c.stop(msg)
		}
		if err != nil {
			return c.lost(err)
		}
		if c.server.isEnding() && !c.isTesting() {
			return ending
		}
	}
}

// await lets the client be silent for SERVWAIT, or for as long as it tests (RFC
// 5357 section 3.1).
func (c *connection) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := time.Now().Add(c.server.cfg.ServWait)
	if c.testing {
		until = time.Time{}
	}
	_ = c.net.SetReadDeadline(until) // of a closed connection, which shows at once
}

// lost says why no command can be read, or answered.
func (c *connection) lost(err error) reason {
	switch {
	case errors.Is(err, twamp.ErrHMAC):
		return badHMAC
	case errors.Is(err, os.ErrDeadlineExceeded):
		return idle
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return byClient
	case c.server.isEnding():
		return ending
	}
	return broken
}

func (c *connection) send(m encoding.BinaryAppender) error {
	_ = c.net.SetWriteDeadline(time.Now().Add(sendTime))
	return c.wire.Send(m)
}

// linger waits for the rest of a command, so that the answer to it is not lost:
// a connection that is closed with octets unread is reset.
func (c *connection) linger(sent error) {
	t, ok := c.net.(*net.TCPConn)
	if sent != nil || !ok || t.CloseWrite() != nil {
		return
	}
	_ = t.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, io.LimitReader(t, lingerSize))
}

// start starts the sessions that were requested (RFC 4656 section 3.7).
func (c *connection) start() error {
	c.mu.Lock()
	accept := twamp.OK
	switch {
	case c.testing:
		accept = twamp.NotSupported // all but Stop-Sessions is (RFC 4656 section 3.4)
	case !c.anyLive():
		accept = twamp.Failure
	default:
		c.testing = true
	}
	sessions := c.sessions
	c.mu.Unlock()
	if accept != twamp.OK {
		return c.send(twamp.StartAck{Accept: accept})
	}
	for _, s := range sessions { // before the answer: the client sends at once
		s.Start(s.notBefore)
	}
	return c.send(twamp.StartAck{})
}

// stop stops all sessions (RFC 5357 section 3.8). There is no answer.
func (c *connection) stop(msg []byte) {
	var m twamp.StopSessions
	_ = m.UnmarshalBinary(msg) // it has its size
	sessions := c.takeSessions()
	// Some clients count wrongly, and closing the connection, which the RFC asks
	// for, would come to the same.
	if int64(m.Number) != int64(len(sessions)) && c.server.warned.count.Due(time.Now()) {
		c.server.cfg.Log.Info("a client stops another number of sessions than it has", "client", c.peer, "stopped", m.Number, "sessions", len(sessions))
	}
	for _, s := range sessions {
		s.Stop()
	}
}

// takeSessions takes the sessions from the connection.
func (c *connection) takeSessions() []*session {
	c.mu.Lock()
	defer c.mu.Unlock()
	sessions := c.sessions
	c.sessions, c.testing = nil, false
	return sessions
}

// ended takes note that a session ended. When all have, it is as if the client
// had stopped them (RFC 5357 section 3.1).
func (c *connection) ended(s *session) {
	stopping := c.server.isEnding()
	c.mu.Lock()
	s.over = true
	all := c.testing && !c.anyLive()
	if all {
		c.sessions, c.testing = nil, false
	}
	c.mu.Unlock()
	switch {
	case all && stopping:
		c.net.Close()
	case all:
		c.await()
	}
}

// anyLive is called with mu held.
func (c *connection) anyLive() bool {
	for _, s := range c.sessions {
		if !s.over {
			return true
		}
	}
	return false
}

func (c *connection) isTesting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.testing
}

func (c *connection) closeUnlessTesting() {
	if !c.isTesting() {
		c.net.Close()
	}
}

func (c *connection) record(kind events.RecordKind, why reason) events.Record {
	r := events.Record{Time: time.Now().UTC(), Kind: kind, Peer: c.peer, Local: c.local}
	if why != none {
		r.Reason = why.String()
	}
	return r
}
