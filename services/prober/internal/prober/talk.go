package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"tinytwamp/services/prober/internal/control"
	"tinytwamp/shared/twamp"
)

// dialTimeout is how long a server may take to take a connection.
const dialTimeout = 10 * time.Second

// mostTimeout is for how long at most a server is asked to reflect after the
// stop: longer ones are refused. The stop comes when no reply is waited for any
// more, so that nothing is lost by less than the test's timeout.
const mostTimeout = 10 * time.Minute

// Dial opens a control connection, from an own address if there is one.
func Dial(ctx context.Context, local netip.Addr, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// talk is one attempt at a control connection and, if it comes about, the
// connection. It is the work of a goroutine of its own, which knows nothing of
// what becomes of the sessions meanwhile.
type talk struct {
	*Prober
	control *controlConn
	key     controlKey // of control
	asks    []ask
	say     func(spoken)
}

// ask is what the connection is to ask for.
type ask struct {
	session *session // whose it is: not to be looked at
	test    *Test
	peer    netip.Addr
	port    uint16 // own one
}

// agreement is what the server said to an ask.
type agreement struct {
	of      *session
	err     error // nil: it accepted
	mode    twamp.Mode
	session control.Session
	peer    netip.AddrPort
	reflect int
	payload []byte
}

// spoken is what a talk has come to: talkFailed or talkOver, or talkAgreed and
// later talkLost or talkOver.
type spoken struct {
	control *controlConn
	what    talkState
	answers []agreement // of talkAgreed
	err     error
}

type talkState uint8

const (
	talkAgreed talkState = iota // sessions have been started
	talkFailed                  // none has
	talkLost                    // the connection ended by itself
	talkOver                    // it was ended
)

// run talks until ctx ends, or the server does not want to any more.
func (t *talk) run(ctx context.Context) spoken {
	select {
	case t.dialing <- struct{}{}:
	case <-ctx.Done():
		return spoken{what: talkOver}
	}
	conn, client, answers, err := t.begin(ctx)
	<-t.dialing
	switch {
	case ctx.Err() != nil && client == nil:
		return spoken{what: talkOver}
	case err != nil:
		return spoken{what: talkFailed, err: err}
	}
	t.say(spoken{control: t.control, what: talkAgreed, answers: answers})
	var lost error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lost = client.Wait()
	}()
	select {
	case <-ended:
		conn.Close()
		return spoken{what: talkLost, err: lost}
	case <-ctx.Done():
		err := client.Stop()
		<-ended
		return spoken{what: talkOver, err: err}
	}
}

// begin connects, and comes to terms with the server. Unless it fails the
// connection is open, and at least one session has been started.
func (t *talk) begin(ctx context.Context) (conn net.Conn, _ *control.Client, answers []agreement, err error) {
	conn, err = t.cfg.Dial(ctx, t.key.local, t.key.at)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("prober: no control connection: %w", err)
	}
	hasty := context.AfterFunc(ctx, func() { conn.Close() })
	client, answers, err := t.agree(conn)
	if err == nil && hasty() {
		return conn, client, answers, nil
	}
	hasty()
	conn.Close()
	if err == nil {
		err = ctx.Err()
	}
	return nil, nil, nil, err
}

// agree sets the connection up, asks for each session, and starts them.
func (t *talk) agree(conn net.Conn) (*control.Client, []agreement, error) {
	client, err := control.Connect(conn, control.Config{
		Least: t.key.least, Extensions: t.key.extensions, KeyID: t.key.keyID, Passphrase: t.key.passphrase, Rand: t.cfg.Rand,
	})
	if err != nil {
		return nil, nil, err
	}
	answers := make([]agreement, len(t.asks))
	var refused error
	for i := range t.asks {
		a := &answers[i]
		a.of = t.asks[i].session
		if a.err = t.ask(client, &t.asks[i], a); a.err == nil {
			continue
		}
		if refused == nil {
			refused = a.err
		}
		if _, goesOn := errors.AsType[declined](a.err); !goesOn {
			return nil, nil, a.err
		}
	}
	if client.Accepted() == 0 {
		return nil, nil, refused
	}
	return client, answers, client.Start()
}

// declined means that there is no session, and nothing wrong with the connection.
type declined struct{ error }

func (d declined) Unwrap() error { return d.error }

// ask asks for one session.
func (t *talk) ask(client *control.Client, x *ask, a *agreement) (err error) {
	a.mode, a.reflect = client.Mode(), x.test.ReflectOctets
	if a.payload, err = x.test.twampPayload(a.mode, 0); err != nil {
		return declined{fmt.Errorf("prober: size %w", err)}
	}
	r := control.Request{
		IPVersion: 6, Port: x.port, Padding: uint32(len(a.payload) - paddingAt(a.mode)), Reflect: uint16(a.reflect),
		Timeout: min(x.test.Timeout, mostTimeout), DSCP: uint8(x.test.DSCP),
	}
	if x.peer.Is4() {
		r.IPVersion = 4
	}
	if a.session, err = client.Request(r); err != nil {
		if _, ok := errors.AsType[*control.Refused](err); ok {
			return declined{err}
		}
		return err
	}
	a.peer = netip.AddrPortFrom(x.peer, a.session.Port)
	if a.session.ServerOctets != 0 {
		a.payload, err = x.test.twampPayload(a.mode, a.session.ServerOctets)
	}
	return err
}
