package bus

import (
	"os"
	"time"

	"tinytwamp/shared/events"
)

// rescue tries the disk again after a fault, and moves to it what waits in
// memory. It returns the fault if there still is one.
func (o *outbox) rescue() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fault == nil {
		return nil
	}
	if seg := o.disk.active; seg != nil && seg.empty() { // it is what fills a small disk, perhaps
		o.note(o.disk.remove(seg))
	}
	if !o.write(events.Encoded{}, time.Now(), stateDone) {
		return o.fault
	}
	for next := o.ready.Front(); next != nil; {
		e := next.Value.(*entry)
		if next = next.Next(); e.seg == nil && !o.move(e) {
			break
		}
	}
	return o.fault
}

// move moves an entry from memory to disk, to be read there again.
func (o *outbox) move(e *entry) bool {
	state := byte(stateFresh)
	if e.attempt > 0 {
		state = stateTried
	}
	if !o.write(e.event, e.accepted, state) {
		return false
	}
	o.unlink(e)
	return true
}

// close ends the use of the disk. It returns how many events are kept there, and
// how many are in memory and lost.
func (o *outbox) close() (kept, lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drops.full += uint64(o.doomed)
	o.doomed = 0
	if o.disk == nil || o.disk.lock == nil {
		return 0, o.age.Len()
	}
	for next := o.age.Front(); next != nil; {
		e := next.Value.(*entry)
		if next = next.Next(); e.seg == nil && !o.move(e) {
			break
		}
	}
	kept, lost = o.pending(), o.age.Len()-o.loaded
	o.disk.close()
	o.fault = os.ErrClosed
	return kept - lost, lost
}
