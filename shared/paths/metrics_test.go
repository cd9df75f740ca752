package paths

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"tinytwamp/shared/events"
)

var at = time.Date(2026, 3, 29, 14, 9, 1, 0, time.UTC)

// instance is the metrics of paths as a service has them.
type instance struct {
	*testing.T
	*Metrics
	registry *prometheus.Registry
	log      bytes.Buffer
}

func newInstance(t *testing.T, s Settings) *instance {
	i := &instance{T: t, registry: prometheus.NewPedanticRegistry()}
	i.Metrics = New(s, i.registry, slog.New(slog.NewTextHandler(&i.log, nil)))
	return i
}

// metric is the one of a name with the label values in any order, or nil.
func (i *instance) metric(name string, labels ...string) *dto.Metric {
	i.Helper()
	families, err := i.registry.Gather()
	if err != nil {
		i.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			all := " " + strings.Join(values, " ") + " "
			fits := f.GetName() == name
			for _, l := range labels {
				fits = fits && strings.Contains(all, " "+l+" ")
			}
			if fits {
				return m
			}
		}
	}
	return nil
}

// value is that of a counter or a gauge; NaN: there is none.
func (i *instance) value(name string, labels ...string) float64 {
	i.Helper()
	m := i.metric(name, labels...)
	switch {
	case m == nil:
		return math.NaN()
	case m.Counter != nil:
		return m.Counter.GetValue()
	}
	return m.GetGauge().GetValue()
}

// report is one of 10 s of a continuous test, the nth of them.
func report(t *testing.T, target string, n int) *events.RTT {
	rtt := []int64{20e6, 21e6, 22e6, 23e6, 90e6}
	end := at.Add(time.Duration(n) * 10 * time.Second)
	return &events.RTT{
		Prober: "somebody else", Target: events.Target{Name: target, Address: netip.MustParseAddrPort("[2001:db8::7]:862")},
		Report:  events.Report{Kind: events.ReportInterval, Index: uint64(n), Start: end.Add(-10 * time.Second), End: end},
		Planned: 10, Sent: 10, Received: 5, Late: 1, Lost: 4, LostForward: new(uint64(2)), LostBackward: new(uint64(1)), LostUnresolved: new(uint64(1)),
		Duplicates: 3, Reordered: 2, Marking: events.Marking{Remarked: 5},
		RTT:          &events.Delay{Distribution: events.Distribution{N: 5}, JitterRFC3550Ns: 1500e3, Histogram: encode(t, 0, rtt...)},
		Forward:      &events.OneWay{Delay: events.Delay{JitterRFC3550Ns: 250e3, Histogram: encode(t, -3e6, -3e6, -1e6, 0, 1e6, 2e6)}, Valid: true},
		Backward:     &events.OneWay{Delay: events.Delay{Histogram: encode(t, 5e6, 5e6, 6e6)}},
		HopsForward:  &events.Hops{Last: 7, Changes: 1},
		HopsBackward: nil,
		Health:       events.Health{Suspect: n == 1},
	}
}

