package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/events"
)

const (
	maxBatch      = 512 // deliveries that Next returns at most
	pullMessages  = 1024
	pullExpiry    = 10 * time.Second
	pullHeartbeat = 2 * time.Second // two missing ones renew a pull that a server has forgotten
)

// Consumer takes messages from the stream in the name of a durable. One
// goroutine calls Next; deliveries may be acknowledged from any.
type Consumer struct {
	consumer jetstream.Consumer
	stream   jetstream.Stream
	messages jetstream.MessagesContext

	deliveries chan Delivery
	stop       chan struct{}
	once       sync.Once
	err        error // why deliveries was closed
}

// Delivery is one message of the stream. It is handed out again until it is
// acknowledged or terminated, 30 s after the time before or when its connection
// is lost.
type Delivery struct {
	Subject   string
	ID        string // of the event, as its publisher gave it to the stream
	Body      []byte
	StreamSeq uint64
	Time      time.Time // when the stream stored it
	Attempt   int       // of its publisher: 1 is the first
	Delivered uint64    // how often it was handed out: 1 is the first

	msg jetstream.Msg
}

// Ack says that the message is dealt with. Like Nak and Term it does not wait:
// if it is lost on the way the message comes again.
func (d Delivery) Ack() error { return answered(d.msg.Ack()) }

// Nak asks for the message again after a delay.
func (d Delivery) Nak(delay time.Duration) error { return answered(d.msg.NakWithDelay(delay)) }

// Term says that the message will never be dealt with.
func (d Delivery) Term(reason string) error { return answered(d.msg.TermWithReason(reason)) }

func answered(err error) error {
	if err != nil {
		return fmt.Errorf("bus: acknowledge: %w", err)
	}
	return nil
}

// ConsumerState is where a consumer stands.
type ConsumerState struct {
	StreamCreated time.Time // tells a stream from another one of the same name
	AckFloor      uint64    // all messages of the stream up to this sequence are dealt with
	Pending       uint64    // messages that were never handed out
}

// Consumer opens a durable consumer that [Conn.Init] made; [ErrMissing]: it, or
// the stream, is not there. It waits for the server until ctx ends.
func (c *Conn) Consumer(ctx context.Context, durable string) (*Consumer, error) {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return nil, fmt.Errorf("bus: consumer %s: %w", durable, err)
	}
	k := &Consumer{deliveries: make(chan Delivery, maxBatch), stop: make(chan struct{})}
	err = c.ask(ctx, func() error {
		if k.stream, err = js.Stream(ctx, events.StreamName); err != nil {
			return err
		}
		k.consumer, err = k.stream.Consumer(ctx, durable)
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("%w: consumer %s of stream %s: run logger -init: %w", ErrMissing, durable, events.StreamName, err)
	}
	if err != nil {
		return nil, fmt.Errorf("bus: consumer %s: %w", durable, err)
	}
	k.messages, err = k.consumer.Messages(
		jetstream.PullMaxMessages(pullMessages),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(false), // it pulls again by itself
	)
	if err != nil {
		return nil, fmt.Errorf("bus: consumer %s: %w", durable, err)
	}
	go k.pump()
	return k, nil
}

// pump moves messages into a channel, so that Next can take what is there
// without waiting for more.
func (k *Consumer) pump() {
	defer close(k.deliveries)
	for {
		msg, err := k.messages.Next()
		if err != nil {
			k.err = err
			return
		}
		d, err := delivery(msg)
		if err != nil {
			k.err = err
			return
		}
		select {
		case k.deliveries <- d:
		case <-k.stop:
			k.err = ErrClosed
			return
		}
	}
}

func delivery(msg jetstream.Msg) (Delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Delivery{}, err
	}
	attempt, err := strconv.Atoi(msg.Headers().Get(HeaderAttempt))
	if err != nil || attempt < 1 {
		attempt = 1
	}
	return Delivery{
		Subject:   msg.Subject(),
		ID:        msg.Headers().Get(jetstream.MsgIDHeader),
		Body:      msg.Data(),
		StreamSeq: meta.Sequence.Stream,
		Time:      meta.Timestamp,
		Attempt:   attempt,
		Delivered: meta.NumDelivered,
		msg:       msg,
	}, nil
}

// Next waits for a message, and returns it with those that are there already:
// at least 1, at most 512. An outage of the server makes it wait. It ends with
// ctx, and fails when the consumer was deleted or closed.
func (k *Consumer) Next(ctx context.Context) ([]Delivery, error) {
	var batch []Delivery
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case d, ok := <-k.deliveries:
		if !ok {
			return nil, fmt.Errorf("bus: next message: %w", k.err)
		}
		batch = append(batch, d)
	}
	for len(batch) < maxBatch {
		select {
		case d, ok := <-k.deliveries:
			if !ok {
				return batch, nil
			}
			batch = append(batch, d)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// State asks the server where the consumer stands.
func (k *Consumer) State(ctx context.Context) (ConsumerState, error) {
	info, err := k.consumer.Info(ctx)
	if err != nil {
		return ConsumerState{}, fmt.Errorf("bus: consumer's state: %w", err)
	}
	return ConsumerState{
		StreamCreated: k.stream.CachedInfo().Created,
		AckFloor:      info.AckFloor.Stream,
		Pending:       info.NumPending,
	}, nil
}

// Close ends the consumer's work here; the durable stays.
func (k *Consumer) Close() {
	k.once.Do(func() {
		close(k.stop)
		k.messages.Stop()
	})
	for range k.deliveries { // until pump has ended
	}
}
