package bus

import "time"

// whenEmpty returns a channel that is closed once nothing is left.
func (o *outbox) whenEmpty() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.emptied == nil {
		o.emptied = make(chan struct{})
	}
	emptied := o.emptied
	o.tellEmpty()
	return emptied
}

// tellEmpty tells those who asked if nothing is left.
func (o *outbox) tellEmpty() {
	if o.emptied != nil && o.pending() == 0 {
		close(o.emptied)
		o.emptied = nil
	}
}

// pending returns how many events are in the outbox.
func (o *outbox) pending() int {
	n := o.age.Len() + o.doomed
	if o.disk != nil {
		unread, _, _ := o.disk.waiting()
		n += unread
	}
	return n
}

// outboxState is what is in an outbox.
type outboxState struct {
	pending int
	bytes   int64
	oldest  time.Time // when the oldest was accepted; zero: there is none
	fault   error     // why new events are not on the disk where they should be
	drops   drops

	acknowledged uint64

	errors    uint64 // of the disk
	lastError error
}

func (o *outbox) state() outboxState {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := outboxState{
		pending: o.age.Len() + o.doomed, bytes: o.bytes + o.loadedBytes,
		fault: o.fault, drops: o.drops, acknowledged: o.acknowledged, errors: o.errors, lastError: o.lastError,
	}
	if front := o.age.Front(); front != nil {
		s.oldest = front.Value.(*entry).accepted
	}
	if o.disk != nil {
		unread, bytes, oldest := o.disk.waiting()
		s.pending += unread
		s.bytes += bytes
		if unread > 0 && (s.oldest.IsZero() || oldest.Before(s.oldest)) {
			s.oldest = oldest
		}
	}
	return s
}
