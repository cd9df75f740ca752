package prober

import (
	"container/heap"
	"time"
)

// turns says which session is to be called when. Deadlines are absolute: what
// comes late does not move what comes next.
type turns struct{ queue queue }

// turn is when a session is to be called.
type turn struct {
	at      time.Time
	session *session
}

// move gives a session another time, also one that had no turn left.
func (t *turns) move(at time.Time, s *session) {
	if s.turn < 0 {
		heap.Push(&t.queue, turn{at, s})
		return
	}
	t.queue[s.turn].at = at
	heap.Fix(&t.queue, s.turn)
}

// remove takes a session's turn away.
func (t *turns) remove(s *session) {
	if s.turn >= 0 {
		heap.Remove(&t.queue, s.turn)
	}
}

// run calls the sessions that are due, and says when the next one is, and
// which; never, if the time is zero. All that had come in by drained has
// reached them.
func (t *turns) run(drained time.Time) (time.Time, *session) {
	for len(t.queue) > 0 {
		now := time.Now()
		first := &t.queue[0]
		if first.at.After(now) {
			return first.at, first.session
		}
		next := first.session.wake(now, drained)
		switch {
		case next.IsZero():
			heap.Pop(&t.queue)
		case !next.After(now):
			// It waits for what may have come in meanwhile.
			s := first.session
			t.move(next, s)
			return now, s
		default:
			t.move(next, first.session)
		}
	}
	return time.Time{}, nil
}

// queue is a heap of turns, the earliest first. Each session knows its place.
type queue []turn

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].session.turn, q[j].session.turn = i, j
}

func (q *queue) Push(x any) {
	t := x.(turn)
	t.session.turn = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	old := *q
	n := len(old) - 1
	t := old[n]
	t.session.turn = -1
	old[n] = turn{}
	*q = old[:n]
	return t
}
