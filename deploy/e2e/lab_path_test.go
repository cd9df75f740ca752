//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"tinytwamp/deploy/e2e/internal/relay"
	"tinytwamp/shared/events"
)

const (
	labCount = 100 // packets of each test
	ms       = time.Millisecond
)

// labCase is a network, and what a report must say of it.
type labCase struct {
	name              string
	forward, backward relay.Path
	args              []string // of the prober
	check             func(t *testing.T, r *events.RTT, forward, backward relay.Counts)
}

var labCases = []labCase{
	{
		name:    "5 ms each way",
		forward: relay.Path{Delay: 5 * ms}, backward: relay.Path{Delay: 5 * ms},
		check: func(t *testing.T, r *events.RTT, _, _ relay.Counts) {
			wantClean(t, r)
		},
	},
	{
		name:    "3 ms there, 7 ms back",
		forward: relay.Path{Delay: 3 * ms}, backward: relay.Path{Delay: 7 * ms},
		args: []string{"-tlv", "follow-up"},
		check: func(t *testing.T, r *events.RTT, _, _ relay.Counts) {
			wantClean(t, r)
			// Nobody tells of the last one, nor of some where packets come in a bunch.
			if r.Timestamps.T3Kernel < labCount/2 {
				t.Errorf("%d T3 of %d are the kernel's, want most", r.Timestamps.T3Kernel, r.Received)
			}
		},
	},
	{
		name:    "jitter on the way back",
		forward: relay.Path{Delay: 2 * ms}, backward: relay.Path{Delay: 2 * ms, Jitter: 4 * ms},
		check: func(t *testing.T, r *events.RTT, _, _ relay.Counts) {
			wantLoss(t, r, 0, 0)
		},
	},
	{
		name:    "loss there",
		forward: relay.Path{Delay: ms, Drop: 10}, backward: relay.Path{Delay: ms},
		check: func(t *testing.T, r *events.RTT, forward, _ relay.Counts) {
			wantCount(t, "dropped by the relay", forward.Dropped, labCount/10)
			wantLoss(t, r, forward.Dropped, 0)
		},
	},
	{
		// It needs one loss there to know that the reflector counts by itself.
		name:    "loss on the way back",
		forward: relay.Path{Delay: ms, Drop: labCount}, backward: relay.Path{Delay: ms, Drop: 10},
		check: func(t *testing.T, r *events.RTT, _, backward relay.Counts) {
			wantCount(t, "dropped by the relay", backward.Dropped, labCount/10)
			wantLoss(t, r, 1, backward.Dropped)
		},
	},
	{
		// From a stateless reflector it would look the same if all was lost there.
		name:    "loss only on the way back",
		forward: relay.Path{Delay: ms}, backward: relay.Path{Delay: ms, Drop: 10},
		check: func(t *testing.T, r *events.RTT, _, backward relay.Counts) {
			wantCount(t, "lost", r.Lost, backward.Dropped)
			if r.LostForward != nil || r.LostBackward != nil || r.LostUnresolved != nil {
				t.Error("the directions of the losses are told, which nobody can know")
			}
		},
	},
	{
		name:    "loss only on the way back, from a reflector that is known to count",
		forward: relay.Path{Delay: ms}, backward: relay.Path{Delay: ms, Drop: 10},
		args: []string{"-reflector-state", "stateful"},
		check: func(t *testing.T, r *events.RTT, _, backward relay.Counts) {
			wantLoss(t, r, 0, backward.Dropped)
		},
	},
	{
		name:    "loss both ways",
		forward: relay.Path{Delay: ms, Drop: 20}, backward: relay.Path{Delay: ms, Drop: 8},
		check: func(t *testing.T, r *events.RTT, forward, backward relay.Counts) {
			wantLoss(t, r, forward.Dropped, backward.Dropped)
		},
	},
	{
		name:    "duplicates both ways",
		forward: relay.Path{Delay: ms, Duplicate: 20}, backward: relay.Path{Delay: ms, Duplicate: 25},
		check: func(t *testing.T, r *events.RTT, forward, backward relay.Counts) {
			wantLoss(t, r, 0, 0)
			wantCount(t, "doubled by the relay", forward.Duplicated, labCount/20)
			wantCount(t, "duplicates", r.Duplicates, forward.Duplicated+backward.Duplicated)
			wantKnown(t, "duplicates_forward", r.DuplicatesForward, forward.Duplicated)
			wantKnown(t, "duplicates_backward", r.DuplicatesBackward, backward.Duplicated)
		},
	},
	{
		name:    "reordering both ways",
		forward: relay.Path{Delay: ms, Hold: 20, HoldFor: 25 * ms}, backward: relay.Path{Delay: ms, Hold: 20, HoldFor: 25 * ms},
		check: func(t *testing.T, r *events.RTT, forward, backward relay.Counts) {
			wantLoss(t, r, 0, 0)
			wantCount(t, "held by the relay", forward.Held, labCount/20)
			if r.Reordered == 0 { // how many follows below
				t.Error("no packet was reordered")
			}
			wantCount(t, "duplicates", r.Duplicates, 0)
		},
	},
	{
		name:    "marking kept",
		forward: relay.Path{Delay: ms}, backward: relay.Path{Delay: ms},
		args: []string{"-dscp", "EF"},
		check: func(t *testing.T, r *events.RTT, _, _ relay.Counts) {
			wantClean(t, r)
			wantMarking(t, r, 46, 46, 0)
		},
	},
	{
		name:    "remarked on the way there",
		forward: relay.Path{Delay: ms, Remark: 34}, backward: relay.Path{Delay: ms},
		args: []string{"-dscp", "EF", "-tlv", "cos"},
		check: func(t *testing.T, r *events.RTT, _, _ relay.Counts) {
			wantClean(t, r)
			wantMarking(t, r, 46, 46, 0) // what was asked for, kept on the way back
			if d := r.Marking.ReflectorDSCP; d == nil || *d != 34 {
				t.Errorf("reflector_dscp is %v, want 34", d)
			}
		},
	},
	{
		name:    "remarked on the way back, a router each way",
		forward: relay.Path{Delay: ms, Hop: true}, backward: relay.Path{Delay: ms, Hop: true, Remark: 34},
		args: []string{"-dscp", "EF"},
		check: func(t *testing.T, r *events.RTT, _, _ relay.Counts) {
			wantClean(t, r)
			wantMarking(t, r, 46, 34, labCount)
			one := events.Hops{Min: 1, Max: 1, Last: 1}
			if r.HopsForward == nil || *r.HopsForward != one {
				t.Errorf("hops_forward is %v, want %v", r.HopsForward, one)
			}
			if r.HopsBackward == nil || *r.HopsBackward != one {
				t.Errorf("hops_backward is %v, want %v", r.HopsBackward, one)
			}
		},
	},
}

