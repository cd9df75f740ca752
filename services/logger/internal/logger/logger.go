// Package logger takes the events of the whole fleet from the stream, keeps
// them in the journal, and writes the readable log.
//
// A message is acknowledged when its event is on disk and synced, and not
// before. What cannot be kept as an event is poison: it goes to the dead
// letters, and is given up when the stream has it there.
package logger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/services/logger/internal/tail"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
	"tinytwamp/shared/service"
)

// Names of the health checks.
const (
	CheckBus     = "bus"
	CheckJournal = "journal"
)

// Reading takes the CPUs, writing waits for the disk: so batches are read while
// the one before is written, and what has come together by then is written as
// one. The server hands out 4,096 messages that are not acknowledged, no more.
const (
	checkedAhead = 16   // batches that are read and wait for the disk, of 2 MiB each
	maxTogether  = 3072 // messages that are written as one, but for the last batch
)

const (
	openTimeout    = 5 * time.Second // for the consumer, until a failure is spoken of
	reopenInterval = 2 * time.Second // between two tries
	healthInterval = time.Second     // of the bus check
	stateInterval  = 5 * time.Second // between two looks at where the consumer stands
	houseInterval  = 5 * time.Second // between two looks for files that are due to be compressed or removed
)

var errDisconnected = errors.New("no connection to NATS")

// store is the journal, as far as it is used.
type store interface {
	Resume(floor uint64, created time.Time) error
	Append(batch []journal.Entry) (stored []bool, err error)
	Acknowledged(floor uint64)
	Compress(ctx context.Context) error
	Retain() error
	Stats() journal.Stats
	OnSync(f func(took time.Duration))
}

// Options are what a [Logger] works with. It owns none of it.
type Options struct {
	Consumer  string                          // name of the durable
	Prepare   func(ctx context.Context) error // makes stream and consumer, or checks them, before they are used; nil: others do
	Bus       *bus.Client                     // its publisher carries dead letters only
	Journal   store
	Readable  *service.Readable
	Health    *service.Health
	Metrics   prometheus.Registerer
	Paths     *paths.Metrics // takes each report once; nil: there are none
	Tail      *tail.Tail     // takes each line of the readable log; nil: there is none
	RetryWait time.Duration  // before a failed write is tried again: doubles up to a minute
}

// Logger is the service itself. Its Run is called once.
type Logger struct {
	Options
	log     *slog.Logger
	metrics *metrics

	consumerErr atomic.Pointer[error] // why there is no consumer; nil: there is one

	// owned by the goroutine that keeps
	waiting map[message]uint64   // see bury
	lines   chan<- []events.Line // to be printed
}

// New returns a logger that is not ready yet.
func New(o Options, log *slog.Logger) *Logger {
	return &Logger{
		Options: o,
		log:     log,
		metrics: newMetrics(o),
		waiting: make(map[message]uint64),
	}
}

// Run consumes until ctx ends, with the batch under way written and
// acknowledged. It fails only when the stream is not as it was asked for,
// [bus.ErrDiffers]: what else goes wrong shows in the log and in the health,
// and is tried again.
func (l *Logger) Run(ctx context.Context) error {
	l.Health.Set(CheckJournal, nil) // it was opened
	return service.Run(ctx,
		service.Task{Name: "consumer", Run: l.consume},
		service.Task{Name: "health", Run: l.watchBus},
		service.Task{Name: "files", Run: l.keepHouse},
	)
}

// consume opens the consumer again whenever it is gone.
func (l *Logger) consume(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		err := l.consumeOnce(ctx, func() { said = "" })
		if ctx.Err() != nil || errors.Is(err, bus.ErrDiffers) {
			return err
		}
		l.setConsumer(err)
		if err.Error() != said {
			l.log.Error("cannot take events from the stream, trying again", "err", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopenInterval):
		}
	}
	return nil
}

