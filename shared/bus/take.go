package bus

import (
	"cmp"
	"slices"
	"time"
)

const (
	// maxLoaded bounds the entries of a spool that are in memory: those that are on
	// their way or wait for another try. Their events are read again then.
	maxLoaded = 16 << 10
	// postponement is how long those beyond that are left alone.
	postponement = 30 * time.Second
)

// take returns the next entry that waits, which then belongs to the caller
// until putBack or remove; nil: there is none. What failed before and what is
// new take turns, so that neither keeps the other waiting.
func (o *outbox) take() *entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.tellEmpty() // if nothing was left but what cannot be read
	first, second := o.again, o.read
	if o.fresh {
		first, second = second, first
	}
	o.fresh = !o.fresh
	if e := first(); e != nil {
		return e
	}
	return second()
}

// again takes the next entry that is in memory.
func (o *outbox) again() *entry {
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
	return nil
}

// read takes the next entry off the disk.
func (o *outbox) read() *entry {
	if o.disk == nil {
		return nil
	}
	if o.loaded >= maxLoaded {
		o.forget(slices.MaxFunc(o.disk.segments, func(a, b *segment) int { return cmp.Compare(a.loaded, b.loaded) }))
	}
	rec, seg, at, lost, ok := o.disk.next()
	o.drops.corrupt += uint64(lost)
	if again := o.disk.forgotten(time.Now()); !ok && again != nil {
		o.forget(again)
		again.rewind()
		rec, seg, at, lost, ok = o.disk.next()
		o.drops.corrupt += uint64(lost)
	}
	if !ok {
		return nil
	}
	e := &entry{event: rec.event, size: rec.size, accepted: rec.accepted, seg: seg, at: at, pass: seg.pass}
	if at < seg.old || rec.state != stateFresh {
		e.attempt = 1 // at least
	}
	e.inAge = o.age.PushBack(e)
	o.loaded++
	o.loadedBytes += e.size
	return e
}

// forget has the memory forget the entries of a segment: they are read again
// later, and count as tried.
func (o *outbox) forget(seg *segment) {
	for front := o.age.Front(); front != nil; {
		e := front.Value.(*entry)
		if front = front.Next(); e.seg == seg {
			o.unlink(e)
			e.kept = true
			seg.forget(e.size)
		}
	}
	seg.notBefore = time.Now().Add(postponement)
}
