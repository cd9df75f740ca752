package prober

import (
	"time"

	"tinytwamp/shared/events"
)

// Reply is what a person sees of one packet's answer.
type Reply struct {
	Target    *events.Target
	Number    uint64 // of the packet, from 0
	Size      int    // octets of UDP payload
	RTT       time.Duration
	Known     bool // RTT is plausible
	Hops      int  // of the way back, -1 unknown
	Duplicate bool // not the first to its packet
	Late      bool // came after the timeout
}
