package prober

import (
	"container/heap"
	"context"
	"time"
)

// schedule calls each session when something of it falls due, on one
// goroutine. Deadlines are absolute: what comes late does not move what comes
// next.
type schedule struct {
	queue queue
	poke  chan *session
}

// turn is when a session is to be called.
type turn struct {
	at      time.Time
	session *session
}

func newSchedule(sessions []*session) *schedule {
	s := &schedule{poke: make(chan *session)}
	for _, x := range sessions {
		s.queue = append(s.queue, turn{x.due, x})
	}
	heap.Init(&s.queue)
	return s
}

// run calls sessions until ctx ends.
func (s *schedule) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		for len(s.queue) > 0 && !s.queue[0].at.After(now) {
			if next := s.queue[0].session.wake(now); next.IsZero() {
				heap.Pop(&s.queue)
			} else {
				s.queue[0].at = next
				heap.Fix(&s.queue, 0)
			}
			now = time.Now()
		}
		if len(s.queue) > 0 {
			timer.Reset(s.queue[0].at.Sub(now))
		}
		select {
		case <-timer.C:
		case x := <-s.poke:
			s.move(x, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// call has a session called at once.
func (s *schedule) call(ctx context.Context, x *session) {
	select {
	case s.poke <- x:
	case <-ctx.Done():
	}
}

// move puts a session first.
func (s *schedule) move(x *session, now time.Time) {
	for i := range s.queue {
		if s.queue[i].session == x {
			s.queue[i].at = now
			heap.Fix(&s.queue, i)
			return
		}
	}
	heap.Push(&s.queue, turn{now, x})
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
