package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// guard gives the consumer up when somebody else turns out to have it, or when
// it is not there any more, for which nats.go would wait in vain.
func (k *Consumer) guard() {
	ticker := time.NewTicker(claimInterval)
	defer ticker.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-ticker.C:
		}
		err := k.claim.check(k.ctx, claimTimeout)
		if err == nil {
			err = k.check(k.ctx)
		}
		if errors.Is(err, ErrTaken) || errors.Is(err, ErrMissing) {
			k.lostErr = err
			close(k.lost)
			return
		}
	}
}

// check fails with [ErrMissing] if the durable is gone, also if another one of
// its name is there, as when a server lost its store.
func (k *Consumer) check(ctx context.Context) error {
	info, err := k.consumer.Info(ctx)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%w: the consumer has gone: %w", ErrMissing, err)
	case err == nil && !info.Created.Equal(k.created):
		return fmt.Errorf("%w: the consumer was made anew at %s", ErrMissing, info.Created.Format(time.RFC3339))
	}
	return err
}
