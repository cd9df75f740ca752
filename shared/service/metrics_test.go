package service_test

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tinytwamp/shared/service"
)

// Whoever watches a service sees what it is, and whether it is ready.
func TestMetricsOfEveryService(t *testing.T) {
	health := service.NewHealth("bus")
	metrics := service.NewMetrics("reflector", health)
	ready := func() float64 {
		t.Helper()
		families, err := metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == service.MetricReady {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatalf("no %s", service.MetricReady)
		return 0
	}
	if ready() != 0 {
		t.Error("ready before the check was made")
	}
	health.Set("bus", nil)
	if ready() != 1 {
		t.Error("not ready, though the check is good")
	}
	health.Set("bus", errors.New("gone"))
	if ready() != 0 {
		t.Error("ready, though the check failed")
	}
	for _, name := range []string{service.MetricBuildInfo, "go_goroutines"} {
		if n, err := testutil.GatherAndCount(metrics, name); err != nil || n != 1 {
			t.Errorf("%d series of %s: %v", n, name, err)
		}
	}
	if problems, err := testutil.GatherAndLint(metrics, service.MetricBuildInfo, service.MetricReady); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