// Of known reports, each figure is known.
func TestPathFigures(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	i.Observe("p1", report(t, "core", 1))
	i.Observe("p1", report(t, "core", 2))
	for _, c := range []struct {
		name, direction string
		want            float64
	}{
		{"twamp_path_packets_sent_total", "", 20},
		{"twamp_path_packets_received_total", "", 10},
		{"twamp_path_packets_late_total", "", 2},
		{"twamp_path_packets_lost_total", forward, 4},
		{"twamp_path_packets_lost_total", backward, 2},
		{"twamp_path_packets_lost_total", unknown, 2},
		{"twamp_path_duplicates_total", "", 6},
		{"twamp_path_reordered_total", "", 4},
		{"twamp_path_remarked_total", "", 10},
		{"twamp_path_hop_changes_total", forward, 2},
		{"twamp_path_hop_changes_total", backward, 0},
		{"twamp_path_hops", forward, 7},
		{"twamp_path_hops", backward, math.NaN()},
		{"twamp_path_jitter_seconds", roundTrip, 1.5e-3},
		{"twamp_path_jitter_seconds", forward, 250e-6},
		{"twamp_path_clocks_valid", "", 1},
		{"twamp_path_reports_total", "", 2},
		{"twamp_path_suspect_reports_total", "", 1},
		{"twamp_path_last_report_timestamp_seconds", "", float64(at.Unix() + 20)},
		{"twamp_path_report_interval_seconds", "", 10},
		{"twamp_paths", "", 1},
	} {
		var labels []string
		if c.name != "twamp_paths" {
			labels = []string{"p1", "core", "[2001:db8::7]:862"}
		}
		if c.direction != "" {
			labels = append(labels, c.direction)
		}
		if got := i.value(c.name, labels...); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s %s is %v, want %v", c.name, c.direction, got, c.want)
		}
	}
	h := i.metric("twamp_path_rtt_seconds").GetHistogram()
	if in := quantileIn(h, 0.5); h.GetSampleCount() != 10 || in[0] > 22e-3 || in[1] < 22e-3 {
		t.Errorf("p50 of %d round-trip times is between %v and %v", h.GetSampleCount(), in[0], in[1])
	}
	if in := quantileIn(h, 1); in[0] > 90e-3 || in[1] < 90e-3 {
		t.Errorf("the largest round-trip time is between %v and %v", in[0], in[1])
	}
	h = i.metric("twamp_path_one_way_delay_seconds", forward).GetHistogram()
	if in := quantileIn(h, 0.2); h.GetSampleCount() != 10 || in[0] > -3e-3 || in[1] < -3e-3 || math.Abs(h.GetSampleSum()+2e-3) > 1e-5 {
		t.Errorf("p20 of %d delays is between %v and %v, their sum %v", h.GetSampleCount(), in[0], in[1], h.GetSampleSum())
	}
	if h = i.metric("twamp_path_one_way_delay_seconds", backward).GetHistogram(); h.GetSampleCount() != 0 {
		t.Errorf("%d delays of clocks that are not synchronized", h.GetSampleCount())
	}
}

// A report that comes late counts, but does not say how the path is now; nor is
// one counted that only sums up others.
func TestReportsOutOfOrder(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	i.Observe("p1", report(t, "core", 5))
	late := report(t, "core", 2)
	late.HopsForward.Last = 9
	i.Observe("p1", late)
	sum := report(t, "core", 6)
	sum.Session.Paths = []uint16{50000, 50001}
	i.Observe("p1", sum)
	if got := i.value("twamp_path_hops", forward); got != 7 {
		t.Errorf("%v hops, want those of the latest report", got)
	}
	if got := i.value("twamp_path_reports_total"); got != 2 {
		t.Errorf("%v reports, want 2", got)
	}
}

// A test that has ended, or a burst, promises no further report.
func TestReportIntervalOfWhatGoesOn(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	for n, change := range []func(*events.RTT){
		func(r *events.RTT) { r.Report.Kind = events.ReportRun },
		func(r *events.RTT) { r.Report.Cut = true },
	} {
		i.Observe("p1", report(t, "core", 2*n))
		ended := report(t, "core", 2*n+1)
		change(ended)
		i.Observe("p1", ended)
		if got := i.value("twamp_path_report_interval_seconds"); !math.IsNaN(got) {
			t.Errorf("interval %v of %+v", got, ended.Report)
		}
	}
}

