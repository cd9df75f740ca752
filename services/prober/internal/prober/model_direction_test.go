package prober

import (
	"fmt"

	"tinytwamp/shared/events"
)

// truth is what the reflector knows and the prober does not.
type truth struct {
	reflected []reflected
	disorder  uint64 // requests that reached the reflector doubled or in another order
	origin    uint32 // its first sequence number
}

// direction is what the losses by direction of an interval must be.
type ways struct {
	known      bool // the numbers tell
	null       bool // for certain null: the reflector began anew, or knew the session
	unsure     bool // may be null
	forward    uint64
	backward   uint64
	unresolved uint64
	tolerance  uint64 // forward and backward may be off by so many, their sum may not
}

// direction finds on which way packets were really lost, and where the rules of
// direction.go allow to see it.
//
//   - Unknown until an answer's number differs from its packet's.
//   - Null in the interval of the first answer after a restart, if its number is
//     one that was seen before, and of the first answer of all, if its number is
//     higher than that of its packet. A restart that jumps to a number not seen
//     yet cannot be told from losses.
//   - Unresolved what was lost after the interval's last answer.
//   - Exact, but for one per request that reached the reflector doubled or
//     out of order (overtaken or overtaking), per loss between the last answer of the interval before and
//     the start of this one, and, after a restart, per late answer.
func (m *model) direction(k int, t truth) (d ways) {
	i := m.intervals[k]
	reached := make(map[uint32]bool)
	restarts := 0
	for _, x := range t.reflected {
		reached[x.sender] = true
		if x.restarted {
			restarts++
		}
	}
	for j := range i.sealed {
		if r := m.replies[j]; r.packet >= 0 && r.Sequence != uint32(r.packet) {
			d.known = true
		}
	}
	last := i.first - 1
	for n := i.first; n < i.past; n++ {
		if m.packets[n].received {
			last = n
		}
	}
	for n := i.first; n < i.past; n++ {
		p := m.packets[n]
		lost := !p.received && (len(p.answers) == 0 || p.answers[0] >= i.sealed)
		switch {
		case !lost:
		case n > last:
			d.unresolved++
		case reached[uint32(n)]:
			d.backward++
		default:
			d.forward++
		}
	}
	for n := i.first - 1; n >= 0 && !m.packets[n].received; n-- {
		d.tolerance++
	}
	d.tolerance += t.disorder
	if restarts > 0 {
		for _, p := range m.packets {
			if !p.received && len(p.answers) > 0 {
				d.tolerance++
			}
		}
	}
	m.beginnings(k, t, &d)
	return d
}

// beginnings finds whether the reflector's numbers began anew in interval k.
func (m *model) beginnings(k int, t truth, d *ways) {
	epoch, epochs := 0, make(map[[2]uint32]int)
	for _, x := range t.reflected {
		if x.restarted {
			epoch++
		}
		epochs[[2]uint32{x.sender, x.sequence}] = epoch
	}
	var seen []uint32
	current, hidden := -1, false
	for n, p := range m.packets[:m.intervals[k].past] {
		if !p.received {
			continue
		}
		r := m.replies[p.answers[0]].Sequence
		here := p.interval == k
		at := epochs[[2]uint32{uint32(n), r}]
		switch {
		case current < 0:
			d.null = d.null || here && r > uint32(n) && t.disorder == 0
			d.unsure = d.unsure || here && r > uint32(n)
			hidden = at > 0
		case at != current:
			again := false
			for _, s := range seen {
				again = again || s == r
			}
			d.known = d.known || again
			d.null = d.null || here && again && t.disorder == 0 && !hidden
			hidden = hidden || !again
		}
		current = at
		seen = append(seen, r)
	}
	if hidden || epoch > 0 && t.disorder > 0 || t.origin > 0 {
		d.unsure, d.tolerance = true, 1<<62 // from then on the numbers mean something else than is thought
	}
}

// check compares it with a report.
func (d ways) check(e *events.RTT) error {
	if e.LostForward == nil {
		if e.LostBackward != nil || e.LostUnresolved != nil || e.DuplicatesForward != nil || e.DuplicatesBackward != nil {
			return fmt.Errorf("some directions are null, and some not")
		}
		if d.known && !d.null && !d.unsure {
			return fmt.Errorf("directions are null, want %+v", d)
		}
		return nil
	}
	f, b, u := *e.LostForward, *e.LostBackward, *e.LostUnresolved
	if !d.known || d.null {
		return fmt.Errorf("directions %d, %d, %d, want null", f, b, u)
	}
	if f+b+u != e.Lost {
		return fmt.Errorf("directions %d, %d, %d do not add up to %d", f, b, u, e.Lost)
	}
	if d.tolerance == 1<<62 {
		return nil
	}
	if u != d.unresolved {
		return fmt.Errorf("%d unresolved, want %d", u, d.unresolved)
	}
	if off := max(f, d.forward) - min(f, d.forward); off > d.tolerance {
		return fmt.Errorf("lost forward %d, backward %d, want %d, %d within %d", f, b, d.forward, d.backward, d.tolerance)
	}
	return nil
}
