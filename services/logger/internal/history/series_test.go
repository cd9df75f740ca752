package history

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
)

// Every range, whichever tier answers it, has all of its packets, in points that
// are no more than were asked for, with the quantiles of the packets themselves.
func TestEveryTier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		r := rand.New(rand.NewPCG(5, 6))
		now := time.Now().Truncate(24 * time.Hour).Add(13 * time.Hour)
		time.Sleep(time.Until(now))
		type packet struct {
			at  time.Time
			rtt int64
		}
		var packets []packet
		var list []*events.RTT
		put := func(start time.Time, length time.Duration) {
			values := make([]int64, 1+r.IntN(5))
			for i := range values {
				values[i] = int64(10e6 + 1e6*r.ExpFloat64())
				packets = append(packets, packet{start.Add(length / 2), values[i]})
			}
			list = append(list, report(start, length, values...))
		}
		hour := now.Add(-time.Hour)
		for at := now.Add(-30 * 24 * time.Hour); at.Before(hour); at = at.Add(10 * time.Minute) {
			put(at, 10*time.Minute)
		}
		for at := hour; at.Before(now); at = at.Add(10 * time.Second) {
			put(at, 10*time.Second)
		}
		s.add(list...)
		s.catchUp()

		for _, c := range []struct {
			back   time.Duration
			points int
			step   time.Duration
		}{
			{10 * time.Minute, 300, 10 * time.Second},
			{20 * time.Minute, 60, 20 * time.Second},
			{time.Hour, 300, time.Minute},
			{24 * time.Hour, 300, 5 * time.Minute},
			{24 * time.Hour, 10, 4 * time.Hour},
			{7 * 24 * time.Hour, 400, 30 * time.Minute},
			{30 * 24 * time.Hour, 400, 2 * time.Hour},
			{30 * 24 * time.Hour, 40, 24 * time.Hour},
		} {
			got := s.series(now.Add(-c.back), now, c.points)
			if got.Step != c.step || len(got.Points) > c.points {
				t.Errorf("%v in %d: %d points of %v, want %v", c.back, c.points, len(got.Points), got.Step, c.step)
			}
			for i, p := range got.Points {
				if want := got.Points[0].Start.Add(time.Duration(i) * got.Step); !p.Start.Equal(want) || p.End.Sub(p.Start) != got.Step {
					t.Fatalf("point %d is from %v to %v", i, p.Start, p.End)
				}
				var values []int64
				for _, x := range packets {
					if !x.at.Before(p.Start) && x.at.Before(p.End) {
						values = append(values, x.rtt)
					}
				}
				if int(p.Sent) != len(values) {
					t.Fatalf("%d packets at %v, want %d", p.Sent, p.Start, len(values))
				}
				if len(values) == 0 {
					continue
				}
				slices.Sort(values)
				for q, got := range map[float64]int64{0.5: p.RTT.P50, 0.99: p.RTT.P99, 1: p.RTT.Max} {
					if want := pooled(values, q); math.Abs(float64(got-want)) > 0.017*float64(want) {
						t.Errorf("quantile %v at %v is %d, want %d", q, p.Start, got, want)
					}
				}
			}
		}
	})
}

// Points are not shorter than the reports: each would be followed by gaps.
func TestPointsAreNotShorterThanReports(t *testing.T) {
	s := newSite(t)
	now := time.Now().Truncate(time.Hour)
	for at := now.Add(-time.Hour); at.Before(now); at = at.Add(time.Minute) {
		s.add(report(at, time.Minute, 1e6))
	}
	s.catchUp()
	got := s.series(now.Add(-10*time.Minute), now, 300)
	if got.Step != time.Minute || len(got.Points) != 10 {
		t.Errorf("%d points of %v", len(got.Points), got.Step)
	}
	for _, p := range got.Points {
		if p.Reports != 1 {
			t.Errorf("%d reports at %v", p.Reports, p.Start)
		}
	}
}

