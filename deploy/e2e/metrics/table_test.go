package metrics

import (
	"flag"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write the table in deploy/guides/metrics.md anew")

const (
	guide      = root + "/deploy/guides/metrics.md"
	tableBegin = "<!-- metrics -->\n\n"
	tableEnd   = "<!-- /metrics -->"
)

// together are the metrics of all services.
func together(t *testing.T) families {
	t.Helper()
	all := families{}
	for _, found := range metricsOf(t) {
		maps.Copy(all, found)
	}
	return all
}

// The guide lists each metric that a service has, and none else.
func TestGuideListsAllMetrics(t *testing.T) {
	want, homeless := table(together(t))
	if len(homeless) > 0 {
		t.Errorf("no group of the table is for %v", homeless)
	}
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), tableBegin)
	got, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no %s and %s", guide, tableBegin, tableEnd)
	}
	if *update {
		if err := os.WriteFile(guide, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if got != want {
		t.Errorf("the table in %s is not that of the services; `make docs` writes it anew", guide)
	}
}

// Names are as Prometheus wants them.
func TestNames(t *testing.T) {
	var ours []*dto.MetricFamily
	for name, f := range together(t) {
		if own(name) {
			ours = append(ours, f)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(ours).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Of one path a prober and the logger have the same metrics, with the same
// labels, so that a dashboard can use either.
func TestPathMetricsAreTheSameEverywhere(t *testing.T) {
	all := metricsOf(t)
	for name, f := range all["logger"] {
		if !strings.HasPrefix(name, "twamp_path_") {
			continue
		}
		other := all["prober"][name]
		if other == nil {
			t.Errorf("the prober has no %s", name)
		} else if a, b := labels(f), labels(other); a != b || kind(f) != kind(other) {
			t.Errorf("%s is a %s with %s, and of the prober a %s with %s", name, kind(f), a, kind(other), b)
		}
	}
	if len(all["logger"]["twamp_path_rtt_seconds"].GetMetric()) != 1 {
		t.Errorf("%d paths", len(all["logger"]["twamp_path_rtt_seconds"].GetMetric()))
	}
}
