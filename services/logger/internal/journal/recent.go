package journal

import (
	"hash/maphash"
	"time"
)

const (
	// maxMessages is how many messages are known again when they are
	// redelivered: those of the 30 s after which a lost acknowledgement is
	// noticed, at 17,000 a second.
	maxMessages = 1 << 19
	// maxEvents is how many events are known again when they are retried.
	maxEvents = 1 << 18
	// tailSize is how much of the files is read at the start, at the least, to
	// know retried events. In octets.
	tailSize = 128 << 20
)

// message is what makes a message of the stream itself. A sequence alone would
// not do: a stream that was made anew, or lost its end with the power, gives
// its sequences out again.
type message struct {
	seq  uint64
	time int64 // Unix nanoseconds
}

// recent is what the files hold as far as it may come again.
type recent struct {
	messages window[message]
	events   window[uint64] // hashes of ids
	seed     maphash.Seed
}

func newRecent() *recent {
	return &recent{
		messages: newWindow[message](maxMessages),
		events:   newWindow[uint64](maxEvents),
		seed:     maphash.MakeSeed(),
	}
}

func (r *recent) add(seq uint64, at time.Time, id string) {
	r.messages.add(message{seq, at.UnixNano()})
	r.events.add(maphash.String(r.seed, id))
}

func (r *recent) has(e Entry) bool {
	return r.messages.has(message{e.Seq, e.Time.UnixNano()}) ||
		e.Retried && r.events.has(maphash.String(r.seed, e.ID))
}

// window is a set that keeps the last of what was added.
type window[K comparable] struct {
	limit int
	keys  map[K]struct{}
	order []K // a ring once it is full
	next  int // the oldest in a full ring
}

func newWindow[K comparable](limit int) window[K] {
	return window[K]{limit: limit, keys: make(map[K]struct{})}
}

func (w *window[K]) has(k K) bool {
	_, ok := w.keys[k]
	return ok
}

func (w *window[K]) add(k K) {
	if w.has(k) {
		return
	}
	w.keys[k] = struct{}{}
	if len(w.order) < w.limit {
		w.order = append(w.order, k)
		return
	}
	delete(w.keys, w.order[w.next])
	w.order[w.next] = k
	w.next = (w.next + 1) % w.limit
}
