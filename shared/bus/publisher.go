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

	// dropNotice is how often events that are lost are spoken of.
	dropNotice = 10 * time.Second
	// rescueInterval is how often a disk that could not be written is tried again.
	rescueInterval = time.Second
)

// Publisher publishes events on the stream out of an outbox, and keeps each
// until the stream has acknowledged it. It is safe for concurrent use.
type Publisher struct {
	conn    *Conn
	js      jetstream.JetStream
	log     *notices
	box     *outbox
	dir     string  // of the outbox; empty: in memory
	account account // nil: events that are lost only show in the log and the figures

	wake  chan struct{} // there may be something to do
	hurry chan struct{} // somebody waits for the outbox to empty
	stop  chan struct{}
	done  chan struct{}
	once  sync.Once

	kept, lost int // what was left when the publisher was closed

	retried atomic.Uint64

	mu       sync.Mutex // held for an append; nats.go calls us under its own lock
	outcomes []outcome
	told     drops // that an event has told of
	toldAt   time.Time

	// owned by run
	flying   map[*nats.Msg]*entry
	retries  []retry
	due      time.Time // of the first of retries, or before
	shunned  uint64    // refusals that were acted on
	width    int       // of the window now: 1 while the stream is not there
	failures int       // in a row, of all publishing
	pause    time.Time // until when nothing is published
	warned   drops     // that the log has told of
	warnedAt time.Time
	errors   uint64    // of the disk, that the log has told of
	rescued  time.Time // when the disk was tried last
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

// account makes an event that tells of lost ones.
type account func(drops) (events.Encoded, error)

// PublisherStats are the figures of a [Publisher]. Published events are in
// exactly one of Pending, Acknowledged, Dropped, Undeliverable and Corrupt.
type PublisherStats struct {
	Pending       int       // events not acknowledged
	PendingBytes  int64     // octets that they take
	Oldest        time.Time // when the oldest of them was accepted; zero: there is none
	Acknowledged  uint64    // stored by the stream
	Dropped       uint64    // made room for newer ones; the stream may have some of them all the same, of which no acknowledgement came
	Undeliverable uint64    // larger than the server, the stream or the outbox ever takes
	Corrupt       uint64    // could not be read from disk again; an event of unknown size counts once with its neighbours
	Retried       uint64    // tries beyond the first that this process knows of
	DiskErrors    uint64    // failed writes to the outbox
	DiskError     error     // why new events do not go to the outbox on disk but to memory; nil: they do
}

// Lost is how many events nobody will deliver.
func (s PublisherStats) Lost() uint64 { return s.Dropped + s.Undeliverable + s.Corrupt }

// NewPublisher returns a publisher on a connection, with its outbox in the
// folder OUTBOX or in memory, bounded by OUTBOX_SIZE. It begins with what an
// earlier process left in the folder. Close it before the connection.
func NewPublisher(c *Conn, s Settings, log *slog.Logger) (*Publisher, error) {
	return newPublisher(c, s, log, ackTimeout, nil)
}

func newPublisher(c *Conn, s Settings, log *slog.Logger, ackTimeout time.Duration, account account) (*Publisher, error) {
	box, err := openOutbox(s.Outbox, int64(s.OutboxSize), log)
	if err != nil {
		return nil, fmt.Errorf("bus: outbox: %w", err)
	}
	p := &Publisher{
		conn: c, account: account,
		log:    newNotices(log),
		box:    box,
		dir:    s.Outbox,
		wake:   make(chan struct{}, 1),
		hurry:  make(chan struct{}, 1),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		flying: make(map[*nats.Msg]*entry, window),
		width:  window,
	}
	js, err := jetstream.New(c.nc,
		jetstream.WithPublishAsyncMaxPending(4*window), // never reached: it would block
		jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { p.report(m, nil) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { p.report(m, err) }),
	)
	if err != nil {
		box.close()
		return nil, fmt.Errorf("bus: publisher: %w", err)
	}
	p.js = js
	go p.run()
	return p, nil
}

// Publish hands an event over. It never waits for the network and never fails.
// With an outbox on disk the event is accepted when Publish returns: it is
// written, and outlives the process. That is one write(2), under a lock that is
// held over the writing or reading of one record; so call it beside the path of
// packets, not on it. In memory the lock is held for a few pointers, and the body
// is kept, not copied. When the outbox is full the oldest events make room, which
// [PublisherStats] counts.
func (p *Publisher) Publish(e events.Encoded) {
	p.box.add(e)
	signal(p.wake)
}

// Drain returns once every event is acknowledged, or when ctx ends, with the
// number of those that are not. Events that wait for another try are tried at
// once. The publisher goes on working.
func (p *Publisher) Drain(ctx context.Context) (left int) {
	p.tellLost(true)
	signal(p.hurry)
	select {
	case <-p.box.whenEmpty():
		return 0
	case <-ctx.Done():
	case <-p.done:
	}
	return p.box.state().pending
}

// Stats returns the figures at this moment.
func (p *Publisher) Stats() PublisherStats {
	s := p.box.state()
	return PublisherStats{
		Pending:       s.pending,
		PendingBytes:  s.bytes,
		Oldest:        s.oldest,
		Acknowledged:  s.acknowledged,
		Dropped:       s.drops.full,
		Undeliverable: s.drops.tooLarge,
		Corrupt:       s.drops.corrupt,
		Retried:       p.retried.Load(),
		DiskErrors:    s.errors,
		DiskError:     s.fault,
	}
}

// Close ends publishing at once. What is not acknowledged stays on disk, or is
// lost with the memory: Drain first.
func (p *Publisher) Close() {
	p.once.Do(func() {
		close(p.stop)
		<-p.done
		p.kept, p.lost = p.box.close()
	})
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