func TestPointHasWhatItsReportsSay(t *testing.T) {
	s := newSite(t)
	start := time.Now().Truncate(5 * time.Minute).Add(-10 * time.Minute).UTC()
	count := func(n uint64) *uint64 { return &n }
	a := report(start, 10*time.Second, 1e6, 2e6, 3e6)
	a.Sent, a.Lost, a.Late, a.Duplicates, a.Reordered = 9, 4, 2, 5, 6
	a.LostForward, a.LostBackward = count(3), count(1)
	a.Marking = events.Marking{SentDSCP: 46, Remarked: 7}
	a.HopsForward = &events.Hops{Min: 4, Max: 4}
	a.Health = events.Health{Suspect: true, Reasons: []string{"3 packets dropped by the kernel"}}
	b := report(start.Add(10*time.Second), 10*time.Second)
	b.Sent, b.Lost = 5, 5
	b.HopsForward = &events.Hops{Min: 5, Max: 6, Changes: 2}
	b.Marking.SentDSCP = 10
	b.Health = events.Health{Suspect: true, Reasons: []string{"4 packets dropped by the kernel", "clock stepped"}}
	s.add(a, b)
	s.catchUp()
	got := s.series(start, start.Add(5*time.Minute), 2).Points[0]
	if got.Reports != 2 || got.Sent != 14 || got.Received != 3 || got.Lost != 9 || got.Late != 2 || got.Duplicates != 5 || got.Reordered != 6 || got.Remarked != 7 {
		t.Errorf("counts of %+v", got)
	}
	if got.LostForward == nil || *got.LostForward != 3 || *got.LostBackward != 1 {
		t.Errorf("lost %v forward, %v backward", got.LostForward, got.LostBackward)
	}
	if got.SentDSCP != 10 || got.HopsBackward != nil || *got.HopsForward != (Hops{4, 6, true}) {
		t.Errorf("DSCP %d, hops %+v and %+v", got.SentDSCP, got.HopsForward, got.HopsBackward)
	}
	if want := []string{"3 packets dropped by the kernel", "clock stepped"}; !slices.Equal(got.Suspect, want) {
		t.Errorf("suspect: %q, want %q", got.Suspect, want)
	}
	if got.RTT.N != 3 || got.RTT.Min != 1e6 || !got.ClocksValid || got.JitterNs == nil || *got.JitterNs != got.RTT.P95-got.RTT.P50 {
		t.Errorf("round trip %+v, jitter %v, clocks %v", got.RTT, got.JitterNs, got.ClocksValid)
	}
	last := s.path().Latest
	if last.Sent != 5 || last.RTT != nil || last.LostForward != nil || last.JitterNs != nil {
		t.Errorf("the last report is %+v", last)
	}
}

// One-way delays of clocks that are apart by a second, which wander: what is
// left of them is how they vary.
func TestOneWayDelaysOfClocksThatAreApart(t *testing.T) {
	s := newSite(t)
	start := time.Now().Truncate(5 * time.Minute).Add(-10 * time.Minute)
	for i := range int64(10) {
		r := report(start.Add(time.Duration(i)*10*time.Second), 10*time.Second, 20e6, 21e6, 22e6)
		offset := -1e9 - i*5e6
		r.Forward = &events.OneWay{Delay: *delayOf([]int64{10e6 + offset, 10e6 + offset + 100e3, 10e6 + offset + 300e3})}
		r.Backward = &events.OneWay{Delay: *delayOf([]int64{10e6 - offset, 10e6 - offset, 10e6 - offset + 900e3})}
		s.add(r)
	}
	s.catchUp()
	got := s.series(start, start.Add(5*time.Minute), 2).Points[0]
	near := func(v, want int64) bool { return math.Abs(float64(v-want)) <= 0.02*float64(want) }
	if f := got.Forward; got.ClocksValid || f == nil || f.Min != 0 || !near(f.P50, 100e3) || !near(f.Max, 300e3) {
		t.Errorf("forward %+v, clocks %v", f, got.ClocksValid)
	}
	if b := got.Backward; b == nil || b.P50 != 0 || !near(b.Max, 900e3) {
		t.Errorf("backward %+v", b)
	}
}

