package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// A durable has one consumer at a time. JetStream would deal its messages out
// among all who ask, and no one's files would be whole. So whoever consumes
// answers to those who ask who does, and does not begin, or ends, when somebody
// answers who was there first. It lasts exactly as long as the connection: a
// process that was killed is not waited for.
//
// It takes core NATS, and permission to publish and to subscribe on
// twamp.consumer.<durable>.>; answers are on a subject of their own since others'
// inboxes are closed to us.
const (
	claimPrefix   = "twamp.consumer."
	claimAsk      = ".ask"
	claimAnswer   = ".answer"
	claimTimeout  = 2 * time.Second       // for an answer, when somebody is there
	claimTogether = 25 * time.Millisecond // for the answer of somebody who begins in the same moment
	claimInterval = 5 * time.Second       // between two looks: two who were apart, as in a cluster, find each other
)

// ErrTaken is returned for a durable that another process consumes.
var ErrTaken = errors.New("bus: another process has this consumer")

// claimant is who claims a durable, as it is told to others.
type claimant struct {
	ID    string    `json:"id"` // unique
	Since time.Time `json:"since"`
	Holds bool      `json:"holds"` // it consumes already
	Name  string    `json:"name"`  // of the instance
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
}

// before tells who is to consume: who does so already, else who came first.
func (c claimant) before(other claimant) bool {
	if c.Holds != other.Holds {
		return c.Holds
	}
	if !c.Since.Equal(other.Since) {
		return c.Since.Before(other.Since)
	}
	return c.ID < other.ID
}

func (c claimant) taken() error {
	return fmt.Errorf("%w: instance %q, process %d on host %q, since %s: end that one, or give this one a consumer of its own (-consumer; with -filter they share the work)",
		ErrTaken, c.Name, c.PID, c.Host, c.Since.Format(time.RFC3339))
}

// claim is a durable that is claimed.
type claim struct {
	nc      *nats.Conn
	subject string
	sub     *nats.Subscription

	mu  sync.Mutex
	own claimant
}

// takeClaim claims a durable, or fails with [ErrTaken]. Nobody else begins until
// it is released.
func (c *Conn) takeClaim(ctx context.Context, durable string) (*claim, error) {
	host, _ := os.Hostname() // it only helps to find the process
	k := &claim{nc: c.nc, subject: claimPrefix + durable, own: claimant{
		ID: nats.NewInbox(), Since: time.Now().UTC(), Name: c.nc.Opts.Name, Host: host, PID: os.Getpid(),
	}}
	if err := k.check(ctx, claimTimeout); err != nil {
		return nil, err
	}
	var err error
	if k.sub, err = c.nc.Subscribe(k.subject+claimAsk, k.answer); err != nil {
		return nil, fmt.Errorf("bus: claim: %w", err)
	}
	if err := k.check(ctx, claimTogether); err != nil {
		k.release()
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.own.Holds = true
	return k, nil
}

func (k *claim) release() {
	_ = k.sub.Unsubscribe() // it fails only on a closed connection, which has ended it
}

func (k *claim) claimant() claimant {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.own
}

// answer tells somebody who asks. A lost answer is asked for again.
func (k *claim) answer(*nats.Msg) {
	if b, err := json.Marshal(k.claimant()); err == nil {
		_ = k.nc.Publish(k.subject+claimAnswer, b)
	}
}

// check fails with [ErrTaken] if somebody answers who is to consume. It waits
// for answers for at most timeout: where nobody listens, not at all.
func (k *claim) check(ctx context.Context, timeout time.Duration) error {
	answers := make(chan *nats.Msg, 16)
	inbox := k.nc.NewInbox() // the server says there that nobody listens
	for _, subject := range []string{inbox, k.subject + claimAnswer} {
		sub, err := k.nc.ChanSubscribe(subject, answers)
		if err != nil {
			return fmt.Errorf("bus: claim: %w", err)
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	if err := k.nc.PublishRequest(k.subject+claimAsk, inbox, nil); err != nil {
		return fmt.Errorf("bus: claim: %w", err)
	}
	end := time.After(timeout)
	for own := k.claimant(); ; {
		select {
		case m := <-answers:
			if m.Subject == inbox {
				return nil
			}
			var other claimant
			if json.Unmarshal(m.Data, &other) == nil && other.ID != own.ID && other.before(own) {
				return other.taken()
			}
		case <-end: // nobody is there, or nobody else
			return nil
		case <-ctx.Done():
			return fmt.Errorf("bus: claim: %w", ctx.Err())
		}
	}
}
