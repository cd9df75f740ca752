package prober

import (
	"errors"
	"math/bits"
)

// direction tells on which way packets were lost, by differences of a stateful
// reflector's sequence numbers: numbers that nobody saw come back were lost
// backward, the other lost packets forward.
//
// It is told of packets in sending order when their fate is settled, and of
// further and late replies when they come. What it says is exact, but for
//
//   - packets that were doubled on the way there: each may make one loss look
//     as on the other way, if the copy's reply was lost or came [window] or
//     more numbers early;
//   - packets that overtook another on the way there, or were overtaken: each
//     likewise, if it was lost on the way back or not both are of the interval;
//   - losses between the last answer of an interval and the first of the next
//     one: the earlier interval calls them unresolved, and of the later one as
//     many are put down to the way back as can be.
type direction struct {
	known     bool // the reflector counts by itself: a number differed from the sender's, or the user said so
	stateless bool // it does not, the user said: its numbers tell nothing
	mixed     bool // it counts this session and others as one

	begun  bool   // the first answer gave the numbers an origin
	before uint64 // further and late replies before it
	origin uint32 // its number
	newest uint32 // highest reflector sequence number of a settled packet
	seen   uint64 // bit i: newest-i was seen
	early  uint64 // bit i: newest+1+i was seen, in a further or late reply

	answered uint64 // number after the last packet that was answered
	pending  uint64 // packets lost since
	carried  uint64 // of these, lost in an earlier interval

	// of the interval
	floor  uint32 // numbers below are of an earlier one
	lost   uint64 // packets lost before the last answer
	unseen uint64 // numbers passed over: lost on the way back, or still to come
	owed   uint64 // numbers below the origin that must still come, else the reflector knew the session of old
	broken bool   // the reflector's numbers began anew
}

// StateHint says whether a reflector numbers its replies by itself.
type StateHint uint8

// What -reflector-state can be.
const (
	StateAuto StateHint = iota // as soon as one of its numbers differs from the sender's
	Stateful
	Stateless
)

// UnmarshalText reads the setting.
func (r *StateHint) UnmarshalText(b []byte) error {
	switch string(b) {
	case "auto":
		*r = StateAuto
	case "stateful":
		*r = Stateful
	case "stateless":
		*r = Stateless
	default:
		return errors.New("must be auto, stateful or stateless")
	}
	return nil
}

// window is how far behind the newest number a reply may be reordered. Beyond,
// the reflector has begun anew.
const window = 64

// lose takes a lost packet.
func (d *direction) lose() { d.pending++ }

// receive takes a packet that was answered: its number n of the session, and
// the reflector's number of the first reply.
func (d *direction) receive(n uint64, r uint32) {
	switch ahead := int32(r - d.newest); {
	case !d.begun:
		d.begin(n, r)
	case ahead > 0:
		d.resolve(d.advance(ahead))
	case ahead > -window && d.seen&(1<<-ahead) == 0:
		d.fill(-ahead)
		d.resolve(0)
	default: // far behind, or a number seen before
		d.restart(r)
	}
	d.answered = n + 1
}

// begin takes the first answer. A reflector that counts from 0 has seen as many
// packets before as its number says; one that knew the session of old has not.
// Nor has one that saw later packets first, whose numbers are still to come.
func (d *direction) begin(n uint64, r uint32) {
	d.begun, d.origin, d.newest, d.seen = true, r, r, 1
	if ahead := uint64(r) - n; uint64(r) > n {
		d.owed = ahead
		d.broken = ahead >= window
		r -= uint32(ahead)
	}
	d.floor = d.newest - window
	d.resolve(uint64(r) - min(uint64(r), d.before))
}

// also takes a further or late reply, whose number is not lost either.
func (d *direction) also(r uint32) {
	ahead := int32(r - d.newest)
	switch {
	case !d.begun:
		d.before++
	case ahead > 0 && ahead <= window:
		d.early |= 1 << (ahead - 1)
	case ahead <= 0 && ahead > -window && d.seen&(1<<-ahead) == 0:
		d.fill(-ahead)
	}
}

// find takes packet n of the interval, which counts as lost, off the losses: it
// was answered late.
func (d *direction) find(n uint64) {
	if n >= d.answered {
		d.pending = max(d.pending, 1) - 1
	} else {
		d.lost = max(d.lost, 1) - 1
	}
}

// forget does the same for a packet of an earlier interval.
func (d *direction) forget(n uint64) {
	if n >= d.answered && d.carried > 0 {
		d.pending--
		d.carried--
	}
}

// resolve gives the losses since the last answer their place: unseen numbers
// were passed over since. Those of the interval have the first claim to them.
func (d *direction) resolve(unseen uint64) {
	own := d.pending - d.carried
	d.lost += own
	d.unseen += unseen - min(d.carried, unseen-min(own, unseen))
	d.pending, d.carried = 0, 0
}

// fill takes a number that was passed over before: it was not lost.
func (d *direction) fill(behind int32) {
	d.seen |= 1 << behind
	r := d.newest - uint32(behind)
	switch {
	case d.owed > 0 && int32(r-d.origin) < 0:
		d.owed--
	case d.unseen > 0 && int32(r-d.floor) >= 0:
		d.unseen--
	}
}

// advance moves on to a newer number, and says how many were passed over
// unseen.
func (d *direction) advance(ahead int32) (unseen uint64) {
	passed := d.early & (1<<(ahead-1) - 1)
	unseen = uint64(ahead-1) - uint64(bits.OnesCount64(passed))
	// The lowest bit of passed is the number next to the old newest one.
	mirrored := bits.Reverse64(passed) >> max(0, 64-ahead) << max(0, ahead-64)
	d.seen = d.seen<<ahead | mirrored | 1
	d.early >>= ahead
	d.newest += uint32(ahead)
	return unseen
}

func (d *direction) restart(r uint32) {
	d.broken, d.known = true, true
	d.newest, d.seen, d.early = r, 1, 0
	d.pending, d.carried = 0, 0
}

// report gives the interval's losses by direction, and those that no later
// reply has told the direction of; all nil when it is unknown.
func (d *direction) report() (forward, backward, unresolved *uint64) {
	if !d.known || d.stateless || d.mixed || d.broken || d.owed > 0 {
		return nil, nil, nil
	}
	b := min(d.lost, d.unseen)
	return new(d.lost - b), new(b), new(d.pending - d.carried)
}

// cut begins a new interval.
func (d *direction) cut() {
	d.carried = d.pending
	d.floor = d.newest + 1
	d.lost, d.unseen, d.owed = 0, 0, 0
	d.broken = false
}
