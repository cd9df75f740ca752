package reflector

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tinytwamp/shared/udp"
)

// values are those of the metrics by name and label values.
func values(t *testing.T, r *Reflector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	r.Register(registry)
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	families, err := registry.Gather()
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
			all[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// What came in is answered or dropped for a reason, and the metrics say so.
func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, nil).start()
		s := g.sender("[2001:db8::1]:40001")
		s.send(server, request(0, 1), request(1, 1), request(2, 1), []byte("junk"))
		if n := len(s.replies()); n != 3 {
			t.Errorf("%d replies", n)
		}
		time.Sleep(2 * time.Second) // until the test log has told of it
		synctest.Wait()
		g.r.counters.read([]udp.Message{{Kernel: true}, {}, {}})
		got := values(t, g.r)
		for name, want := range map[string]float64{
			metricReceived:               4 + 3,
			metricReplies:                3,
			metricDropped + " too_short": 1,
			metricDropped + " loop":      0,
			metricSessions:               1,
			metricOmitted:                4, // of a sample: two requests and their replies
			metricTimes + " kernel":      4 + 1,
			metricTimes + " user":        2,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if n := got[metricReads]; n < 2 || n > 5 {
			t.Errorf("%v system calls", n)
		}
	})
}
