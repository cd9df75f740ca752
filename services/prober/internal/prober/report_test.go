package prober

import (
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp/udptest"
)

// Intervals of a continuous test join without gap or overlap, and their sums
// are those of the whole.
func TestContinuous(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, 730*ms
		b.test.Timeout = 1900 * ms // longer than two intervals
		b.forward(udptest.LoseEvery(7))
		b.back(udptest.LoseEvery(11))
		b.run(t, 30*time.Second+50*ms)

		var sum counts
		at := b.start
		for k, e := range b.reports {
			last := k == len(b.reports)-1
			if e.Report.Index != uint64(k) || !e.Report.Start.Equal(at) || e.Report.Cut != last || e.Report.Kind != "interval" {
				t.Errorf("report %d: %+v, want it to start at %v", k, e.Report, at)
			}
			if at = e.Report.End; !last && at.Sub(e.Report.Start) != b.cfg.ReportInterval {
				t.Errorf("report %d covers %v", k, at.Sub(e.Report.Start))
			}
			c := countsOf(e)
			if c.received+c.late+c.lost != c.sent || c.forward >= 0 && c.forward+c.backward+c.unresolved != c.lost {
				t.Errorf("report %d: %+v does not add up", k, c)
			}
			sum.sent += c.sent
			sum.received += c.received
			sum.lost += c.lost
		}
		if !at.Equal(b.stopped) {
			t.Errorf("the last report ends at %v, want %v", at, b.stopped)
		}
		// 301 packets in 30.05 s, of which 43 do not get there; 258 replies, of
		// which 23 do not come back.
		if sum != (counts{sent: 301, received: 235, lost: 66}) {
			t.Errorf("in all %+v", sum)
		}
	})
}

// Reports are made as soon as their last packet is settled, also when several
// intervals wait for the same one, and hold none.
func TestReportsComeAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, time.Second
		b.test.Interval, b.test.Timeout = 10*time.Second, 5500*ms
		b.forward(udptest.Lose(0))
		b.run(t, 8500*ms)
		if len(b.reports) != 9 {
			t.Fatalf("%d reports, want 9", len(b.reports))
		}
		for k, at := range b.madeAt {
			want := max(5500*ms, time.Duration(k+1)*time.Second)
			if k == 8 {
				want = 8500 * ms
			}
			if got := at.Sub(b.start); got != want {
				t.Errorf("report %d after %v, want %v", k, got, want)
			}
		}
	})
}

// A signal while empty intervals wait for a packet does not hang the test.
func TestEndWhileIntervalsWait(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, time.Second
		b.test.Interval, b.test.Timeout = 10*time.Second, 5500*ms
		b.forward(udptest.Lose(0))
		b.run(t, 4500*ms)
		if n := len(b.reports); n != 5 || !b.reports[4].Report.Cut || !b.madeAt[4].Equal(b.start.Add(5500*ms)) {
			t.Fatalf("%d reports, the last at %v", n, b.madeAt[n-1].Sub(b.start))
		}
	})
}

// A burst ends with its last reply, or the timeout of its last packet.
func TestBurstEnds(t *testing.T) {
	tests := map[string]struct {
		back udptest.Path
		want time.Duration
	}{
		"answered":       {udptest.Delay(30 * ms), 930 * ms},
		"last one lost":  {udptest.Lose(9), 2900 * ms},
		"first one lost": {udptest.Lose(0), 2000 * ms},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				b.back(tt.back)
				b.run(t, 0)
				if got := time.Since(b.start); got != tt.want {
					t.Errorf("took %v, want %v", got, tt.want)
				}
				if end := b.reports[0].Report.End.Sub(b.start); end != 900*ms {
					t.Errorf("the report ends at %v, want when the last packet was sent", end)
				}
			})
		})
	}
}

// A burst that is cut short reports what it has, and waits for what is on its
// way.
func TestCutShort(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.back(udptest.Delay(120 * ms))
		b.run(t, 350*ms)
		e := b.reports[0]
		checkCounts(t, e, counts{4, 4, 0, 0, -1, -1, -1})
		if !e.Report.Cut || e.Planned != 4 || !e.Report.End.Equal(b.stopped) || time.Since(b.start) != 420*ms {
			t.Errorf("%+v, planned %d, after %v", e.Report, e.Planned, time.Since(b.start))
		}
	})
}

