package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"tinytwamp/shared/events"
)

const (
	maxBatch      = 1024     // deliveries that Next returns at most
	maxBatchBytes = 2 << 20  // octets of these, but for the last
	maxQueueBytes = 16 << 20 // of deliveries that wait for Next
	pullMessages  = 256      // of any size: with a limit in octets nats.go 1.55 drops messages when it is full (the server then ends each pull with a status, for which its channel has no room)
	closeTimeout  = 3 * time.Second
	pullExpiry    = 10 * time.Second
	pullHeartbeat = 2 * time.Second // two missing ones renew a pull that a server has forgotten
)

// Consumer takes messages from the stream in the name of a durable. One
// goroutine calls Next; deliveries may be acknowledged from any.
type Consumer struct {
	conn     *Conn
	consumer jetstream.Consumer
	stream   jetstream.Stream
	messages jetstream.MessagesContext
	claim    *claim
	created  time.Time // when the durable was made
	missed   missed

	deliveries chan Delivery
	room       *semaphore.Weighted // octets of deliveries
	ctx        context.Context     // ends with Close
	cancel     context.CancelFunc
	workers    sync.WaitGroup
	once       sync.Once
	err        error // why deliveries was closed
	lost       chan struct{}
	lostErr    error // why lost was closed
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

// Nak asks for the message again after a delay; 0: at once.
func (d Delivery) Nak(delay time.Duration) error {
	if delay == 0 {
		return answered(d.msg.Nak())
	}
	return answered(d.msg.NakWithDelay(delay))
}

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

	Unacknowledged int // messages that were handed out, and are not dealt with yet

	StreamBytes uint64 // that the stream takes up
	Removed     uint64 // messages that the stream has had and has no more, by age, size or a person
	Missed      uint64 // of these, on any subject, that went before they could be handed out, since the consumer was opened
}

// Consumer opens a durable consumer that [Conn.Init] made; [ErrMissing]: it, or
// the stream, is not there; [ErrTaken]: another process has it. It waits for the
// server until ctx ends.
func (c *Conn) Consumer(ctx context.Context, durable string) (*Consumer, error) {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return nil, fmt.Errorf("bus: consumer %s: %w", durable, err)
	}
	k := &Consumer{conn: c, deliveries: make(chan Delivery, maxBatch), room: semaphore.NewWeighted(maxQueueBytes), lost: make(chan struct{})}
	err = c.ask(ctx, func(ctx context.Context) error {
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
	info := k.consumer.CachedInfo()
	k.created = info.Created
	k.missed.look(k.stream.CachedInfo().State.FirstSeq, info.Delivered.Stream) // before the first is handed out
	if k.claim, err = c.takeClaim(ctx, durable); err != nil {
		return nil, err
	}
	k.messages, err = k.consumer.Messages(
		jetstream.PullMaxMessages(pullMessages),
		jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(false), // it pulls again by itself
	)
	if err != nil {
		k.claim.release()
		return nil, fmt.Errorf("bus: consumer %s: %w", durable, err)
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.workers.Go(k.pump)
	k.workers.Go(k.guard)
	return k, nil
}

// pump moves messages into a channel, so that Next can take what is there
// without waiting for more. Once the consumer is closed it gives them back.
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
		if k.room.Acquire(k.ctx, d.weight()) != nil {
			_ = d.Nak(0) // if it is lost the message comes again later
			continue
		}
		select {
		case k.deliveries <- d:
		case <-k.ctx.Done():
			_ = d.Nak(0)
		}
	}
}

// weight is what a delivery takes of the room.
func (d Delivery) weight() int64 { return int64(min(len(d.Body), maxQueueBytes)) }

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
// at least 1, at most 1,024. An outage of the server makes it wait. It ends with
// ctx, and fails when the consumer was deleted, made anew or closed, or is
// [ErrTaken].
func (k *Consumer) Next(ctx context.Context) ([]Delivery, error) {
	var batch []Delivery
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-k.lost:
		return nil, k.lostErr
	case d, ok := <-k.deliveries:
		if !ok {
			return nil, fmt.Errorf("bus: next message: %w", k.err)
		}
		batch = append(batch, d)
	}
	size := batch[0].weight()
	defer func() { k.room.Release(size) }()
	for len(batch) < maxBatch && size < maxBatchBytes {
		select {
		case d, ok := <-k.deliveries:
			if !ok {
				return batch, nil
			}
			batch = append(batch, d)
			size += d.weight()
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// State asks the server where the consumer stands.
func (k *Consumer) State(ctx context.Context) (ConsumerState, error) {
	stream, err := k.stream.Info(ctx) // first: what is handed out and goes meanwhile is not missed
	if err != nil {
		return ConsumerState{}, fmt.Errorf("bus: consumer's state: its stream: %w", err)
	}
	info, err := k.consumer.Info(ctx)
	if err != nil {
		return ConsumerState{}, fmt.Errorf("bus: consumer's state: %w", err)
	}
	return ConsumerState{
		StreamCreated: stream.Created,
		AckFloor:      info.AckFloor.Stream,
		Pending:       info.NumPending,

		Unacknowledged: info.NumAckPending,

		StreamBytes: stream.State.Bytes,
		Removed:     stream.State.FirstSeq - min(stream.State.FirstSeq, 1),
		Missed:      k.missed.look(stream.State.FirstSeq, info.Delivered.Stream),
	}, nil
}

// missed counts the messages that a stream removed before it handed them out.
type missed struct {
	mu   sync.Mutex
	upTo uint64 // the last of those that are counted
	n    uint64
}

// look takes the first sequence that the stream has and the last that it has
// handed out, and returns the count.
func (m *missed) look(first, delivered uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if had := max(delivered, m.upTo); first > had+1 {
		m.n += first - 1 - had
		m.upTo = first - 1
	}
	return m.n
}

// Close ends the consumer's work here; the durable stays. What was handed out
// and not taken by Next is given back at once: whoever comes next need not wait
// until the server misses it.
func (k *Consumer) Close() {
	k.once.Do(func() {
		k.cancel()
		connected := k.conn.Connected()
		if connected {
			k.messages.Drain()
		} else {
			k.messages.Stop()
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for d := range k.deliveries {
				_ = d.Nak(0)
			}
			k.workers.Wait()
		}()
		select {
		case <-done:
		case <-time.After(closeTimeout): // the connection broke in the meantime; its end ends the rest
		}
		k.claim.release()
		if connected {
			_ = k.conn.nc.FlushTimeout(closeTimeout) // else they come again later
		}
	})
}
