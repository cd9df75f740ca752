package prober

import (
	"encoding/json"
	"flag"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"tinytwamp/shared/events"
)

var (
	scenarios = flag.Uint64("scenarios", 200, "random scenarios to test")
	seed      = flag.Uint64("seed", 0, "test only the random scenario of this seed")
)

// Every figure of every report of a random test is what the reference computes
// from the list of packets, to the nanosecond.
func TestReportsAgainstReference(t *testing.T) {
	if *seed > 0 {
		testScenario(t, *seed)
		return
	}
	for n := uint64(1); n <= *scenarios && !t.Failed(); n++ {
		testScenario(t, n)
	}
}

func testScenario(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Logf("again with: go test -run %s -seed %d", t.Name(), seed)
			}
		}()
		b := newBench(t)
		_, limit := random(seed, b)
		origin := b.reflector.next
		b.run(t, limit)
		if len(b.tap.attempts) == 0 {
			return
		}
		m, want := b.expect()
		if len(b.reports) != len(want) {
			t.Errorf("%d reports, want %d", len(b.reports), len(want))
			return
		}
		known := truth{reflected: b.reflector.reflected, disorder: b.reflector.disorder(), origin: origin}
		for k, got := range b.reports {
			if err := m.direction(k, known).check(got); err != nil {
				t.Errorf("report %d of %d: %v", k, len(want), err)
			}
			compare(t, k, b, got, want[k])
		}
	})
}

// compare compares a report with the reference but for what is tested
// elsewhere: directions, histograms, health.
func compare(t *testing.T, k int, b *bench, got, want *events.RTT) {
	t.Helper()
	source := want.Session.Source
	want.Session = events.Session{
		SSID: b.test.SSID, Mode: b.test.Mode.String(), Auth: "none", Source: source, IntervalNs: int64(b.test.Interval),
		TimeoutNs: int64(b.test.Timeout), Size: 44, Schedule: b.test.Schedule.String(), Timestamp: b.test.Timestamp.String(),
	}
	if b.test.Mode == ModeLight {
		want.Session.SSID = 0
	}
	want.Prober = b.cfg.Name
	want.Target = events.Target{Name: "r", Host: reflectorAddr.Addr().String(), Address: reflectorAddr}
	want.Health = got.Health
	want.Clock.ProberSynchronized, want.Clock.ProberErrorNs = got.Clock.ProberSynchronized, got.Clock.ProberErrorNs
	want.LostForward, want.LostBackward, want.LostUnresolved = got.LostForward, got.LostBackward, got.LostUnresolved
	if got.LostForward == nil {
		want.DuplicatesForward, want.DuplicatesBackward = nil, nil
	}
	for _, way := range []struct{ got, want *events.OneWay }{{got.Forward, want.Forward}, {got.Backward, want.Backward}} {
		if way.got != nil && way.want != nil {
			way.want.Valid = got.Clock.ProberSynchronized
			way.got.Histogram = nil
		}
	}
	for _, d := range []*events.Delay{got.RTT, got.Processing} {
		if d != nil {
			d.Histogram = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("report %d: got (-), want (+)\n%s", k, difference(got, want))
	}
}

// difference shows the fields in which two values differ.
func difference(got, want any) string {
	g, _ := json.MarshalIndent(got, "", " ")
	w, _ := json.MarshalIndent(want, "", " ")
	a, b := strings.Split(string(g), "\n"), strings.Split(string(w), "\n")
	var out []string
	if len(a) != len(b) {
		return string(g) + "\n" + string(w)
	}
	for i := range a {
		if a[i] != b[i] {
			out = append(out, "-"+a[i], "+"+b[i])
		}
	}
	return strings.Join(out, "\n")
}
