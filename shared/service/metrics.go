package service

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Names of the metrics that every service has.
const (
	MetricBuildInfo = "twamp_build_info"
	MetricReady     = "twamp_ready"
)

// NewMetrics returns a registry with what every service tells of itself: its
// build, its readiness, the Go runtime and the process.
func NewMetrics(program string, health *Health) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: MetricBuildInfo, Help: "Always 1; its labels say what this is.",
		ConstLabels: prometheus.Labels{"service": program, "version": Version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricReady, Help: "Whether the service is ready: 1 or 0; /readyz says why it is not."},
		func() float64 {
			if len(health.Reasons()) > 0 {
				return 0
			}
			return 1
		})
	r.MustRegister(build, ready, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// RegisterCounter has a registry show a count that its owner keeps.
func RegisterCounter(reg prometheus.Registerer, name, help string, labels prometheus.Labels, value func() uint64) {
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
		func() float64 { return float64(value()) }))
}

// RegisterGauge has a registry show a figure as it is when it is asked for.
func RegisterGauge(reg prometheus.Registerer, name, help string, value func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}
