package reflector

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// A bucket holds a second's worth of packets, and at least so many: a short
	// test passes the lowest limit.
	leastBurst = 10
	// Buckets of a set and number of sets, together 2 MiB. To use up all buckets
	// for a limit of N takes packets from some 100,000 N sources a second, or
	// rather as many packets: more than a reflector can answer.
	bucketsPerSet = 7
	bucketSets    = 1 << 14
	// A bucket that will be full so much later than it can take is from before
	// the clock was set back. Workers' packets are less apart.
	clockStep = 10 * time.Second
)

// rate is a number of packets a second, as a token bucket needs it.
type rate struct {
	interval int64 // ns in which a token comes; 0: no limit
	depth    int64 // ns in which an empty bucket becomes full
}

func newRate(perSecond int) rate {
	if perSecond == 0 {
		return rate{}
	}
	interval := int64(time.Second) / int64(perSecond)
	return rate{interval: interval, depth: interval * int64(max(perSecond, leastBurst))}
}

// bucket is a token bucket: the instant at which it will be full, in Unix ns.
type bucket int64

// take takes a token at now, if there is one.
func (b *bucket) take(now int64, r rate) bool {
	full := int64(*b)
	if b.isFull(now, r) {
		full = now
	}
	if full-now > r.depth-r.interval {
		return false
	}
	*b = bucket(full + r.interval)
	return true
}

func (b bucket) isFull(now int64, r rate) bool {
	return int64(b) <= now || int64(b)-now > r.depth+int64(clockStep)
}

// limits bounds the packets that are answered, of each source (an IPv4 address,
// an IPv6 /64) and of all. Time is that of the packets' arrival, so a burst
// that the host itself has made by being late is none.
//
// A source finds its bucket by a keyed hash in one set of a fixed table. A full
// bucket is nobody's: it is given to the next source that has none, and nothing
// is forgotten by that. One that is not full stays its source's, so no flood
// resets a bucket or takes one away. Where all of a set are in use, newcomers
// share one more. What this does not hold against is somebody who forges
// another's address: he takes that one's tokens.
type limits struct {
	source, total rate
	seed          maphash.Seed
	sets          []bucketSet // none without a limit by source

	mu  sync.Mutex
	all bucket // guarded by mu
}

// bucketSet is two cache lines, and has its own lock: workers seldom meet.
type bucketSet struct {
	mu     sync.Mutex
	shared bucket
	own    [bucketsPerSet]struct {
		source uint64 // hash
		bucket bucket
	}
}

// newLimits takes packets per second, 0: no limit.
func newLimits(source, total int) *limits {
	l := &limits{source: newRate(source), total: newRate(total), seed: maphash.MakeSeed()}
	if source > 0 {
		l.sets = make([]bucketSet, bucketSets)
	}
	return l
}

// take takes a packet's tokens, or says which is missing.
func (l *limits) take(from netip.Addr, now int64) reason {
	if l.source.interval > 0 {
		h := l.hash(from)
		if !l.sets[h%bucketSets].take(h, now, l.source) {
			return rateLimited
		}
	}
	if l.total.interval > 0 && !l.takeOfAll(now) {
		return rateLimitedTotal
	}
	return answered
}

func (l *limits) takeOfAll(now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.take(now, l.total)
}

// hash is that of a source: of 4 or of 8 octets.
func (l *limits) hash(from netip.Addr) uint64 {
	if from.Is4() {
		a := from.As4()
		return maphash.Bytes(l.seed, a[:])
	}
	a := from.As16()
	return maphash.Bytes(l.seed, a[:8])
}

func (s *bucketSet) take(source uint64, now int64, r rate) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := -1
	for i := range s.own {
		o := &s.own[i]
		if o.source == source {
			return o.bucket.take(now, r)
		}
		if free < 0 && o.bucket.isFull(now, r) {
			free = i
		}
	}
	if free < 0 {
		return s.shared.take(now, r)
	}
	s.own[free].source = source
	s.own[free].bucket = 0
	return s.own[free].bucket.take(now, r)
}
