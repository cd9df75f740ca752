// Package control is the Control-Client of TWAMP: it sets a control connection
// up, asks for test sessions, starts them, and stops them (RFC 5357 section 3).
// The connection is given to it; packets and their times are not its business.
package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"tinytwamp/shared/twamp"
)

const (
	// stepTimeout is how long the other end may take for a step. It derives a
	// key for each client, and there may be many.
	stepTimeout = 10 * time.Second
	// stopTimeout is how long the last message may take to leave: nobody answers
	// it, and the test is over.
	stopTimeout = 2 * time.Second
)

// Config says what a client agrees to.
type Config struct {
	Least      twamp.Mode // no weaker security mode than this one
	Extensions twamp.Mode // that are needed
	KeyID      string     // with Passphrase; both empty: no key
	Passphrase string
	Rand       io.Reader // of keys and initialization vectors
}

// Client is a control connection that has been set up. It is for one goroutine,
// but for [Client.Wait].
type Client struct {
	// set once
	conn     net.Conn
	messages *twamp.Conn
	mode     twamp.Mode
	keys     twamp.Keys

	accepted uint32 // sessions
}

// Mode is what was agreed on: a security mode and extensions.
func (c *Client) Mode() twamp.Mode { return c.mode }

// Accepted is the number of sessions that the server accepted.
func (c *Client) Accepted() int { return int(c.accepted) }

// Request is what a client asks for a session, RFC 5357 section 3.5.
type Request struct {
	IPVersion uint8         // 4 or 6
	Port      uint16        // of the sender; the reflector's is to be the same
	Padding   uint32        // octets behind the sender's base packet
	Reflect   uint16        // of these the first to come back, RFC 6038 section 4.2
	Timeout   time.Duration // how long packets are reflected after Stop
	DSCP      uint8
}

// Session is one that the server accepted.
type Session struct {
	SID          twamp.SID
	Port         uint16            // of the reflector
	ServerOctets uint16            // to be put first into the padding that is to come back, unless 0
	Cipher       *twamp.TestCipher // nil: test packets are not protected
}

// Refused means that the server does not want a session. Others of the
// connection go on.
type Refused struct{ Accept twamp.Accept }

func (r *Refused) Error() string {
	return fmt.Sprintf("control: the server refuses the session: %v", r.Accept)
}

// Request asks for a session. The addresses of its packets are those of the
// control connection, which is what zeros mean: as seen from the other side of
// a NAT, too. It begins as soon as Start says so.
func (c *Client) Request(r Request) (s Session, err error) {
	const step = "an answer to the request for a session"
	err = c.send(step, twamp.RequestSession{
		IPVersion: r.IPVersion, SenderPort: r.Port, ReceiverPort: r.Port,
		Padding: r.Padding, PaddingToReflect: r.Reflect, Timeout: r.Timeout, TypeP: twamp.NewTypeP(r.DSCP),
	})
	if err != nil {
		return s, err
	}
	b, err := c.messages.Receive(twamp.AcceptSessionSize)
	if err != nil {
		return s, c.failed(step, err)
	}
	var a twamp.AcceptSession
	_ = a.UnmarshalBinary(b) // it is long enough
	switch {
	case a.Accept != twamp.OK:
		return s, &Refused{a.Accept}
	case a.Port == 0:
		return s, errors.New("control: the server accepts the session, but names no port to send its packets to")
	}
	c.accepted++
	s = Session{SID: a.SID, Port: a.Port}
	if r.Reflect > 0 {
		s.ServerOctets = a.ServerOctets
	}
	if c.mode.ProtectsTest() {
		s.Cipher = twamp.NewTestCipher(c.mode, &c.keys, a.SID)
	}
	return s, nil
}

// Start starts the sessions that were accepted.
func (c *Client) Start() error {
	const step = "an answer to Start-Sessions"
	if err := c.send(step, twamp.StartSessions{}); err != nil {
		return err
	}
	b, err := c.messages.Receive(twamp.StartAckSize)
	if err != nil {
		return c.failed(step, err)
	}
	var a twamp.StartAck
	_ = a.UnmarshalBinary(b) // it is long enough
	if a.Accept != twamp.OK {
		return fmt.Errorf("control: the server does not start the sessions: %v", a.Accept)
	}
	return c.conn.SetDeadline(time.Time{})
}

// Wait waits for the end of the connection, and says why it ended. While
// sessions run the server has nothing to say.
func (c *Client) Wait() error {
	var b [1]byte
	switch _, err := c.conn.Read(b[:]); {
	case err == nil:
		return errors.New("control: the server said something out of turn")
	case errors.Is(err, io.EOF):
		return errors.New("control: the server closed the connection")
	default:
		return fmt.Errorf("control: the connection was lost: %w", cause(err))
	}
}

// Stop ends all sessions, if the server still listens, and the connection.
func (c *Client) Stop() error {
	err := c.conn.SetDeadline(time.Now().Add(stopTimeout))
	if err == nil {
		err = c.messages.Send(twamp.StopSessions{Number: c.accepted})
	}
	if closed := c.conn.Close(); err == nil {
		err = closed
	}
	return err
}

// send sends a message, and sets the time until which the server has to answer
// it.
func (c *Client) send(step string, m interface{ AppendBinary([]byte) ([]byte, error) }) error {
	if err := c.conn.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		return c.failed(step, err)
	}
	if err := c.messages.Send(m); err != nil {
		return c.failed(step, err)
	}
	return nil
}

// failed says at which step the connection failed, and what that may mean.
func (c *Client) failed(step string, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("control: %s did not come within %v: is it a TWAMP server?", step, stepTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("control: the server closed the connection instead of sending %s", step)
	case errors.Is(err, twamp.ErrHMAC):
		return fmt.Errorf("control: %s is not authentic: does the server have the same passphrase? (%w)", step, err)
	}
	return fmt.Errorf("control: %s did not come: %w", step, cause(err))
}

// cause is an error without the addresses of the connection: the own port would
// make each attempt's another one, and nobody needs it.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
