package prober

import (
	"tinytwamp/shared/stamp"
)

// slot is a packet of a session, from its sending until long after its answer
// could come.
type slot struct {
	wire   stamp.Timestamp // T1 as it stands in the packet
	t1     int64           // user-space time just before the send, Unix ns
	mono   int64           // the same on the monotonic clock
	tx     int64           // kernel's transmit time, 0: none
	late   int64           // behind schedule, ns
	state  state
	answer answer // when received

	doubled bool   // a further reply with another number of the reflector's came before the packet was settled
	again   uint32 // that number
}

type state uint8

const (
	pending  state = iota
	received       // in time
	overdue        // answered after the timeout
	lost
)

// answer is what the first reply to a packet tells.
type answer struct {
	sequence   uint32 // the reflector's
	estimate   stamp.ErrorEstimate
	rtt        int64 // all in ns
	forward    int64
	backward   int64
	processing int64
	t3         int64 // Unix ns, if oneWay

	delays    bool // rtt is plausible
	oneWay    bool // forward, backward and processing are known, too
	t1Kernel  bool
	t3Kernel  bool // corrected by Follow-Up Telemetry
	t4Kernel  bool
	senderTTL int16 // at the reflector, -1 unknown
	ttl       int16 // of the reply, -1 unknown
	tos       int16 // of the reply, -1 unknown
	senderTOS int16 // of the request at the reflector, -1 unknown
	remarked  bool  // it has another DSCP than was sent
	reordered bool  // a later packet's came before
}

// ring keeps the last packets of a session. Packets are numbered from 0; their
// sequence numbers on the wire are the low 32 bits.
type ring struct {
	slots []slot // a power of two
	next  uint64 // number of the next packet
}

// newRing makes a ring for at least n packets.
func newRing(n uint64) ring {
	size := uint64(8)
	for size < n {
		size *= 2
	}
	return ring{slots: make([]slot, size)}
}

func (r *ring) at(n uint64) *slot { return &r.slots[n&uint64(len(r.slots)-1)] }

// find gives the number of the packet with a sequence number, if the ring still
// holds it.
func (r *ring) find(sequence uint32) (n uint64, ok bool) {
	back := uint64(uint32(r.next) - sequence)
	if back == 0 || back > r.next || back > uint64(len(r.slots)) {
		return 0, false
	}
	return r.next - back, true
}
