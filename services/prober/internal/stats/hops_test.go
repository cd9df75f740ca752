package stats

import (
	"testing"

	"tinytwamp/shared/events"
)

func TestHops(t *testing.T) {
	intervals := []struct {
		ttls []uint8
		want *events.Hops
	}{
		{[]uint8{250, 250, 249, 252, 252}, &events.Hops{Min: 3, Max: 6, Last: 3, Changes: 2}},
		{[]uint8{252}, &events.Hops{Min: 3, Max: 3, Last: 3}},
		{nil, nil},
		{[]uint8{255}, &events.Hops{Changes: 1}}, // since the last packet that was seen
		{[]uint8{0, 255}, &events.Hops{Max: 255, Changes: 2}},
	}
	var h Hops
	for i, interval := range intervals {
		for _, ttl := range interval.ttls {
			h.Add(ttl)
		}
		got := h.Report()
		if (got == nil) != (interval.want == nil) || got != nil && *got != *interval.want {
			t.Errorf("interval %d: got %+v, want %+v", i, got, interval.want)
		}
		h.Follow(&h)
	}
}
