package udp

import "time"

// Clock is the condition of the wall clock behind all timestamps.
type Clock struct {
	Synchronized bool          // to UTC, by NTP, PTP or the like
	Error        time.Duration // upper bound of the error, if synchronized
}

// unknownClock has the largest error that the kernel itself would state for a
// clock which nobody disciplines.
var unknownClock = Clock{Error: 16 * time.Second}
