package prober

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp/udptest"
)

// values are those of all counters and gauges by name and label values, and
// the numbers of values in histograms.
func values(t *testing.T, from prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			all[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

// The metrics of a continuous test that has ended are what its reports add up
// to.
func TestMetricsAddUpReports(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, time.Second
		b.forward(udptest.LoseEvery(7))
		b.run(t, 10*time.Second)
		want := make(map[string]float64)
		for _, e := range b.reports {
			for name, n := range map[string]uint64{
				metricPlanned: e.Planned, metricSent: e.Sent, metricReceived: e.Received, metricLost: e.Lost, metricLate: e.Late,
				metricReports: 1, metricLateness: e.Lateness.N,
				metricTimestamps + " kernel t4": e.Timestamps.T4Kernel, metricTimestamps + " user t3": e.Timestamps.T3User,
			} {
				want[name] += float64(n)
			}
			for code, said := range map[string]string{doubtT1User: "sending times are not the kernel's", doubtLate: "sent late", doubtNotSent: "planned packets"} {
				n := 0.0
				if strings.Contains(strings.Join(e.Health.Reasons, "\n"), said) {
					n = 1
				}
				want[metricSuspect+" "+code] += n
			}
		}
		got := values(t, b.metrics)
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s is %v, want %v", name, got[name], want[name])
			}
		}
		if got[metricSent] < 100 || got[metricLost] < 10 {
			t.Errorf("%v sent, %v lost: too few to tell", got[metricSent], got[metricLost])
		}
		if problems, err := testutil.GatherAndLint(b.metrics); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
}

// Each doubt that a report can have is a metric.
func TestDoubtsAreCounted(t *testing.T) {
	worst := &events.RTT{
		Planned: 9, Sent: 1, SendErrors: 1, Lateness: &events.Distribution{P99Ns: int64(time.Second)},
		Clock: events.Clock{ProberSteps: 1}, Timestamps: events.Timestamps{T1User: 1, T4User: 1},
	}
	worst.Health = health(worst, 1, time.Second)
	if n := len(worst.Health.Reasons); n != len(doubtCodes) {
		t.Errorf("%d reasons to doubt, want %d", n, len(doubtCodes))
	}
	sum := newTally()
	sum.add(worst, newInterval())
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(sum)
	got := values(t, registry)
	for _, code := range doubtCodes {
		if got[metricSuspect+" "+code] != 1 {
			t.Errorf("%v reports with the doubt %s", got[metricSuspect+" "+code], code)
		}
	}
}
