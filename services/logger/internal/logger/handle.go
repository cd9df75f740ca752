package logger

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/services/logger/internal/tail"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
)

const (
	maxRetryWait = time.Minute
	buryTimeout  = 3 * time.Second  // for the stream to take a dead letter
	poisonPause  = 30 * time.Second // before poison that could not be buried comes again
	maxBody      = 64 << 10         // octets of poison that a dead letter holds
)

var errDeadLetter = errors.New("the stream has not taken the dead letter")

// checked is a message that was read: an event, or poison.
type checked struct {
	bus.Delivery
	id     string // of the event
	lines  []events.Line
	seen   []tail.Line   // the same for the page; nil: there is none
	report *paths.Report // nil: none
	poison *poison
}

// handle deals with a batch. Events come first: poison may have to wait.
func (l *Logger) handle(ctx context.Context, batch []checked) {
	var good, bad []checked
	for _, c := range batch {
		if c.poison == nil {
			good = append(good, c)
		} else {
			bad = append(bad, c)
		}
	}
	l.keep(ctx, good)
	l.buryAll(ctx, bad)
}

// checkAll checks a batch on all CPUs: reading JSON is most of the work.
func (l *Logger) checkAll(batch []bus.Delivery) []checked {
	all := make([]checked, len(batch))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(batch)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batch)); i = next.Add(1) - 1 {
				all[i] = l.check(batch[i])
			}
		})
	}
	workers.Wait()
	return all
}

// keep writes events to the journal, acknowledges them, and has them printed.
// While the journal cannot be written, for want of space for instance, it tries
// again until ctx ends; the stream keeps what is not acknowledged.
func (l *Logger) keep(ctx context.Context, good []checked) {
	if len(good) == 0 {
		return
	}
	entries := make([]journal.Entry, len(good))
	for i, a := range good {
		entries[i] = journal.Entry{
			ID:      a.id,
			Retried: a.Attempt > 1,
			Record:  journal.Record{Seq: a.StreamSeq, Time: a.Time, Subject: a.Subject, Event: a.Body},
		}
	}
	stored, ok := l.write(ctx, entries)
	if !ok { // whoever comes next need not wait until the server misses them
		for _, a := range good {
			l.acknowledge(a.Nak(0))
		}
		return
	}
	l.metrics.batches.Inc()
	for _, a := range good { // first: the server hands out no more than so many
		l.acknowledge(a.Ack())
	}
	var lines []events.Line
	for i, a := range good {
		if !stored[i] {
			l.metrics.duplicates.WithLabelValues(duplicateReason(a.Delivery)).Inc()
			continue
		}
		l.metrics.records.Inc()
		l.metrics.bytes.Add(float64(len(a.Body)))
		l.Paths.Add(a.report)
		lines = append(lines, a.lines...)
		l.Tail.Add(a.seen)
	}
	l.lines <- lines
}

// write appends to the journal, however often it takes. It is false when ctx
// ended before that.
func (l *Logger) write(ctx context.Context, entries []journal.Entry) (stored []bool, ok bool) {
	wait, failed := l.RetryWait, false
	for {
		stored, err := l.Journal.Append(entries)
		l.metrics.diskState(err)
		if err == nil {
			if failed {
				l.Health.Set(CheckJournal, nil)
				l.log.Info("writing events to the journal again")
			}
			return stored, true
		}
		l.metrics.writeFailures.Inc()
		l.Health.Set(CheckJournal, err)
		if !failed {
			failed = true
			l.log.Error("cannot write events to the journal, the stream keeps them, trying again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(wait):
		}
		wait = min(2*wait, max(maxRetryWait, l.RetryWait))
	}
}

// acknowledge takes note of an answer to the stream that did not leave: the
// message comes again, and is known then.
func (l *Logger) acknowledge(err error) {
	if err != nil {
		l.log.Debug("message not acknowledged, it will come again", "err", err)
	}
}

// buryAll buries poison. When the stream does not take dead letters, the rest
// of the batch does not wait for it one by one.
func (l *Logger) buryAll(ctx context.Context, bad []checked) {
	failed := false
	for _, r := range bad {
		if strings.HasPrefix(r.Subject, events.TypeDeadLetter+".") { // or its dead letter could be poison, and so on for ever
			l.giveUp(r)
			continue
		}
		if !failed {
			err := l.bury(ctx, r)
			if err == nil {
				l.giveUp(r)
				continue
			}
			failed = true
			l.log.Error("cannot publish a dead letter, keeping the message in the stream", "stream_seq", r.StreamSeq, "subject", r.Subject, "err", err)
		}
		l.acknowledge(r.Nak(poisonPause))
	}
}

// giveUp has the stream hand poison out no more.
func (l *Logger) giveUp(r checked) {
	l.metrics.poison.WithLabelValues(string(r.poison.cause)).Inc()
	l.log.Warn("gave up a message that is no event", "stream_seq", r.StreamSeq, "subject", r.Subject, "cause", r.poison.cause, "reason", r.poison.reason)
	l.acknowledge(r.Term(string(r.poison.cause)))
}

// message is one of the stream, or of the one before that was made anew.
type message struct {
	seq  uint64
	nano int64 // when it was stored, Unix time
}

// bury publishes the dead letter of a message and waits until the stream has
// it. One that the publisher still tries to publish from an earlier call is
// only waited for: l.waiting holds, by message, how many events the publisher
// had lost before it.
func (l *Logger) bury(ctx context.Context, r checked) error {
	m := message{r.StreamSeq, r.Time.UnixNano()}
	lost, published := l.waiting[m]
	if !published {
		lost = l.lost()
		l.waiting[m] = lost
		l.Bus.Emit(time.Now(), &events.DeadLetter{
			Reason:    r.poison.reason,
			Subject:   r.Subject,
			StreamSeq: r.StreamSeq,
			Size:      len(r.Body),
			Body:      r.Body[:min(len(r.Body), maxBody)],
		})
	}
	ctx, cancel := context.WithTimeout(ctx, buryTimeout)
	defer cancel()
	if l.Bus.Publisher.Drain(ctx) > 0 {
		return errDeadLetter
	}
	delete(l.waiting, m)
	if l.lost() != lost { // this one, perhaps
		return errDeadLetter
	}
	l.metrics.deadLetters.Inc()
	return nil
}

func (l *Logger) lost() uint64 { return l.Bus.Publisher.Stats().Lost() }