// However many paths events name, there are metrics of so many only; the rest
// is counted, and said once. A silent path is forgotten and makes room.
func TestPathsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInstance(t, Settings{Limit: 3, Idle: time.Hour})
		for n := range 10 {
			i.Observe("p1", report(t, fmt.Sprint("target", n), 0))
		}
		if paths, left := i.value("twamp_paths"), i.value("twamp_paths_left_out_total", leftLimit); paths != 3 || left != 7 {
			t.Errorf("%v paths, %v reports left out", paths, left)
		}
		if n := strings.Count(i.log.String(), "too many paths"); n != 1 {
			t.Errorf("said %d times:\n%s", n, &i.log)
		}
		time.Sleep(59 * time.Minute)
		i.Observe("p1", report(t, "target0", 1))
		time.Sleep(2 * time.Minute)
		i.Observe("p1", report(t, "another", 1)) // nobody has scraped meanwhile
		if got := i.value("twamp_paths"); got != 2 {
			t.Errorf("%v paths after an hour, want the one that spoke and the new one", got)
		}
		if got := i.value("twamp_path_reports_total", "target1"); !math.IsNaN(got) {
			t.Error("a silent path is not forgotten")
		}
	})
}

// What the network puts into an event neither spoils a scrape nor the metrics
// of others.
func TestStrangeReports(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	i.Observe("p1", report(t, "core", 1))
	strange := report(t, "\xff\n\"}"+strings.Repeat("x", 1<<20), 1)
	strange.Target.Address = netip.MustParseAddrPort("[fe80::1%" + strings.Repeat("z", 1<<10) + "]:862")
	strange.RTT.Histogram.HDR = "nonsense"
	strange.Forward.Histogram = nil
	strange.Sent, strange.Lost, strange.LostForward, strange.LostBackward = math.MaxUint64, 1, new(uint64(math.MaxUint64)), new(uint64(math.MaxUint64))
	i.Observe("p1", strange)
	i.Observe("p1", &events.RTT{})
	if got := i.value("twamp_paths_left_out_total", leftUnreadable); got != 2 {
		t.Errorf("%v histograms unreadable, want 2", got)
	}
	if got := i.value("twamp_paths"); got != 3 {
		t.Errorf("%v paths", got)
	}
	m := i.metric("twamp_path_packets_sent_total", "[fe80::1]:862")
	for _, l := range m.GetLabel() {
		if len(l.GetValue()) > maxLabel+2 {
			t.Errorf("label %s of %d octets", l.GetName(), len(l.GetValue()))
		}
	}
	if got := i.value("twamp_path_packets_sent_total", "core"); got != 10 {
		t.Errorf("the other path has sent %v packets", got)
	}
}

func TestWithoutPaths(t *testing.T) {
	i := newInstance(t, Settings{Limit: 0, Idle: time.Hour})
	i.Observe("p1", report(t, "core", 1))
	if families, err := i.registry.Gather(); len(families) > 0 || err != nil {
		t.Error(families, err)
	}
}

func TestNamesAreThoseOfPrometheus(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	i.Observe("p1", report(t, "core", 1))
	if problems, err := testutil.GatherAndLint(i.registry); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestSettings(t *testing.T) {
	for _, s := range []Settings{{-1, time.Hour}, {maxLimit + 1, time.Hour}, {1, 0}} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
	good := Settings{Limit: 0, Idle: time.Minute}
	if p := good.Check(); len(p) > 0 {
		t.Error(p)
	}
}

// An end before the year 1, which RFC 3339 has, is nothing to fall over.
func TestReportThatEndsBeforeTheYear1(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	r := report(t, "core", 3)
	r.Report.End = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	i.Observe("p1", r)
	if got := i.value("twamp_path_reports_total"); got != 1 {
		t.Errorf("%v reports", got)
	}
}

// A prober whose clock was ahead, until somebody set it right, is seen as it is
// now.
func TestClockThatWasAhead(t *testing.T) {
	i := newInstance(t, Settings{Limit: 10, Idle: time.Hour})
	ahead := report(t, "core", 1)
	ahead.Report.End = time.Now().Add(24 * time.Hour)
	i.Observe("p1", ahead)
	right := report(t, "core", 2)
	right.HopsForward.Last = 9
	i.Observe("p1", right)
	if got := i.value("twamp_path_hops", forward); got != 9 {
		t.Errorf("%v hops, want those of the latest report", got)
	}
}
