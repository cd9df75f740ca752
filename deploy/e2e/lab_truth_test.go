//go:build e2e && linux

package e2e

import (
	"maps"
	"slices"
	"testing"
	"time"

	"tinytwamp/deploy/e2e/internal/relay"
	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

// truth is what the relay did to the packets that were answered. A report is
// held to it and not to the path's own figures: on a busy machine the relay is
// late as anything else.
type truth struct {
	rtt, forward, backward []time.Duration // sorted
	reordered              uint64          // RFC 4737 section 3
}

func newTruth(t *testing.T, r *relay.Relay) truth {
	t.Helper()
	var all truth
	there := map[uint32]time.Duration{}
	for _, d := range r.Forward.Delivered() {
		var p stamp.SenderPacket
		if err := p.UnmarshalBinary(d.Payload); err != nil {
			t.Fatal(err)
		}
		if _, copied := there[p.Sequence]; !copied {
			there[p.Sequence] = d.Delay
		}
	}
	answered := map[uint32]bool{}
	var next uint32
	for _, d := range r.Backward.Delivered() {
		var p stamp.ReflectorPacket
		if err := p.UnmarshalBinary(d.Payload); err != nil {
			t.Fatal(err)
		}
		n := p.SenderSequence
		if answered[n] {
			continue
		}
		answered[n] = true
		all.forward = append(all.forward, there[n])
		all.backward = append(all.backward, d.Delay)
		all.rtt = append(all.rtt, there[n]+d.Delay)
		if n < next {
			all.reordered++
		}
		next = max(next, n+1)
	}
	for _, delays := range [][]time.Duration{all.rtt, all.forward, all.backward} {
		slices.Sort(delays)
	}
	return all
}

const (
	middle = 200 * time.Microsecond // for the way from the kernel's timestamps to the relay's
	ends   = 3 * ms                 // more, as each moment that the machine took from one of them shows
)

// wantTruth holds delays and reordering to what the relay did: medians within
// [middle], least and largest within the given margin.
func wantTruth(t *testing.T, r *events.RTT, path *relay.Relay, margin time.Duration) {
	t.Helper()
	want := newTruth(t, path)
	if r.RTT == nil || len(want.rtt) == 0 {
		t.Fatal("no packet was answered")
	}
	wantCount(t, "reordered", r.Reordered, want.reordered)
	wantDelays(t, "rtt", r.RTT.Distribution, want.rtt, margin)
	wantDelays(t, "forward", r.Forward.Distribution, want.forward, margin)
	wantDelays(t, "backward", r.Backward.Distribution, want.backward, margin)
}

func wantDelays(t *testing.T, what string, got events.Distribution, want []time.Duration, margin time.Duration) {
	t.Helper()
	figures := map[string]struct {
		ns           int64
		want, margin time.Duration
	}{
		"min": {got.MinNs, want[0], margin},
		"p50": {got.P50Ns, want[(len(want)-1)/2], middle},
		"max": {got.MaxNs, want[len(want)-1], margin},
	}
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		f := figures[name]
		if d := time.Duration(f.ns) - f.want; d < -f.margin || d > f.margin {
			t.Errorf("%s %s is %v, want %v within %v", what, name, time.Duration(f.ns), f.want, f.margin)
		}
	}
}
