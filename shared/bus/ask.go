package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	apiRetry   = 250 * time.Millisecond
	apiTimeout = 5 * time.Second // for an answer; a cluster that has no leader yet gives none
)

// ask calls f, and calls it again while there is no connection or JetStream
// does not answer, as in the first moments of a server, until ctx ends.
func (c *Conn) ask(ctx context.Context, f func(ctx context.Context) error) error {
	try := func() error {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		return f(ctx)
	}
	for {
		if err := c.wait(ctx); err != nil {
			return err
		}
		err := try()
		if !unanswered(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from JetStream (is it enabled, and is this user allowed to ask?): %w", err)
		case <-time.After(apiRetry):
		}
	}
}

// unanswered tells whether err means that nobody answered.
func unanswered(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrReconnectBufExceeded,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
