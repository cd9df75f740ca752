package stats

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"tinytwamp/shared/events"
)

// addAll feeds a sequence written as in RFC 3357: x lost, r received.
func addAll(l *LossRuns, sequence string) {
	for _, packet := range sequence {
		l.Add(packet == 'x')
	}
}

func inJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// periods is a report, with distance 0 for none.
func periods(count, longest, nearest, farthest uint64) *events.LossPeriods {
	p := &events.LossPeriods{Count: count, Longest: longest}
	if nearest > 0 {
		p.MinDistance, p.MaxDistance = &nearest, &farthest
	}
	return p
}

func TestLossPeriods(t *testing.T) {
	tests := map[string]struct {
		sequence string
		want     *events.LossPeriods
	}{
		"RFC 3357 section 4":     {"rrrxrrxxxrxrrxxx", periods(4, 3, 1, 3)},
		"RFC 3357 section 5.4.3": {"rxrrxrxrxx", periods(4, 2, 1, 3)},
		"RFC 3357, distance 30":  {strings.Repeat("r", 20) + "x" + strings.Repeat("r", 29) + "x", periods(2, 1, 30, 30)},
		"one loss":               {"rrxr", periods(1, 1, 0, 0)},
		"first packet":           {"x", periods(1, 1, 0, 0)},
		"all lost":               {"xxxxx", periods(1, 5, 1, 1)},
		"none lost":              {"rrrr", nil},
		"no packets":             {"", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var l LossRuns
			addAll(&l, test.sequence)
			if got, want := inJSON(t, l.Report()), inJSON(t, test.want); got != want {
				t.Errorf("%s: got %s, want %s", test.sequence, got, want)
			}
		})
	}
}

func TestLossPeriodsOverIntervalBounds(t *testing.T) {
	intervals := []struct {
		sequence string
		want     *events.LossPeriods
	}{
		{"rrrxx", periods(1, 2, 1, 1)},
		{"xxrrr", periods(0, 4, 1, 1)}, // the same period goes on
		{"rrrrr", nil},
		{"rxrrr", periods(1, 1, 10, 10)}, // distance from the loss three intervals before
		{"xrrrx", periods(2, 1, 4, 4)},
		{"rxrrr", periods(1, 1, 2, 2)},
	}
	var l LossRuns
	for i, interval := range intervals {
		addAll(&l, interval.sequence)
		if got, want := inJSON(t, l.Report()), inJSON(t, interval.want); got != want {
			t.Errorf("interval %d, %s: got %s, want %s", i, interval.sequence, got, want)
		}
		l.Follow(&l)
	}
}

// Property: however a session is cut, its reports add up to that of the whole.
func TestLossReportsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		var whole, parts LossRuns
		sum := new(events.LossPeriods)
		for range 10 {
			for range r.IntN(30) {
				lost := r.IntN(3) == 0
				whole.Add(lost)
				parts.Add(lost)
			}
			if p := parts.Report(); p != nil {
				addReport(sum, p)
			}
			parts.Follow(&parts)
		}
		if got, want := inJSON(t, sum), inJSON(t, whole.Report()); got != want {
			t.Fatalf("sum of the reports %s, of the whole %s", got, want)
		}
	}
}

func addReport(sum, p *events.LossPeriods) {
	sum.Count += p.Count
	sum.Longest = max(sum.Longest, p.Longest)
	if p.MinDistance == nil {
		return
	}
	if sum.MinDistance == nil {
		sum.MinDistance, sum.MaxDistance = p.MinDistance, p.MaxDistance
	}
	sum.MinDistance = new(min(*sum.MinDistance, *p.MinDistance))
	sum.MaxDistance = new(max(*sum.MaxDistance, *p.MaxDistance))
}
