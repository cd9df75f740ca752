package bus

import (
	"container/list"
	"sync"

	"tinytwamp/shared/events"
)

// entryOverhead is about what an entry takes beside the event's own octets.
const entryOverhead = 256

// entry is an event in the outbox.
type entry struct {
	event events.Encoded
	size  int64

	attempt int // tries so far; the publisher's goroutine's

	// guarded by the outbox's mu
	inAge   *list.Element // nil: no longer in the outbox
	inReady *list.Element // nil: taken, or out of the outbox
}

// outbox holds events in memory until they are acknowledged. It is bounded:
// when it is full the oldest go. Its lock is held for a few pointers only.
type outbox struct {
	limit int64 // octets

	mu      sync.Mutex
	age     list.List // all entries, oldest first
	ready   list.List // those that wait to be taken
	bytes   int64
	dropped uint64
	emptied chan struct{} // closed when the last entry leaves; nil: nobody asked
}

// add puts an event in, and drops the oldest until there is room. An event
// above the limit is dropped itself.
func (o *outbox) add(event events.Encoded) {
	e := &entry{event: event, size: int64(len(event.Body)+len(event.Subject)+len(event.ID)) + entryOverhead}
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.size > o.limit {
		o.dropped++
		return
	}
	for o.bytes+e.size > o.limit {
		o.unlink(o.age.Front().Value.(*entry))
		o.dropped++
	}
	o.bytes += e.size
	e.inAge = o.age.PushBack(e)
	e.inReady = o.ready.PushBack(e)
}

// take returns the next entry that waits, which then belongs to the caller
// until putBack or remove; nil: there is none.
func (o *outbox) take() *entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	front := o.ready.Front()
	if front == nil {
		return nil
	}
	e := front.Value.(*entry)
	o.ready.Remove(front)
	e.inReady = nil
	return e
}

// putBack has an entry wait again, behind the others.
func (o *outbox) putBack(e *entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.inAge != nil {
		e.inReady = o.ready.PushBack(e)
	}
}

// remove takes an entry out for good. It is false when the entry had to make
// room before.
func (o *outbox) remove(e *entry) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.inAge == nil {
		return false
	}
	o.unlink(e)
	if o.age.Len() == 0 && o.emptied != nil {
		close(o.emptied)
		o.emptied = nil
	}
	return true
}

func (o *outbox) unlink(e *entry) {
	o.age.Remove(e.inAge)
	e.inAge = nil
	if e.inReady != nil {
		o.ready.Remove(e.inReady)
		e.inReady = nil
	}
	o.bytes -= e.size
}

// whenEmpty returns a channel that is closed once nothing is left.
func (o *outbox) whenEmpty() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.emptied == nil {
		o.emptied = make(chan struct{})
	}
	emptied := o.emptied
	if o.age.Len() == 0 {
		close(o.emptied)
		o.emptied = nil
	}
	return emptied
}

// stats returns the entries and octets held, and the entries dropped so far.
func (o *outbox) stats() (pending int, bytes int64, dropped uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.age.Len(), o.bytes, o.dropped
}