// consumeOnce opens the consumer, which it tells opened, and takes batches from
// it until that fails.
func (l *Logger) consumeOnce(ctx context.Context, opened func()) error {
	consumer, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer consumer.Close()
	opened()
	l.setConsumer(nil)
	l.log.Info("taking events from the stream", "stream", events.StreamName, "consumer", l.Consumer)

	stateCtx, stop := context.WithCancel(ctx)
	ahead := make(chan []checked, checkedAhead)
	lines := make(chan []events.Line, 1)
	l.lines = lines
	var workers sync.WaitGroup
	workers.Go(func() { l.watchState(stateCtx, consumer) })
	workers.Go(func() { l.print(lines) })
	workers.Go(func() {
		defer close(lines)
		for batch := range ahead {
			l.handle(ctx, together(batch, ahead))
		}
	})
	defer workers.Wait() // before the consumer is closed: what is under way is acknowledged
	defer close(ahead)
	defer stop()
	for {
		batch, err := consumer.Next(ctx)
		if err != nil {
			return err
		}
		ahead <- l.checkAll(batch)
	}
}

// print writes the readable log, while the next batch is written to the disk.
func (l *Logger) print(batches <-chan []events.Line) {
	for lines := range batches {
		for _, line := range lines {
			l.Readable.Line(line.Time, line.Kind, line.Text)
		}
	}
}

// together joins a batch with those that wait already.
func together(batch []checked, ahead <-chan []checked) []checked {
	for len(batch) < maxTogether {
		select {
		case more, ok := <-ahead:
			if !ok {
				return batch
			}
			batch = append(batch, more...)
		default:
			return batch
		}
	}
	return batch
}

// open opens the consumer, and has the journal know what may come again.
func (l *Logger) open(ctx context.Context) (*bus.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if l.Prepare != nil {
		if err := l.Prepare(ctx); err != nil {
			return nil, err
		}
	}
	consumer, err := l.Bus.Consumer(ctx, l.Consumer)
	if err != nil {
		return nil, err
	}
	state, err := consumer.State(ctx)
	if err == nil {
		err = l.Journal.Resume(state.AckFloor, state.StreamCreated)
	}
	if err != nil {
		consumer.Close()
		return nil, err
	}
	return consumer, nil
}

func (l *Logger) setConsumer(err error) {
	if err == nil {
		l.consumerErr.Store(nil)
	} else {
		l.consumerErr.Store(&err)
	}
	l.checkBus()
}

func (l *Logger) checkBus() {
	err := l.consumerErr.Load()
	switch {
	case !l.Bus.Connected():
		l.Health.Set(CheckBus, errDisconnected)
	case err != nil:
		l.Health.Set(CheckBus, *err)
	default:
		l.Health.Set(CheckBus, nil)
	}
}

// watchBus keeps the bus check up to date: a lost connection does not show in a
// consumer, which waits for it to come back.
func (l *Logger) watchBus(ctx context.Context) error {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.checkBus()
		}
	}
}

// watchState looks where the consumer stands: how far behind, and what the
// journal may remove. It shows, too, when JetStream does not answer on a
// connection that is sound, for which the consumer waits in silence.
func (l *Logger) watchState(ctx context.Context, consumer *bus.Consumer) {
	ticker := time.NewTicker(stateInterval)
	defer ticker.Stop()
	var missed uint64 // that were told of
	for {
		state, err := consumer.State(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			l.metrics.lag.Set(float64(state.Pending))
			l.metrics.unacknowledged.Set(float64(state.Unacknowledged))
			l.metrics.streamBytes.Set(float64(state.StreamBytes))
			l.metrics.streamRemoved.Set(float64(state.Removed))
			if state.Missed > missed {
				l.metrics.missed.Add(float64(state.Missed - missed))
				l.log.Error("the stream has discarded messages that were never read: it was full, or they were too old; raise its bounds, or find out what kept the logger",
					"messages", state.Missed-missed, "stream", events.StreamName)
				missed = state.Missed
			}
			l.Journal.Acknowledged(state.AckFloor)
			l.setConsumer(nil)
		case l.Bus.Connected(): // else the bus check says it
			l.setConsumer(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// keepHouse compresses files and removes those that are too old.
func (l *Logger) keepHouse(ctx context.Context) error {
	ticker := time.NewTicker(houseInterval)
	defer ticker.Stop()
	said := ""
	for {
		err := errors.Join(l.Journal.Retain(), l.Journal.Compress(ctx))
		switch {
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			l.log.Warn("cannot compress or remove old files of events, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
