package control

import (
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

const (
	// The whole set-up may take so long: who is not known yet is not waited for.
	setUpTime = 10 * time.Second
	// Rounds of key derivation: some milliseconds, which a client spends as well.
	rounds = 1 << 13
	// The extensions that are offered beside the security modes.
	extensions = twamp.ReflectOctets | twamp.SymmetricalSize
)

// offer is the Modes of a client's greeting.
func (s *Server) offer(c *connection) twamp.Mode {
	modes := s.cfg.Modes.Security()
	if !s.cfg.AllowOpen(c.peer.Addr().WithZone("")) {
		modes &^= twamp.Unauthenticated
	}
	if s.passphrases.Load() == nil {
		modes &= twamp.Unauthenticated
	}
	if modes == 0 {
		return 0
	}
	return modes | extensions
}

// setUp does the connection's set-up (RFC 4656 section 3.1), and says why it
// failed.
func (c *connection) setUp() (why reason) {
	until := time.Now().Add(setUpTime)
	_ = c.net.SetDeadline(until) // of a closed connection, which shows at once
	g := twamp.Greeting{Modes: c.server.offer(c), Count: c.server.rounds}
	if g.Modes == 0 {
		_ = c.wire.Send(g)
		return nothingOffered
	}
	if c.server.random(g.Challenge[:]) != nil || c.server.random(g.Salt[:]) != nil || c.wire.Send(g) != nil {
		return setUpFailed
	}
	b, err := c.wire.Receive(twamp.SetUpResponseSize)
	if err != nil {
		return setUpFailed
	}
	var r twamp.SetUpResponse
	if r.UnmarshalBinary(b) != nil {
		return setUpFailed
	}
	switch {
	case r.Mode.Security() == 0:
		return declined
	case !r.Mode.Valid(g.Modes):
		_ = c.wire.Send(twamp.ServerStart{Accept: twamp.NotSupported})
		return badMode
	}
	c.mode = r.Mode & g.Modes
	return c.begin(&g, &r, until)
}

// begin authenticates the client, in a protected mode, and answers it.
func (c *connection) begin(g *twamp.Greeting, r *twamp.SetUpResponse, until time.Time) (why reason) {
	start := twamp.ServerStart{StartTime: c.server.started}
	if c.mode.ProtectsControl() {
		c.keyID = r.KeyID
		keys, why := c.server.authenticate(g, r, until)
		if why == authenticationFailed {
			_ = c.wire.Send(twamp.ServerStart{Accept: twamp.Failure})
		}
		if why != none {
			return why
		}
		c.keys = keys
		if c.server.random(start.ServerIV[:]) != nil {
			return setUpFailed
		}
	}
	if c.wire.SendStart(start, c.keys, r.ClientIV) != nil {
		return setUpFailed
	}
	_ = c.net.SetDeadline(time.Time{})
	return none
}

// authenticate opens a client's token. A key id that there is not takes as long
// as a wrong passphrase, or it would tell which there are.
func (s *Server) authenticate(g *twamp.Greeting, r *twamp.SetUpResponse, until time.Time) (*twamp.Keys, reason) {
	timeout := time.NewTimer(time.Until(until))
	defer timeout.Stop()
	select {
	case s.deriving <- struct{}{}:
	case <-timeout.C:
		return nil, setUpFailed
	}
	defer func() { <-s.deriving }()
	passphrase, known := s.passphrases.Load().Lookup(r.KeyID)
	if !known {
		passphrase = s.nobody
	}
	keys, ok := twamp.OpenToken(twamp.DeriveKey(passphrase, g), g.Challenge, r.Token)
	if !ok || !known {
		return nil, authenticationFailed
	}
	return &keys, none
}

// refused tells that a connection was not set up.
func (c *connection) refused(why reason) {
	s := c.server
	s.counters.by[why].Add(1)
	r := c.record(events.ControlRefused, why)
	r.KeyID = c.keyID
	s.cfg.Record(r)
	if why == authenticationFailed && s.warned.authentication.Due(time.Now()) {
		s.cfg.Log.Warn("a client does not have the passphrase: give both ends the same line of the passphrase file",
			"client", c.peer, "key_id", c.keyID, "failures", s.counters.by[authenticationFailed].Load())
	}
}

// turnAway tells a client for which there is no place that there is none: the
// server "does not wish to communicate" (RFC 4656 section 3.1). It does not wait.
func (c *connection) turnAway() {
	_ = c.net.SetDeadline(time.Now().Add(time.Second))
	_ = c.wire.Send(twamp.Greeting{Count: rounds}) // fits the empty send buffer
	c.net.Close()
}
