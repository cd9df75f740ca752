package stats

import "tinytwamp/shared/events"

// LossRuns follows how the losses of a session cluster: loss periods and loss
// distances of RFC 3357, one stream for the whole session. A report holds its
// part of that stream:
//
//   - A loss period is counted in the interval in which it began.
//   - Longest is the length so far of the longest period that had a loss in the
//     interval, with the losses that it had before the interval.
//   - A loss distance is in the interval of the later one of its two losses,
//     wherever the earlier one was.
//
// So the counts of all reports add up to that of the session, and the extremes
// of all reports are its extremes.
type LossRuns struct {
	run   uint64 // lost packets in a row, up to the newest packet
	since uint64 // packets from the newest loss to the newest packet, if hasLoss

	hasLoss bool // ever

	// Of the interval.
	count, longest    uint64 // longest 0: none lost
	nearest, farthest uint64 // extremes of the loss distance; 0: none
}

// Add takes the next packet in sending order.
func (l *LossRuns) Add(lost bool) {
	l.since++
	if !lost {
		l.run = 0
		return
	}
	l.run++
	l.longest = max(l.longest, l.run)
	if l.run == 1 {
		l.count++
	}
	if l.hasLoss {
		l.addDistance(l.since)
	}
	l.since, l.hasLoss = 0, true
}

func (l *LossRuns) addDistance(n uint64) {
	if l.nearest == 0 {
		l.nearest = n
	}
	l.nearest, l.farthest = min(l.nearest, n), max(l.farthest, n)
}

// Merge adds the interval's losses of another session: their periods and
// distances stay its own.
func (l *LossRuns) Merge(o *LossRuns) {
	l.count += o.count
	l.longest = max(l.longest, o.longest)
	if o.nearest > 0 {
		l.addDistance(o.nearest)
		l.addDistance(o.farthest)
	}
}

// Follow begins the interval after that of before.
func (l *LossRuns) Follow(before *LossRuns) {
	*l = LossRuns{run: before.run, since: before.since, hasLoss: before.hasLoss}
}

// Report tells the interval's loss periods; nil when no packet of it was lost.
// The distances are nil when its only loss is the session's first one.
func (l *LossRuns) Report() *events.LossPeriods {
	if l.longest == 0 {
		return nil
	}
	r := &events.LossPeriods{Count: l.count, Longest: l.longest}
	if l.nearest > 0 {
		r.MinDistance, r.MaxDistance = new(l.nearest), new(l.farthest)
	}
	return r
}
