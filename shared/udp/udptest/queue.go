package udptest

import (
	"container/heap"
	"time"

	"tinytwamp/shared/udp"
)

// arrival is a datagram, or an event if payload is nil, on its way.
type arrival struct {
	at      time.Time
	order   uint64 // of those at the same time, as they were sent
	payload []byte
	message udp.Message // all but Buf and N
	event   udp.Event
}

// queue holds what is on its way, the earliest first.
type queue []arrival

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].order < q[j].order
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push and Pop are for package heap.
func (q *queue) Push(x any) { *q = append(*q, x.(arrival)) }

// Pop takes the last one off.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// put sends an arrival on its way to c, and wakes the reader: it may be the
// earliest now.
func (c *Conn) put(a arrival) {
	c.mu.Lock()
	a.order = c.order
	c.order++
	heap.Push(&c.coming, a)
	c.mu.Unlock()
	signal(c.changed)
}

// arrive moves what has arrived by now to where it is read, as far as there is
// room, in the order of arrival. Nothing is read between an arrival and a
// later call, so it need not be called at the very time.
func (c *Conn) arrive(now time.Time) {
	for len(c.coming) > 0 && !c.coming[0].at.After(now) {
		a := heap.Pop(&c.coming).(arrival)
		if a.payload == nil {
			c.events = append(c.events, a.event)
			continue
		}
		if limit := c.cfg.ReadBuffer; limit > 0 && c.waiting+len(a.payload) > limit {
			c.drops++
			continue
		}
		c.waiting += len(a.payload)
		c.messages = append(c.messages, a)
	}
}