// TestLabPath: what the network does is what the report says.
func TestLabPath(t *testing.T) {
	l := newLab(t)
	l.startReflector(t)
	for _, c := range labCases {
		for family, address := range families {
			t.Run(c.name+"/"+family, func(t *testing.T) {
				path := l.join(t, c.forward, c.backward)
				reports := l.startProber(t, address, append([]string{"-count", "100"}, c.args...)...).reports(t)
				if len(reports) != 1 {
					t.Fatalf("%d reports, want 1", len(reports))
				}
				r := &reports[0]
				wantCount(t, "sent", r.Sent, labCount)
				wantCount(t, "unexpected", r.Unexpected, 0)
				wantCount(t, "implausible", r.Implausible, 0)
				wantKernelTimes(t, r)
				wantTruth(t, r, path, ends)
				c.check(t, r, path.Forward.Counts(), path.Backward.Counts())
			})
		}
	}
}

func wantCount(t *testing.T, what string, got, want uint64) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// wantKnown compares a count that may be unknown.
func wantKnown(t *testing.T, what string, got *uint64, want uint64) {
	t.Helper()
	if got == nil || *got != want {
		text, _ := json.Marshal(got)
		t.Errorf("%s: %s, want %d", what, text, want)
	}
}

// wantClean: every packet was answered once and in order.
func wantClean(t *testing.T, r *events.RTT) {
	t.Helper()
	wantCount(t, "received", r.Received, r.Sent)
	wantCount(t, "duplicates", r.Duplicates, 0)
	wantCount(t, "reordered", r.Reordered, 0)
}

// wantLoss compares the losses with the true ones. Their direction is unknown
// as long as nothing shows whether the reflector counts by itself: so it is
// without any loss.
func wantLoss(t *testing.T, r *events.RTT, forward, backward uint64) {
	t.Helper()
	wantCount(t, "lost", r.Lost, forward+backward)
	wantCount(t, "late", r.Late, 0)
	wantCount(t, "received", r.Received, r.Sent-forward-backward)
	if forward+backward > 0 || r.LostForward != nil {
		wantKnown(t, "lost_forward", r.LostForward, forward)
		wantKnown(t, "lost_backward", r.LostBackward, backward)
		wantKnown(t, "lost_unresolved", r.LostUnresolved, 0)
	}
}

func wantMarking(t *testing.T, r *events.RTT, sent, returned uint8, remarked uint64) {
	t.Helper()
	m := r.Marking
	if m.SentDSCP != sent || m.ReturnedDSCP == nil || *m.ReturnedDSCP != returned || m.Remarked != remarked {
		text, _ := json.Marshal(m)
		t.Errorf("marking is %s, want DSCP %d sent and %d returned, %d remarked", text, sent, returned, remarked)
	}
}

// wantKernelTimes: T1 and T4 of all packets are the kernel's.
func wantKernelTimes(t *testing.T, r *events.RTT) {
	t.Helper()
	wantCount(t, "T1 by the kernel", r.Timestamps.T1Kernel, r.Received)
	wantCount(t, "T4 by the kernel", r.Timestamps.T4Kernel, r.Received)
}
