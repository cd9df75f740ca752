package bus

import (
	"container/list"
	"log/slog"
	"sync"
	"time"

	"tinytwamp/shared/events"
)

// entryOverhead is about what an entry takes in memory beside the event's own
// octets.
const entryOverhead = 256

// entry is an event that the outbox has in memory, or had: of one that is on
// disk the body is read when it is needed.
type entry struct {
	event    events.Encoded
	size     int64 // octets that count: in memory, or on disk
	accepted time.Time

	attempt int // tries so far; its holder's

	seg  *segment // where it is on disk; nil: in memory only
	at   int64
	pass int // of the segment, when it was read

	// guarded by the outbox's mu
	inAge   *list.Element // nil: no longer in the outbox
	inReady *list.Element // nil: taken, or out of the outbox
	kept    bool          // out of the outbox's memory, and still on its disk
	doomed  bool          // out of the outbox to make room; its holder's last try decides whether it is lost
}

// outbox holds events until they are acknowledged: in a spool on disk, or in
// memory. It is bounded: when it is full the oldest go. While the disk cannot be
// written it holds new ones in memory.
type outbox struct {
	limit int64  // octets
	disk  *spool // guarded by mu; nil: memory only

	mu           sync.Mutex // held over the writing and reading of a record
	age          list.List  // all entries, oldest first
	ready        list.List  // those that wait to be taken
	fresh        bool       // whose turn it is: that of what was never taken
	loaded       int        // entries that are on disk
	loadedBytes  int64
	bytes        int64  // of the entries that are in memory only
	fault        error  // why new events do not go to disk
	acknowledged uint64 // entries, ever
	drops        drops
	doomed       int           // entries
	errors       uint64        // of the disk
	lastError    error         // of the disk
	emptied      chan struct{} // closed when the last entry leaves; nil: nobody asked
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
		o.drop(o.age.Front().Value.(*entry))
		return
	}
	seg := o.disk.segments[0]
	for front := o.age.Front(); front != nil; {
		e := front.Value.(*entry)
		if front = front.Next(); e.seg == seg {
			o.drop(e)
		}
	}
	o.drops.full += uint64(seg.unread + seg.forgotten)
	o.note(o.disk.remove(seg))
}

// drop drops an entry. One that is on its way may be in the stream already: it
// counts when that is known.
func (o *outbox) drop(e *entry) {
	taken := e.inReady == nil
	o.unlink(e)
	if taken {
		e.doomed = true
		o.doomed++
		return
	}
	o.drops.full++
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
	switch {
	case e.inAge != nil:
		e.inReady = o.ready.PushBack(e)
	case e.doomed:
		o.settle(e)
		o.drops.full++
	}
}

// settle takes note that the last try of a doomed entry is over.
func (o *outbox) settle(e *entry) {
	e.doomed = false
	o.doomed--
	o.tellEmpty()
}

// remove takes an acknowledged entry out for good. It is false when the entry
// was out before.
func (o *outbox) remove(e *entry) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.finish(e) {
		return false
	}
	o.acknowledged++ // before anybody who waits for the last entry can ask
	return true
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
	switch {
	case e.doomed:
		o.settle(e)
		return true
	case e.inAge != nil:
		o.unlink(e)
	case e.kept && !e.seg.gone && e.pass == e.seg.pass: // it was forgotten, and not read again yet
		e.kept = false
		e.seg.forgotten--
		e.seg.forgottenBytes -= e.size
	default:
		return false
	}
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
		e.seg.loaded--
		o.loaded--
		o.loadedBytes -= e.size
	} else {
		o.bytes -= e.size
	}
}
