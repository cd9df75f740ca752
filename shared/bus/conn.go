package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"tinytwamp/shared/events"
)

const (
	dialTimeout     = 5 * time.Second
	reconnectWait   = time.Second // the least that an outage costs once the server is back
	reconnectJitter = 500 * time.Millisecond
	pingInterval    = 20 * time.Second // two without an answer end a connection that is dead without saying so
	writeTimeout    = 10 * time.Second
)

// ErrClosed is returned by what needs a connection that was closed.
var ErrClosed = errors.New("bus: connection is closed")

// Conn is a connection to NATS. It connects in the background, and again
// whenever it is lost, for ever. It is safe for concurrent use.
type Conn struct {
	nc     *nats.Conn
	log    *notices
	user   string        // who the server takes us for, as far as we know
	closed chan struct{} // closed once the connection has ended for good

	refusals atomic.Uint64 // permission errors so far
	refusing chan struct{} // there was one: for the publisher

	mu     sync.Mutex
	live   bool
	up     chan struct{}        // closed while connected
	denied map[denial]time.Time // since this connection began: when last
}

// Connect makes a connection under a name. It returns at once; what a person
// should know of the connection goes to log. It fails only for settings that
// can never work: a bad URL, an unreadable file.
//
// Replies come to inboxes under _INBOX_<name>, unless the settings say where, so
// that a server can keep the instances apart: a user needs subscribe permission
// for "_INBOX_<name>.>".
func Connect(s Settings, name string, log *slog.Logger) (*Conn, error) {
	if problems := s.Check(); len(problems) > 0 {
		return nil, fmt.Errorf("bus: setting %s %s", problems[0].Var, problems[0].Msg)
	}
	servers, urlUser, err := parseURLs(s.URL)
	if err != nil {
		return nil, err
	}
	auth, user, err := authOptions(s, log)
	if err != nil {
		return nil, err
	}
	if user == "" {
		user = urlUser
	}
	name = events.FitName(name)
	c := &Conn{
		log: newNotices(log), user: user,
		closed: make(chan struct{}), up: make(chan struct{}), refusing: make(chan struct{}, 1), denied: make(map[denial]time.Time),
	}
	options := append(c.options(name, s.inbox(name)), auth...)
	nc, err := nats.Connect(servers, options...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect to %s: %w", s.URL, err)
	}
	c.nc = nc
	return c, nil
}

func (c *Conn) options(name, inbox string) []nats.Option {
	return []nats.Option{
		nats.Name(name),
		nats.CustomInboxPrefix(inbox),
		nats.Timeout(dialTimeout),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1), // the outbox keeps what is not sent, and knows what is
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingInterval),
		nats.FlusherTimeout(writeTimeout),
		nats.ConnectHandler(c.connected),
		nats.ReconnectHandler(c.connected),
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectErrHandler(c.failed),
		nats.ErrorHandler(c.refused),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	}
}

// Close ends the connection and waits until its handlers have returned.
// Publishers and consumers on it are to be closed before.
func (c *Conn) Close() {
	c.nc.Close()
	<-c.closed
}

// Connected tells whether there is a connection now. It never waits.
func (c *Conn) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live
}

// whenUp returns a channel that is closed while there is a connection.
func (c *Conn) whenUp() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

// wait returns once there is a connection, or with the context's error.
func (c *Conn) wait(ctx context.Context) error {
	select {
	case <-c.whenUp():
		return nil
	case <-c.closed:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("bus: no connection to NATS: %w", ctx.Err())
	}
}

func (c *Conn) setLive(live bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if live == c.live {
		return
	}
	c.live = live
	clear(c.denied)
	if live {
		close(c.up)
	} else {
		c.up = make(chan struct{})
	}
}

func (c *Conn) connected(nc *nats.Conn) {
	c.setLive(true)
	c.log.forget()
	c.log.Info("connected to nats", "server", withoutUser(nc.ConnectedUrl()), "user", c.user)
}

func (c *Conn) disconnected(nc *nats.Conn, err error) {
	c.setLive(false)
	if nc.IsClosed() {
		return
	}
	if err == nil {
		err = errors.New("closed by the server")
	}
	c.log.Warn("connection to nats lost, trying again", "err", err)
}

// failed tells of a try to connect that failed.
func (c *Conn) failed(_ *nats.Conn, err error) {
	c.log.once(err.Error(), slog.LevelWarn, "cannot connect to nats, trying again", "user", c.user, "err", err)
}

// violation finds what was refused in the server's words.
var violation = regexp.MustCompile(`(?i)for (publish|subscription) to "([^"]*)"`)

// actionPublish is an action of a denial; the other is "subscription".
const actionPublish = "publish"

// refused tells of errors that come without a call that they could be returned
// from. A publish that the server refuses looks like a lost acknowledgement to
// its caller: this is where the cause shows.
func (c *Conn) refused(_ *nats.Conn, sub *nats.Subscription, err error) {
	if m := violation.FindStringSubmatch(err.Error()); errors.Is(err, nats.ErrPermissionViolation) && m != nil {
		c.deny(denial{strings.ToLower(m[1]), m[2]})
		c.log.once(err.Error(), slog.LevelError, "nats does not allow this user the subject: change the user's permissions or the instance's name",
			"action", m[1], "subject", m[2], "user", c.user, "err", err)
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	c.log.once(err.Error()+subject, slog.LevelWarn, "nats reports an error", "subject", subject, "user", c.user, "err", err)
}

// Subscribe hands over what is published on a subject from now on, one message
// after the other, until cancel is called. It rests on core NATS: what is
// published while the connection is down is missed. It survives reconnects.
// handle must not keep body.
func (c *Conn) Subscribe(subject string, handle func(subject string, body []byte)) (cancel func(), err error) {
	sub, err := c.nc.Subscribe(subject, func(m *nats.Msg) { handle(m.Subject, m.Data) })
	if err != nil {
		return nil, fmt.Errorf("bus: subscribe to %s: %w", subject, err)
	}
	return func() {
		_ = sub.Unsubscribe() // it fails only when the connection is closed, which has ended it
	}, nil
}
