package bus

import (
	"container/list"
	"log/slog"
	"os"
	"sync"
	"time"

	"tinytwamp/shared/events"
)

const (
	// entryOverhead is about what an entry takes in memory beside the event's own
	// octets.
	entryOverhead = 256
	// maxLoaded bounds the entries of a spool that are in memory: those that are on
	// their way or wait for another try. Their events are read again then.
	maxLoaded = 16 << 10
)

// entry is an event that the outbox has in memory, or had: of one that is on
// disk the body is read when it is needed.
type entry struct {
	event    events.Encoded
	size     int64 // octets that count: in memory, or on disk
	accepted time.Time

	attempt int // tries so far; its holder's

	seg *segment // where it is on disk; nil: in memory only
	at  int64

	// guarded by the outbox's mu
	inAge   *list.Element // nil: no longer in the outbox
	inReady *list.Element // nil: taken, or out of the outbox
}

// outbox holds events until they are acknowledged: in a spool on disk, or in
// memory. It is bounded: when it is full the oldest go. While the disk cannot be
// written it holds new ones in memory.
type outbox struct {
	limit int64  // octets
	disk  *spool // guarded by mu; nil: memory only

	mu          sync.Mutex // held over the writing and reading of a record
	age         list.List  // all entries, oldest first
	ready       list.List  // those that wait to be taken
	loaded      int        // entries that are on disk
	loadedBytes int64
	bytes       int64 // of the entries that are in memory only
	fault       error // why new events do not go to disk
	drops       drops
	errors      uint64        // of the disk
	lastError   error         // of the disk
	emptied     chan struct{} // closed when the last entry leaves; nil: nobody asked
}

// drops counts events that nobody will deliver.
type drops struct {
	full     uint64 // made room for newer ones
	tooLarge uint64 // fit into no outbox of this size, or are more than the server or the stream ever takes
	corrupt  uint64 // could not be read from disk again
}

// openOutbox opens an outbox in a folder; "": in memory.
func openOutbox(dir string, limit int64, log *slog.Logger) (*outbox, error) {
	o := &outbox{limit: limit}
	if dir == "" {
		return o, nil
	}
	disk, corrupt, err := openSpool(dir, limit, log)
	if err != nil {
		return nil, err
	}
	o.disk, o.drops.corrupt = disk, uint64(corrupt)
	for o.disk.bytes > o.limit { // it was larger before
		o.dropOldest()
	}
	return o, nil
}

// add puts an event in, and drops the oldest until there is room. An event
// above the limit is dropped itself.
func (o *outbox) add(event events.Encoded) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size, fits := recordSize(event)
	if o.disk == nil || o.fault != nil {
		size += entryOverhead
	}
	if !fits || size > o.limit {
		o.drops.tooLarge++
		return
	}
	o.makeRoom(size)
	now := time.Now()
	if o.disk != nil && o.fault == nil {
		if o.write(event, now, stateFresh) {
			return
		}
		if size += entryOverhead; size > o.limit {
			o.drops.tooLarge++
			return
		}
		o.makeRoom(size)
	}
	e := &entry{event: event, size: size, accepted: now}
	o.bytes += size
	e.inAge = o.age.PushBack(e)
	e.inReady = o.ready.PushBack(e)
}

// write appends an event to the disk. When that fails nothing is written until
// [outbox.rescue] succeeds.
func (o *outbox) write(event events.Encoded, accepted time.Time, state byte) bool {
	o.fault = o.disk.append(event, accepted, state)
	o.note(o.fault)
	return o.fault == nil
}

// note takes note of an error of the disk.
func (o *outbox) note(err error) {
	if err != nil {
		o.errors++
		o.lastError = err
	}
}

func (o *outbox) makeRoom(size int64) {
	for o.used()+size > o.limit {
		o.dropOldest()
	}
}

func (o *outbox) used() int64 {
	if o.disk == nil {
		return o.bytes
	}
	return o.bytes + o.disk.bytes
}

// dropOldest drops the oldest event in memory, or the oldest segment on disk:
// what is there is older.
func (o *outbox) dropOldest() {
	if o.disk == nil || len(o.disk.segments) == 0 {
		o.unlink(o.age.Front().Value.(*entry))
		o.drops.full++
		return
	}
	seg := o.disk.segments[0]
	for front := o.age.Front(); front != nil; {
		e := front.Value.(*entry)
		if front = front.Next(); e.seg == seg {
			o.unlink(e)
			o.drops.full++
		}
	}
	o.drops.full += uint64(seg.unread)
	o.note(o.disk.remove(seg))
}

// take returns the next entry that waits, which then belongs to the caller
// until putBack or remove; nil: there is none.
func (o *outbox) take() *entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.tellEmpty() // if nothing was left but what cannot be read
	for o.ready.Len() > 0 {
		e := o.ready.Remove(o.ready.Front()).(*entry)
		e.inReady = nil
		if e.seg == nil || e.event.Body != nil {
			return e
		}
		event, err := e.seg.load(e.at, e.size)
		if err == nil {
			e.event = event
			return e
		}
		o.unlink(e)
		o.drops.corrupt++
		e.seg.corrupt = true
		o.note(o.disk.finish(e.seg, e.at))
	}
	return o.read()
}

// read takes the next entry off the disk.
func (o *outbox) read() *entry {
	if o.disk == nil || o.loaded >= maxLoaded {
		return nil
	}
	rec, seg, at, lost, ok := o.disk.next()
	o.drops.corrupt += uint64(lost)
	if !ok {
		return nil
	}
	e := &entry{event: rec.event, size: rec.size, accepted: rec.accepted, seg: seg, at: at}
	if at < seg.old || rec.state != stateFresh {
		e.attempt = 1 // at least
	}
	e.inAge = o.age.PushBack(e)
	o.loaded++
	o.loadedBytes += e.size
	return e
}

// rest lets go of the event of a taken entry that can be read again.
func (o *outbox) rest(e *entry) {
	if e.seg != nil {
		e.event.Body = nil
	}
}

// putBack has an entry wait again, behind the others.
func (o *outbox) putBack(e *entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.inAge != nil {
		e.inReady = o.ready.PushBack(e)
	}
}

// remove takes an acknowledged entry out for good. It is false when the entry
// had to make room before.
func (o *outbox) remove(e *entry) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.finish(e)
}

// refuse takes an entry out for good that will never be acknowledged.
func (o *outbox) refuse(e *entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.finish(e) {
		o.drops.tooLarge++
	}
}

func (o *outbox) finish(e *entry) bool {
	if e.inAge == nil {
		return false
	}
	o.unlink(e)
	if e.seg != nil {
		o.note(o.disk.finish(e.seg, e.at))
	}
	o.tellEmpty()
	return true
}

func (o *outbox) unlink(e *entry) {
	o.age.Remove(e.inAge)
	e.inAge = nil
	if e.inReady != nil {
		o.ready.Remove(e.inReady)
		e.inReady = nil
	}
	if e.seg != nil {
		o.loaded--
		o.loadedBytes -= e.size
	} else {
		o.bytes -= e.size
	}
}

// rescue tries the disk again after a fault, and moves to it what waits in
// memory. It returns the fault if there still is one.
func (o *outbox) rescue() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fault == nil {
		return nil
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
