package control

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// Bounds of what a client may ask for: a session without packets keeps its
// place for so long.
const (
	maxTimeout = 10 * time.Minute
	maxAhead   = 24 * time.Hour // of a Start Time
)

// request answers Request-TW-Session (RFC 5357 section 3.5).
func (c *connection) request(msg []byte) error {
	var r twamp.RequestSession
	_ = r.UnmarshalBinary(msg) // it has its size
	accept := twamp.AcceptSession{}
	if c.mode&twamp.ReflectOctets != 0 {
		accept.ReflectedOctets = r.OctetsToReflect // RFC 6038 section 4.3; and no Server octets
	}
	why := outOfOrder // RFC 4656 section 3.4
	if !c.isTesting() {
		why = c.open(&r, &accept)
	}
	if why != none {
		accept = twamp.AcceptSession{Accept: why.accept(), ReflectedOctets: accept.ReflectedOctets}
		c.server.counters.by[why].Add(1)
		refused := c.record(events.SessionRefused, why)
		refused.KeyID = c.keyID
		c.server.cfg.Record(refused)
	}
	return c.send(accept)
}

// accept is the answer to a request that is refused.
func (r reason) accept() twamp.Accept {
	switch r {
	case allSessions, allOfSource, allOfKey, noPort, stopping:
		return twamp.TemporarilyExhausted
	case failed:
		return twamp.InternalError
	}
	return twamp.NotSupported
}

// open opens a session, or says why not.
func (c *connection) open(r *twamp.RequestSession, accept *twamp.AcceptSession) (why reason) {
	t, notBefore, why := c.terms(r)
	if why != none {
		return why
	}
	if why = c.takePlace(); why != none {
		return why
	}
	s := &session{notBefore: notBefore}
	err := c.server.random(t.SID[:])
	if err == nil {
		s.Session, err = c.server.cfg.Reflector.Open(t, func() {
			c.givePlace()
			c.ended(s)
		})
	}
	if err != nil {
		c.givePlace()
		return c.notOpened(err)
	}
	accept.Port, accept.SID = s.Port(), t.SID
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = append(c.sessions, s)
	return none
}

func (c *connection) notOpened(err error) reason {
	switch {
	case errors.Is(err, ErrAddress):
		return badReceiver
	case errors.Is(err, ErrLoop):
		return badSender
	case errors.Is(err, ErrNoPort):
		return noPort
	case errors.Is(err, ErrEnding):
		return stopping
	}
	if c.server.warned.open.Due(time.Now()) {
		c.server.cfg.Log.Error("a test session cannot be opened", "client", c.peer, "err", err)
	}
	return failed
}

// takePlace takes the place of a session, which [connection.givePlace] gives
// back.
func (c *connection) takePlace() reason {
	from := source(c.peer.Addr())
	switch err := c.server.sessions.take(from); {
	case errors.Is(err, errEach):
		return allOfSource
	case err != nil:
		return allSessions
	}
	if c.keys != nil && c.server.ofKey.take(c.keyID) != nil {
		c.server.sessions.give(from)
		return allOfKey
	}
	return none
}

func (c *connection) givePlace() {
	c.server.sessions.give(source(c.peer.Addr()))
	if c.keys != nil {
		c.server.ofKey.give(c.keyID)
	}
}

// terms says what session a request is for, or what is wrong with it.
func (c *connection) terms(r *twamp.RequestSession) (t Terms, notBefore time.Time, why reason) {
	if r.ConfSender != 0 || r.ConfReceiver != 0 || r.Slots != 0 || r.Packets != 0 || r.IPVersion != 4 && r.IPVersion != 6 {
		return t, notBefore, badFormat
	}
	t = Terms{Mode: c.mode, Keys: c.keys, KeyID: c.keyID, Timeout: r.Timeout}
	sender, receiver := c.sender(r), c.receiver(r)
	t.Sender, t.Receiver = netip.AddrPortFrom(sender, r.SenderPort), netip.AddrPortFrom(receiver, r.ReceiverPort)
	if r.SenderPort == 0 || !isHost(sender) || sender.Is4() != (r.IPVersion == 4) || !c.maySend(sender) {
		return t, notBefore, badSender
	}
	if receiver.Is4() != sender.Is4() || !isHost(receiver) {
		return t, notBefore, badReceiver
	}
	if why = t.takePadding(r); why != none {
		return t, notBefore, why
	}
	if r.Timeout > maxTimeout {
		return t, notBefore, badTimeout
	}
	notBefore, ok := startTime(r.StartTime)
	if !ok || time.Until(notBefore) > maxAhead {
		return t, notBefore, badStartTime
	}
	if t.DSCP, ok = r.TypeP.DSCP(); !ok {
		return t, notBefore, badTypeP
	}
	return t, notBefore, none
}

// takePadding bounds the Padding Length. Octets to reflect need room for them in
// a reply that is as long as its request (RFC 6038 section 4.2).
func (t *Terms) takePadding(r *twamp.RequestSession) reason {
	most := MaxPayload
	if t.Sender.Addr().Is4() {
		most -= 20
	}
	if int64(r.Padding) > int64(most-t.RequestBase()) {
		return badPadding
	}
	t.Padding = int(r.Padding)
	cut := t.Mode.ReflectorBase() - t.RequestBase() // 27 or 64 octets; symmetrical: none
	if t.Mode&twamp.ReflectOctets != 0 && (t.Padding <= int(r.PaddingToReflect) || t.Padding < cut+int(r.PaddingToReflect)) {
		return badReflection
	}
	return none
}

// sender is who sends the test packets, receiver where to: what the request
// does not say are the ends of the control connection.
func (c *connection) sender(r *twamp.RequestSession) netip.Addr {
	if !r.Sender.IsValid() || r.Sender == c.peer.Addr().WithZone("") {
		return c.peer.Addr()
	}
	return r.Sender
}

func (c *connection) receiver(r *twamp.RequestSession) netip.Addr {
	if !r.Receiver.IsValid() || r.Receiver == c.local.Addr().WithZone("") || slices.Contains(c.server.cfg.Advertise, r.Receiver) {
		return c.local.Addr()
	}
	return r.Receiver
}

// maySend says whether test packets may come from an address. Where they do
// not prove who sent them (in unauthenticated and mixed mode), anybody could
// have the replies go to a third party; so they go to the client only. Where
// they do, the third party has the keys.
func (c *connection) maySend(from netip.Addr) bool {
	if from == c.peer.Addr() {
		return true
	}
	return c.mode.ProtectsTest() && (len(c.server.cfg.Allow) == 0 || within(c.server.cfg.Allow, from))
}

// isHost says whether an address can be one host's.
func isHost(a netip.Addr) bool {
	return !a.Is4In6() && (a.IsGlobalUnicast() || a.IsLoopback() || a.IsLinkLocalUnicast())
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a.WithZone("")) })
}

// startTime is the instant of a Start Time, zero for any.
func startTime(t stamp.Timestamp) (at time.Time, ok bool) {
	if t == 0 {
		return time.Time{}, true
	}
	ns, ok := t.UnixNano(stamp.NTP)
	return time.Unix(0, ns), ok
}
