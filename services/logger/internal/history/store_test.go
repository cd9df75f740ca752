package history

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

// Events that come again, or in any order, or late: each counts once, and where
// its time is.
func TestReportsInAnyOrderCountOnce(t *testing.T) {
	s := newSite(t)
	start := time.Now().Truncate(5 * time.Minute).Add(-20 * time.Minute)
	var list []journal.Entry
	for i := range 60 {
		list = append(list, s.entry(report(start.Add(time.Duration(i)*10*time.Second), 10*time.Second, int64(i+1)*1e6)))
	}
	s.put(list[30:]...) // with higher sequences
	s.catchUp()
	s.put(list[:10]...)
	s.catchUp()
	s.restart()
	slices.Reverse(list)
	s.put(list[30:]...)
	for i := range list {
		list[i].Seq += 1000
		list[i].Retried = true
	}
	s.put(list...)
	s.catchUp()
	for _, points := range []int{2, 10, 300} {
		if sent, reports := sum(s.series(start, start.Add(10*time.Minute), points).Points); sent != 60 || reports != 60 {
			t.Errorf("in %d points: %d packets of %d reports, want 60", points, sent, reports)
		}
	}
	if p := s.path(); !p.Last.Equal(start.Add(10*time.Minute)) || !p.First.Equal(start) || p.Every != 10*time.Second {
		t.Errorf("path from %v to %v every %v", p.First, p.Last, p.Every)
	}
}

// What is left out is counted, by reason.
func TestBoundsOnReports(t *testing.T) {
	s := newSite(t)
	s.close()
	s.limit = 3
	s.open()
	now := time.Now()
	for reason, change := range map[string]func(*events.RTT){
		leftFuture: func(r *events.RTT) { r.Report.End = now.Add(time.Hour) },
		leftPast: func(r *events.RTT) {
			r.Report.Start, r.Report.End = now.Add(-40*24*time.Hour), now.Add(-40*24*time.Hour)
		},
		leftLength:     func(r *events.RTT) { r.Report.Start = now.Add(-25 * time.Hour) },
		leftUnreadable: func(r *events.RTT) { r.RTT.Histogram.HDR = "no histogram" },
	} {
		r := report(now.Add(-time.Minute), time.Minute, 1e6)
		change(r)
		s.add(r)
		s.catchUp()
		if got := s.left(reason); got != 1 {
			t.Errorf("%s is %v", reason, got)
		}
	}
	ancient, backward, total := report(time.Time{}, 0), report(now, -time.Minute), report(now.Add(-time.Minute), time.Minute, 1e6)
	total.Session.Paths = []uint16{50000, 50001}
	s.add(ancient, backward, total)
	s.catchUp()
	if past, length := s.left(leftPast), s.left(leftLength); past != 2 || length != 2 {
		t.Errorf("past %v, length %v", past, length)
	}
	if p := s.path(); p.Latest.RTT != nil || p.Latest.Sent != 1 || p.Latest.Forward == nil {
		t.Errorf("the report without a histogram is %+v", p.Latest)
	}

	long := strings.Repeat("ä", 500)
	for i := range 5 {
		r := report(now.Add(-time.Minute), time.Minute, 1e6)
		r.Target.Name = fmt.Sprint(i, long)
		r.Target.Address = netip.MustParseAddrPort("[fe80::1%" + "eth0]:862")
		r.Target.Labels = map[string]string{}
		for j := range 100 {
			r.Target.Labels[fmt.Sprint(j, long)] = long
		}
		s.add(r)
	}
	s.catchUp()
	all := s.store.Paths()
	if len(all) != 3 || s.left(leftLimit) != 3 {
		t.Fatalf("%d paths, %v left out", len(all), s.left(leftLimit))
	}
	p := all[0]
	if p.Target == "core" {
		p = all[2]
	}
	if len(p.Target) > maxText || len(p.Labels) > maxLabels || p.Address != "[fe80::1]:862" {
		t.Errorf("%+v", p)
	}
}

// What has become too old is removed: buckets, tier by tier, and in the end the
// path.
func TestOldIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		start := time.Now()
		time.Sleep(time.Minute)
		s.add(report(start, 10*time.Second, 1e6))
		s.catchUp()
		buckets := func() (n int) {
			for i, tier := range s.store.tiers {
				s.store.scan(s.path().ID, i, start.Add(-tier.step), start.Add(tier.step), func(time.Time, *bucket) { n++ })
			}
			return n
		}
		for i, after := range []time.Duration{0, 30 * time.Minute, 7 * time.Hour, 30 * time.Hour, 9 * 24 * time.Hour} {
			time.Sleep(time.Until(start.Add(after)))
			s.catchUp()
			if got := buckets(); got != 5-i {
				t.Errorf("after %v: %d buckets, want %d", after, got, 5-i)
			}
		}
		time.Sleep(23 * 24 * time.Hour)
		s.catchUp()
		if got := s.store.Paths(); len(got) != 0 {
			t.Errorf("%d paths after a month", len(got))
		}
		s.restart()
		if got := s.store.Paths(); len(got) != 0 {
			t.Errorf("%d paths after a restart", len(got))
		}
	})
}

// Run follows the journal, tells who waits for news, and sparklines hold the last
// hour.
func TestRunFollowsTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		news, cancel := s.store.Subscribe()
		done := make(chan error)
		ctx, stop := contextOf(t)
		go func() { done <- s.store.Run(ctx) }()
		first := time.Now()
		for i := range 90 {
			start := first.Add(time.Duration(i) * time.Minute)
			time.Sleep(time.Until(start.Add(time.Minute)))
			s.add(report(start, time.Minute, 1e6))
			<-news
		}
		p := s.path()
		if len(p.Spark) != 60 || p.Spark[0].RTT == nil || p.Spark[0].Forward != nil {
			t.Errorf("%d points in the last hour, the first %+v", len(p.Spark), p.Spark[0])
		}
		for i := range p.Spark[1:] {
			if p.Spark[i+1].Start.Sub(p.Spark[i].Start) != time.Minute {
				t.Errorf("from %v to %v", p.Spark[i].Start, p.Spark[i+1].Start)
			}
		}
		cancel()
		s.add(report(time.Now(), time.Minute, 1e6))
		time.Sleep(time.Minute)
		select {
		case <-news:
			t.Error("told after it was cancelled")
		default:
		}
		if got, ok := s.store.Path(p.ID); !ok || got.Latest.Reports != 1 {
			t.Errorf("%+v, %v", got, ok)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Of bursts that are started now and then, the time between them is told.
func TestTimeBetweenRuns(t *testing.T) {
	s := newSite(t)
	now := time.Now()
	for i := range 3 {
		r := report(now.Add(time.Duration(i-4)*5*time.Minute), time.Second, 1e6)
		r.Report.Kind = events.ReportRun
		s.add(r)
	}
	s.catchUp()
	if got := s.path(); got.Every != 5*time.Minute {
		t.Errorf("every %v", got.Every)
	}
}
