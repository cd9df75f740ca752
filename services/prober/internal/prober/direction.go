package prober

// direction tells on which way packets were lost, by differences of a stateful
// reflector's sequence numbers: what it received but nobody saw come back was
// lost backward, the rest forward.
//
// It is told of packets in sending order when their fate is settled, and of
// duplicates and late replies when they come.
type direction struct {
	known bool // the reflector counts by itself: a number differed from the sender's, or the user said so

	begun  bool   // a reply gave the numbers an origin
	newest uint32 // highest reflector sequence number seen
	seen   uint64 // bit i: newest-i was seen
	ahead  uint64 // numbers below newest that were unseen when a duplicate moved it

	lost    uint64 // packets lost since the last reply
	carried uint64 // of these, lost in an earlier interval

	// of the interval
	forward, backward uint64
	surplus           uint64 // numbers that no lost packet accounts for: replies still to come, or lost duplicates
	broken            bool   // the reflector's numbers began anew
}

// window is how far behind the newest number a reply may be reordered. Beyond,
// the reflector has begun anew.
const window = 64

// lose takes a lost packet.
func (d *direction) lose() { d.lost++ }

// receive takes a packet that was answered: its number n of the session, and
// the reflector's number of the first reply.
func (d *direction) receive(n uint64, r uint32) {
	if uint32(n) != r {
		d.known = true
	}
	if !d.begun {
		d.begin(n, r)
		return
	}
	ahead := int32(r - d.newest)
	switch {
	case ahead > 0:
		unseen := uint64(ahead-1) + d.ahead
		d.ahead = 0
		d.advance(ahead)
		d.attribute(unseen)
	case -ahead < window && d.seen&(1<<-ahead) == 0:
		d.fill(-ahead)
		d.attribute(0)
	default: // far behind, or a number seen before
		d.restart(r)
	}
}

// begin takes the first answer. A reflector that counts from 0 has seen as many
// packets before as its number says; one that knew the session of old has not.
func (d *direction) begin(n uint64, r uint32) {
	d.begun, d.newest, d.seen = true, r, 1
	if uint64(r) > n {
		d.lost, d.carried = 0, 0
		d.broken = true
		return
	}
	d.attribute(uint64(r))
}

// duplicate takes a further reply to a packet.
func (d *direction) duplicate(r uint32) {
	if !d.begun {
		return
	}
	ahead := int32(r - d.newest)
	switch {
	case ahead > 0 && ahead < window:
		d.ahead += uint64(ahead - 1)
		d.advance(ahead)
	case ahead <= 0 && -ahead < window && d.seen&(1<<-ahead) == 0:
		d.fill(-ahead)
	}
}

// late takes a reply to a packet that counts as lost, of the current interval.
func (d *direction) late() {
	switch {
	case d.backward > 0:
		d.backward--
	case d.lost > d.carried:
		d.lost--
	}
}

// attribute gives the losses since the last reply to the two ways: unseen of
// them reached the reflector.
func (d *direction) attribute(unseen uint64) {
	backward := min(d.lost, unseen)
	d.surplus += unseen - backward
	own := d.lost - d.carried // lost in this interval: the later ones
	ownBackward := min(own, backward)
	d.backward += ownBackward
	d.forward += own - ownBackward
	d.lost, d.carried = 0, 0
}

// fill takes a number that was passed over before: it was not lost on its way
// back, so a loss that was put down to it happened forward.
func (d *direction) fill(behind int32) {
	d.seen |= 1 << behind
	switch {
	case d.ahead > 0:
		d.ahead--
	case d.surplus > 0:
		d.surplus--
	case d.backward > 0:
		d.backward--
		d.forward++
	}
}

func (d *direction) advance(ahead int32) {
	if ahead < window {
		d.seen = d.seen<<ahead | 1
	} else {
		d.seen = 1
	}
	d.newest += uint32(ahead)
}

func (d *direction) restart(r uint32) {
	d.broken, d.known = true, true
	d.newest, d.seen = r, 1
	d.lost, d.carried, d.ahead = 0, 0, 0
}

// report gives the interval's losses by direction, and those that no later
// reply has told the direction of; all nil when it is unknown.
func (d *direction) report() (forward, backward, unresolved *uint64) {
	if !d.known || d.broken {
		return nil, nil, nil
	}
	f, b, u := d.forward, d.backward, d.lost-d.carried
	return &f, &b, &u
}

// cut begins a new interval.
func (d *direction) cut() {
	d.carried = d.lost
	d.forward, d.backward, d.surplus = 0, 0, 0
	d.broken = false
}
