package bus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/events"
)

const (
	window     = 256             // messages published and not acknowledged
	ackTimeout = 5 * time.Second // after which a message is published again
	minBackoff = 250 * time.Millisecond
	maxBackoff = 5 * time.Second

	// dropNotice is how often a full outbox is spoken of.
	dropNotice = 10 * time.Second
)

// Publisher publishes events on the stream out of an outbox, and keeps each
// until the stream has acknowledged it. It is safe for concurrent use.
type Publisher struct {
	conn *Conn
	js   jetstream.JetStream
	log  *notices
	box  *outbox

	wake  chan struct{} // there may be something to do
	hurry chan struct{} // somebody waits for the outbox to empty
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once

	acknowledged, retried, undeliverable atomic.Uint64

	mu       sync.Mutex // held for an append; nats.go calls us under its own lock
	outcomes []outcome

	// owned by run
	flying   map[*nats.Msg]*entry
	retries  []retry
	width    int       // of the window now: 1 while the stream is not there
	failures int       // in a row, of all publishing
	pause    time.Time // until when nothing is published
	warned   uint64    // dropped events that were spoken of
	warnedAt time.Time
}

// outcome is what became of one try: a nil error is an acknowledgement.
type outcome struct {
	msg *nats.Msg
	err error
}

// retry is an entry that waits for its next try.
type retry struct {
	entry *entry
	due   time.Time
}

// PublisherStats are the figures of a [Publisher]. Published events are in
// exactly one of Pending, Acknowledged, Dropped and Undeliverable.
type PublisherStats struct {
	Pending       int    // events not acknowledged
	PendingBytes  int64  // octets that they take
	Acknowledged  uint64 // stored by the stream
	Dropped       uint64 // made room for newer ones; the stream may have some of them all the same
	Undeliverable uint64 // larger than the server or the stream ever takes
	Retried       uint64 // tries beyond the first
}

// NewPublisher returns a publisher on a connection, with its outbox in memory,
// bounded by OUTBOX_SIZE. Close it before the connection.
func NewPublisher(c *Conn, s Settings, log *slog.Logger) (*Publisher, error) {
	return newPublisher(c, s, log, ackTimeout)
}

func newPublisher(c *Conn, s Settings, log *slog.Logger, ackTimeout time.Duration) (*Publisher, error) {
	p := &Publisher{
		conn:   c,
		log:    newNotices(log),
		box:    &outbox{limit: int64(s.OutboxSize)},
		wake:   make(chan struct{}, 1),
		hurry:  make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		flying: make(map[*nats.Msg]*entry, window),
		width:  window,
	}
	js, err := jetstream.New(c.nc,
		jetstream.WithPublishAsyncMaxPending(2*window), // never reached: it would block
		jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { p.report(m, nil) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { p.report(m, err) }),
	)
	if err != nil {
		return nil, fmt.Errorf("bus: publisher: %w", err)
	}
	p.js = js
	go p.run()
	return p, nil
}

// Publish hands an event over. It never blocks and never fails: it takes one
// lock that is held for a few pointers and never over I/O, and makes three
// small allocations; the body is kept, not copied. When the outbox is full the
// oldest events make room, which [PublisherStats] counts.
func (p *Publisher) Publish(e events.Encoded) {
	p.box.add(e)
	signal(p.wake)
}

// Drain returns once every event is acknowledged, or when ctx ends, with the
// number of those that are not. Events that wait for another try are tried at
// once. The publisher goes on working.
func (p *Publisher) Drain(ctx context.Context) (left int) {
	signal(p.hurry)
	select {
	case <-p.box.whenEmpty():
		return 0
	case <-ctx.Done():
	case <-p.done:
	}
	left, _, _ = p.box.stats()
	return left
}

// Stats returns the figures at this moment.
func (p *Publisher) Stats() PublisherStats {
	pending, bytes, dropped := p.box.stats()
	return PublisherStats{
		Pending:       pending,
		PendingBytes:  bytes,
		Acknowledged:  p.acknowledged.Load(),
		Dropped:       dropped,
		Undeliverable: p.undeliverable.Load(),
		Retried:       p.retried.Load(),
	}
}

// Close ends publishing at once. What is not acknowledged stays where it is:
// Drain first.
func (p *Publisher) Close() {
	p.once.Do(func() { close(p.stop) })
	<-p.done
}

// report takes down what became of a try. nats.go calls it, in part with a lock
// of its own held.
func (p *Publisher) report(m *nats.Msg, err error) {
	p.mu.Lock()
	p.outcomes = append(p.outcomes, outcome{m, err})
	p.mu.Unlock()
	signal(p.wake)
}

// signal wakes the reader of a channel of one place.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake
	}
}
