package udp

import (
	"time"

	"golang.org/x/sys/unix"
)

// ReadClock asks the kernel how good its wall clock is, which needs no
// privilege. A kernel that refuses to tell counts as unsynchronized.
func ReadClock() Clock {
	var t unix.Timex // Modes 0: read only
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return unknownClock
	}
	return Clock{
		Synchronized: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		Error:        time.Duration(t.Maxerror) * time.Microsecond,
	}
}
