package bus

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/events"
)

// run is the publisher's goroutine: it alone publishes, and it alone knows
// which entries are on their way.
func (p *Publisher) run() {
	defer close(p.done)
	defer p.js.CleanupPublisher()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if p.settle() {
			p.tellLost(false)
		}
		p.shun()
		next := p.readmit(time.Now())
		next = min(next, p.watchOutbox(time.Now()))
		up := p.conn.whenUp()
		if p.conn.Connected() {
			up = nil // only what is not connected waits for it
			next = p.send(next)
		}
		timer.Reset(next)
		select {
		case <-p.stop:
			return
		case <-p.hurry:
			p.hasten()
		case <-p.wake:
		case <-p.conn.refusing:
		case <-up:
		case <-timer.C:
		}
	}
}

// settle deals with the outcomes that have come in. It is true if the stream
// took an event.
func (p *Publisher) settle() (taken bool) {
	p.mu.Lock()
	outcomes := p.outcomes
	p.outcomes = nil
	p.mu.Unlock()
	for _, o := range outcomes {
		e := p.flying[o.msg]
		if e == nil {
			continue // its try was settled before
		}
		delete(p.flying, o.msg)
		if o.err != nil {
			p.fail(e, o.err)
			continue
		}
		if p.failures > 0 {
			p.failures = 0
			p.log.forget()
		}
		p.width = min(2*p.width, window)
		p.box.remove(e)
		taken = true
	}
	return taken
}

// fail decides what follows from a try that was not acknowledged.
func (p *Publisher) fail(e *entry, err error) {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrMaxPayload), errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
		p.box.refuse(e)
		p.log.Error("event is too large for the server, dropped: raise max_payload", "id", e.event.ID, "subject", e.event.Subject, "bytes", e.size, "err", err)
	case errors.Is(err, nats.ErrDisconnected):
		p.box.putBack(e) // there will be a connection first
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		p.log.once(err.Error(), slog.LevelWarn, "no stream takes the events yet, keeping them: run logger -init", "stream", events.StreamName)
		p.hold()
		p.box.putBack(e)
	case errors.As(err, &api):
		p.log.once(err.Error(), slog.LevelWarn, "the stream refuses events, keeping them", "stream", events.StreamName, "err", err)
		p.hold()
		p.box.putBack(e)
	default:
		p.log.once(err.Error(), slog.LevelWarn, "event not acknowledged, publishing it again", "id", e.event.ID, "subject", e.event.Subject, "err", err)
		p.retryAfter(e, backoff(e.attempt))
	}
}

// hold stops all publishing for a while, after a failure that every event would
// meet, and then tries with one message.
func (p *Publisher) hold() {
	p.width = 1
	if now := time.Now(); now.After(p.pause) {
		p.failures++
		p.pause = now.Add(backoff(p.failures))
	}
}

// retryAfter has an entry tried again after a while.
func (p *Publisher) retryAfter(e *entry, wait time.Duration) {
	due := time.Now().Add(wait)
	p.retries = append(p.retries, retry{e, due})
	if len(p.retries) == 1 || due.Before(p.due) {
		p.due = due
	}
}

// readmit puts entries whose time has come back into the outbox, and returns
// how long it is until the next.
func (p *Publisher) readmit(now time.Time) time.Duration {
	next := time.Hour // anything else wakes us before
	if len(p.retries) == 0 {
		return next
	}
	if wait := p.due.Sub(now); wait > 0 {
		return wait
	}
	rest := p.retries[:0]
	for _, r := range p.retries {
		wait := r.due.Sub(now)
		if wait <= 0 {
			p.box.putBack(r.entry)
			continue
		}
		next = min(next, wait)
		rest = append(rest, r)
	}
	clear(p.retries[len(rest):])
	p.retries, p.due = rest, now.Add(next)
	return next
}

// hasten makes what waits for its next try due.
func (p *Publisher) hasten() {
	p.pause, p.due = time.Time{}, time.Time{}
	for i := range p.retries {
		p.retries[i].due = time.Time{}
	}
}

// shun takes what NATS does not allow off the way: it would be in the way of
// the rest until its time is out.
func (p *Publisher) shun() {
	n := p.conn.refusals.Load()
	if n == p.shunned {
		return
	}
	p.shunned = n
	for m, e := range p.flying {
		if p.conn.denies(e.event.Subject) {
			delete(p.flying, m)
			p.retryAfter(e, backoff(e.attempt))
		}
	}
}

// send publishes as much as the window takes. It returns how long to wait for
// the next time: next, or less when publishing has to pause.
func (p *Publisher) send(next time.Duration) time.Duration {
	for len(p.flying) < p.width {
		if wait := time.Until(p.pause); wait > 0 {
			return min(next, wait)
		}
		e := p.box.take()
		if e == nil {
			break
		}
		if p.conn.denies(e.event.Subject) {
			p.box.rest(e)
			p.retryAfter(e, maxBackoff)
			if len(p.retries) > 2*maxLoaded { // some of them the outbox has forgotten by now
				break
			}
			continue
		}
		p.publish(e)
	}
	return next
}

func (p *Publisher) publish(e *entry) {
	e.attempt++
	m := message(e)
	p.box.rest(e)
	p.flying[m] = e
	_, err := p.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
	if e.attempt > 1 {
		p.retried.Add(1)
	}
	if err == nil {
		return
	}
	delete(p.flying, m)
	if !errors.Is(err, nats.ErrMaxPayload) {
		p.hold() // the connection went away and has not told us yet
		err = nats.ErrDisconnected
	}
	p.fail(e, err)
}

func message(e *entry) *nats.Msg {
	m := nats.NewMsg(e.event.Subject)
	m.Data = e.event.Body
	m.Header.Set("Content-Type", events.ContentType)
	m.Header.Set(jetstream.MsgIDHeader, e.event.ID)
	if e.attempt > 1 {
		m.Header.Set(HeaderAttempt, strconv.Itoa(e.attempt))
	}
	return m
}

// backoff returns how long to wait after the nth failure in a row: doubling,
// bounded, and spread over half of it, so that a fleet does not come back as one.
func backoff(n int) time.Duration {
	d := maxBackoff
	if shift := n - 1; shift < 5 {
		d = min(minBackoff<<max(shift, 0), maxBackoff)
	}
	return d/2 + rand.N(d/2)
}
