package prober

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Schedule says how the times between a session's packets are chosen.
type Schedule uint8

// What -schedule can be.
const (
	Periodic Schedule = iota // all alike, RFC 3432
	Poisson                  // exponentially distributed, RFC 2330 section 11.1.1
)

// String is the schedule as settings and events name it.
func (s Schedule) String() string { return [...]string{"periodic", "poisson"}[s] }

// UnmarshalText reads the setting.
func (s *Schedule) UnmarshalText(b []byte) error {
	switch string(b) {
	case "periodic":
		*s = Periodic
	case "poisson":
		*s = Poisson
	default:
		return errors.New("must be periodic or poisson")
	}
	return nil
}

// gap is the time between two packets.
func (s Schedule) gap(mean time.Duration) time.Duration {
	if s == Poisson {
		return max(1, time.Duration(rand.ExpFloat64()*float64(mean)))
	}
	return mean
}

// Pacing says how to wait for a packet's time.
type Pacing uint8

// What -pacing can be.
const (
	PacingAuto  Pacing = iota // a thread of its own for intervals below fineInterval
	PacingTimer               // Go's timers only
)

// UnmarshalText reads the setting.
func (p *Pacing) UnmarshalText(b []byte) error {
	switch string(b) {
	case "auto":
		*p = PacingAuto
	case "timer":
		*p = PacingTimer
	default:
		return errors.New("must be auto or timer")
	}
	return nil
}

const (
	// fineInterval is the interval below which the milliseconds that Go's
	// timers are late would matter.
	fineInterval = 5 * time.Millisecond
	// coarse is the time for which Go's timers are left to wait even so.
	coarse = 2 * time.Millisecond
)

// schedule calls each session when something of it falls due, on one
// goroutine. Deadlines are absolute: what comes late does not move what comes
// next.
type schedule struct {
	fine  bool // wait in a thread of its own
	queue queue
	poke  chan *session
}

// turn is when a session is to be called.
type turn struct {
	at      time.Time
	session *session
}

func newSchedule(sessions []*session, fine bool) *schedule {
	s := &schedule{fine: fine, poke: make(chan *session)}
	for _, x := range sessions {
		s.queue = append(s.queue, turn{x.due, x})
	}
	heap.Init(&s.queue)
	return s
}

// run calls sessions until ctx ends.
func (s *schedule) run(ctx context.Context) error {
	if s.fine {
		defer ownThread()()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, some := s.wake()
		wait := time.Until(next)
		if some && s.fine && wait <= coarse {
			sleepUntil(next)
			select {
			case x := <-s.poke:
				s.first(x)
			case <-ctx.Done():
				return nil
			default:
			}
			continue
		}
		switch {
		case !some:
			timer.Stop()
		case s.fine:
			timer.Reset(wait - coarse)
		default:
			timer.Reset(wait)
		}
		select {
		case <-timer.C:
		case x := <-s.poke:
			s.first(x)
		case <-ctx.Done():
			return nil
		}
	}
}

// wake calls the sessions that are due, and says when the next one is.
func (s *schedule) wake() (next time.Time, some bool) {
	for len(s.queue) > 0 {
		now := time.Now()
		t := &s.queue[0]
		if t.at.After(now) {
			return t.at, true
		}
		if t.at = t.session.wake(now); t.at.IsZero() {
			heap.Pop(&s.queue)
		} else {
			heap.Fix(&s.queue, 0)
		}
	}
	return time.Time{}, false
}

// call has a session called at once.
func (s *schedule) call(ctx context.Context, x *session) {
	select {
	case s.poke <- x:
	case <-ctx.Done():
	}
}

// first puts a session first.
func (s *schedule) first(x *session) {
	for i := range s.queue {
		if s.queue[i].session == x {
			s.queue[i].at = time.Time{}
			heap.Fix(&s.queue, i)
			return
		}
	}
	heap.Push(&s.queue, turn{session: x})
}

// queue is a heap of turns, the earliest first.
type queue []turn

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(turn)) }
func (q *queue) Pop() any {
	old := *q
	n := len(old) - 1
	t := old[n]
	old[n] = turn{}
	*q = old[:n]
	return t
}