func TestDistribution(t *testing.T) {
	s := newSite(t)
	start := time.Now().Truncate(time.Hour).Add(-2 * time.Hour)
	for i := range 60 {
		s.add(report(start.Add(time.Duration(i)*time.Minute), time.Minute, 1e6, 5e6, 5e6, 80e6))
	}
	s.catchUp()
	for _, n := range []int{1, 2, 7, 50, 2000} {
		bars, err := s.store.Distribution(s.path().ID, start, start.Add(time.Hour), n)
		if err != nil || len(bars) == 0 || len(bars) > n {
			t.Fatalf("%d bars, %v; asked for %d", len(bars), err, n)
		}
		counts := map[int64]uint64{1e6: 0, 5e6: 0, 80e6: 0}
		total := uint64(0)
		for i, b := range bars {
			if i > 0 && bars[i-1].To != b.From {
				t.Errorf("bar %d begins at %d, the one before ends at %d", i, b.From, bars[i-1].To)
			}
			for v := range counts {
				if v >= b.From && v < b.To {
					counts[v] += b.N
				}
			}
			total += b.N
		}
		if total != 240 || n >= 50 && (counts[1e6] != 60 || counts[5e6] != 120 || counts[80e6] != 60) {
			t.Errorf("%d bars: %v of %d", n, counts, total)
		}
	}
	if bars, err := s.store.Distribution(s.path().ID, start.Add(-time.Hour), start.Add(-time.Minute), 10); err != nil || len(bars) != 0 {
		t.Errorf("of a time without reports: %v, %v", bars, err)
	}
}

func TestRangesAreBounded(t *testing.T) {
	s := newSite(t)
	now := time.Now()
	s.add(report(now.Add(-time.Minute), time.Minute, 1e6))
	s.catchUp()
	id := s.path().ID
	for _, c := range []struct {
		id       string
		from, to time.Time
		points   int
		want     error
	}{
		{id, now, now, 10, ErrRange},
		{id, now, now.Add(-time.Second), 10, ErrRange},
		{id, now.AddDate(-3, 0, 0), now.AddDate(-2, 0, 0), 10, nil},
		{id, now.AddDate(1, 0, 0), now.AddDate(2, 0, 0), 10, nil},
		{id, time.Unix(-1<<40, 0), time.Unix(1<<40, 0), 2, nil},
		{id, now.Add(-time.Hour), now, 0, ErrRange},
		{id, now.Add(-time.Hour), now, math.MinInt, ErrRange},
		{"", now.Add(-time.Hour), now, 10, ErrPath},
		{"../../etc/passwd", now.Add(-time.Hour), now, 10, ErrPath},
		{"0000000000000000", now.Add(-time.Hour), now, 10, ErrPath},
		{id, time.Time{}, now.AddDate(100, 0, 0), math.MaxInt, nil},
	} {
		got, err := s.store.Series(c.id, c.from, c.to, c.points)
		if !errors.Is(err, c.want) || len(got.Points) > MaxPoints {
			t.Errorf("%q from %v to %v in %d: %d points, %v", c.id, c.from, c.to, c.points, len(got.Points), err)
		}
	}
	if bars, err := s.store.Distribution(id, now.AddDate(-3, 0, 0), now.AddDate(-2, 0, 0), 10); len(bars) > 0 || err != nil {
		t.Errorf("of a time before the history: %v, %v", bars, err)
	}
	for points := minPoints; points < 500; points++ {
		for _, back := range []time.Duration{time.Second, time.Minute, 7 * time.Hour, 100 * time.Hour, month} {
			if got := s.series(now.Add(-back), now, points); len(got.Points) > points || len(got.Points) == 0 {
				t.Errorf("%v in %d: %d points of %v", back, points, len(got.Points), got.Step)
			}
		}
	}
}
