package relay

import (
	"sync/atomic"
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
type Counts struct {
	Arrived, Dropped, Duplicated, Held uint64

	Late uint64 // frames that the relay itself delayed by 0.2 ms or more, for want of a CPU
}

type counters struct{ arrived, dropped, duplicated, held, late atomic.Uint64 }

func (c *counters) counts() Counts {
	return Counts{c.arrived.Load(), c.dropped.Load(), c.duplicated.Load(), c.held.Load(), c.late.Load()}
}

// oneIn says whether packet number i, from 0, is the one in n.
func oneIn(n int, i uint64) bool { return n > 0 && i%uint64(n) == uint64(n)/2 }
