package history

import "github.com/prometheus/client_golang/prometheus"

// Names of the metrics.
const (
	MetricPaths    = "twamp_logger_history_paths"
	MetricReports  = "twamp_logger_history_reports_total"
	MetricLeft     = "twamp_logger_history_left_out_total"
	MetricFailures = "twamp_logger_history_failures_total"
	MetricBehind   = "twamp_logger_history_files_behind"
	MetricBytes    = "twamp_logger_history_bytes"
)

type metrics struct {
	reports, failures prometheus.Counter
	left              *prometheus.CounterVec
	behind            prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer, s *Store) *metrics {
	m := &metrics{
		reports:  prometheus.NewCounter(prometheus.CounterOpts{Name: MetricReports, Help: "Reports that the history of paths has taken from the files, since the start."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: MetricFailures, Help: "Attempts to bring the history of paths up to date that failed."}),
		left:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: MetricLeft, Help: "What the history of paths does not hold, by reason: reports, and histograms and files that could not be read."}, []string{"reason"}),
		behind:   prometheus.NewGauge(prometheus.GaugeOpts{Name: MetricBehind, Help: "Files of events that the history of paths has not read to their end: more than one while it is made anew."}),
	}
	for _, reason := range []string{leftLimit, leftFuture, leftPast, leftLength, leftUnreadable} {
		m.left.WithLabelValues(reason)
	}
	registry.MustRegister(m.reports, m.failures, m.left, m.behind,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricPaths, Help: "Paths in the history."}, func() float64 {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return float64(len(s.paths))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricBytes, Help: "Octets of the history of paths on the disk."}, s.size))
	return m
}
