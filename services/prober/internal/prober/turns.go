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

// put adds a session.
func (t *turns) put(at time.Time, s *session) { heap.Push(&t.queue, turn{at, s}) }

// move gives a session another time, also one that had no turn left.
func (t *turns) move(at time.Time, s *session) {
	for i := range t.queue {
		if t.queue[i].session == s {
			t.queue[i].at = at
			heap.Fix(&t.queue, i)
			return
		}
	}
	t.put(at, s)
}

// run calls the sessions that are due, and says when the next one is; never,
// if the time is zero. All that had come in by drained has reached them.
func (t *turns) run(drained time.Time) time.Time {
	for len(t.queue) > 0 {
		now := time.Now()
		first := &t.queue[0]
		if first.at.After(now) {
			return first.at
		}
		next := first.session.wake(now, drained)
		switch {
		case next.IsZero():
			heap.Pop(&t.queue)
		case !next.After(now):
			// It waits for what may have come in meanwhile.
			first.at = next
			heap.Fix(&t.queue, 0)
			return now
		default:
			first.at = next
			heap.Fix(&t.queue, 0)
		}
	}
	return time.Time{}
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