// A reply to a packet of an interval that was reported already is late after
// report, and moves nothing between received, late and lost.
func TestLateAfterReport(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval, b.test.Timeout = true, time.Second, 500*ms
		b.back(udptest.On(udptest.Delay(1300*ms), 8))
		b.run(t, 3050*ms)
		for k, want := range []counts{{10, 9, 0, 1, -1, -1, -1}, {10, 10, 0, 0, -1, -1, -1}, {10, 10, 0, 0, -1, -1, -1}} {
			checkCounts(t, b.reports[k], want)
			if got := b.reports[k].LateAfterReport; (got == 1) != (k == 2) {
				t.Errorf("report %d: %d late after report", k, got)
			}
		}
	})
}

// A reply after the timeout is late even if nobody gave its packet up before.
func TestLateBetweenRarePackets(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.Interval, b.test.Timeout, b.test.Count = 10*time.Second, 2*time.Second, 2
		b.back(udptest.On(udptest.Delay(5*time.Second), 0))
		b.run(t, 0)
		checkCounts(t, b.reports[0], counts{2, 1, 1, 0, -1, -1, -1})
		if r := b.replies[0]; !r.Late || r.Known {
			t.Errorf("a person sees %+v", r)
		}
	})
}

// A restart of the reflector makes the directions of its own interval null,
// and of no other.
func TestRestartInOneInterval(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, time.Second
		b.reflector.behave = func(i int, a *answering) { a.restart = i == 14 }
		b.forward(udptest.Lose(3, 13, 33))
		b.back(udptest.Lose(22))
		b.run(t, 4050*ms)
		for k, want := range []counts{{10, 9, 0, 1, 1, 0, 0}, {10, 9, 0, 1, -1, -1, -1}, {10, 9, 0, 1, 0, 1, 0}, {10, 9, 0, 1, 1, 0, 0}} {
			checkCounts(t, b.reports[k], want)
		}
	})
}

// Losses that the bound of two reports lies in are unresolved in the first, and
// resolved in the second.
func TestLossOverTheBound(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, time.Second
		b.forward(udptest.Lose(3, 8, 9, 10, 11))
		b.run(t, 2050*ms)
		checkCounts(t, b.reports[0], counts{10, 7, 0, 3, 1, 0, 2})
		checkCounts(t, b.reports[1], counts{10, 8, 0, 2, 2, 0, 0})
		if l := b.reports[1].LossPeriods; l.Count != 0 || l.Longest != 4 {
			t.Errorf("loss periods %+v: the one over the bound began before, and is 4 long", l)
		}
	})
}

// A report keeps its figures while later intervals are gathered.
func TestReportsAreNotOverwritten(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, time.Second
		b.forward(udptest.Lose(1).Then(udptest.On(udptest.Duplicate(ms), 5)))
		b.run(t, 5050*ms)
		for k, e := range b.reports {
			if d := e.DuplicatesForward; d == nil || (*d == 1) != (k == 0) {
				t.Errorf("report %d: duplicates forward %v", k, d)
			}
		}
	})
}

func TestHealth(t *testing.T) {
	late := events.Distribution{P99Ns: int64(11 * ms)}
	tests := map[string]struct {
		report  events.RTT
		drops   uint64
		suspect bool
	}{
		"not sent":      {report: events.RTT{Planned: 3, Sent: 2, SendErrors: 0, Lost: 1}, suspect: true},
		"lost":          {report: events.RTT{Planned: 3, Sent: 3, Lost: 3}},
		"drops":         {drops: 1, suspect: true},
		"refused":       {report: events.RTT{Planned: 1, SendErrors: 1}, suspect: true},
		"late":          {report: events.RTT{Lateness: &late}, suspect: true},
		"step":          {report: events.RTT{Clock: events.Clock{ProberSteps: 1}}, suspect: true},
		"arrival times": {report: events.RTT{Timestamps: events.Timestamps{T4User: 1}}, suspect: true},
	}
	for name, tt := range tests {
		h := health(&tt.report, tt.drops, 0)
		if h.Suspect != tt.suspect || (len(h.Reasons) == 1) != tt.suspect || h.KernelDrops != tt.drops {
			t.Errorf("%s: %+v", name, h)
		}
	}
}
