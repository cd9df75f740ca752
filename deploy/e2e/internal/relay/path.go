package relay

import (
	"slices"
	"sync"
	"time"
)

// Path is what happens in one direction. All frames are delayed; the rest
// happens to UDP packets only, so that ARP and neighbour discovery go on.
//
// "One in n" hits the packet in the middle of each n, never at random: what a
// test sees is the same each time, and neither the first packet nor the last
// of a multiple of n is hit. 0 hits none.
type Path struct {
	Delay     time.Duration
	Jitter    time.Duration // up to this is added to the delay
	Drop      int           // one in so many is lost
	Duplicate int           // one in so many comes twice
	Hold      int           // one in so many is held back, so that others overtake it
	HoldFor   time.Duration // how long
	Hop       bool          // take one from the TTL or hop limit, as a router does
	Remark    uint8         // DSCP to set; 0: leave it
}

// Counts is what happened in one direction, in UDP packets.
type Counts struct{ Arrived, Dropped, Duplicated, Held uint64 }

// Delivery is a UDP packet that left the relay.
type Delivery struct {
	Payload []byte
	Delay   time.Duration // since its arrival: the path's, and what the machine added to it
}

// account is what is known of one direction.
type account struct {
	mu        sync.Mutex
	counts    Counts
	delivered []Delivery
}

func (a *account) count(n *uint64) (before uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*n++
	return *n - 1
}

// Counts returns what happened so far.
func (a *account) Counts() Counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts
}

// Delivered returns the packets that left so far, in their order.
func (a *account) Delivered() []Delivery {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.delivered)
}

func (a *account) deliver(d Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delivered = append(a.delivered, d)
}

// oneIn says whether packet number i, from 0, is the one in n.
func oneIn(n int, i uint64) bool { return n > 0 && i%uint64(n) == uint64(n)/2 }
