package udp

import (
	"sync"
	"time"
)

// settleTime is how long to wait for transmit stamps that are still out before
// the kernel's counter is set back. A packet spends less in a queue of this
// host; one that was dropped there has no stamp, and would be waited for.
const settleTime = 10 * time.Second

// txIDs says which transmit stamp belongs to which datagram. A stamp may be
// lost; it is never given to another datagram.
//
// Since Linux 6.13 the id goes with the datagram, and comes back with its
// stamp. Before, the kernel counts the datagrams of the socket by itself, and
// a send that fails may or may not have counted. So a failed send ends a
// generation: datagrams go without stamps, until all stamps of the generation
// have come; then the counter is set to zero, and a new generation begins.
// Within a generation the kernel's ids are ours, less a constant. Datagrams
// for which no stamp is asked have no id, and the kernel does not count them.
type txIDs struct {
	explicit bool   // set once by Listen: the kernel takes ids with the datagrams
	next     uint32 // of the next datagram; guarded by the writers' lock

	mu       sync.Mutex
	base     uint32    // our id of the generation's first datagram
	sent     uint32    // datagrams of the generation, the ones now being sent included
	stamped  uint32    // stamps of the generation that have come
	settling bool      // the generation is over
	since    time.Time // when that was
}

// newTxIDs begins with 1: 0 is the id of a datagram without a stamp.
func newTxIDs() txIDs { return txIDs{next: 1, base: 1} }

// begin announces n datagrams, the first of which has our id first. False:
// they must go without stamps.
func (t *txIDs) begin(fd int, first, n uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settling {
		if t.stamped < t.sent && time.Since(t.since) < settleTime {
			return false
		}
		// The kernel sets its counter to zero when OPT_ID comes on anew.
		if !setStamping(fd, rxStampFlags) || !setStamping(fd, txStampFlags) {
			return false
		}
		t.base, t.sent, t.stamped, t.settling = first, 0, 0, false
	}
	t.sent += n
	return true
}

// failed takes back n datagrams that were announced and not sent.
func (t *txIDs) failed(n uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.settling {
		t.sent -= n
		t.settling, t.since = true, time.Now()
	}
}

// resolve turns the kernel's id of a stamp into ours. False: it is not known
// whose it is.
func (t *txIDs) resolve(id *uint32) bool {
	if t.explicit {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if *id >= t.sent {
		return false
	}
	t.stamped++
	*id += t.base
	return true
}
