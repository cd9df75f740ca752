package logger

import (
	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/journal"
)

// Names of the metrics.
const (
	MetricRecords       = "twamp_logger_records_written_total"
	MetricRecordBytes   = "twamp_logger_event_bytes_written_total"
	MetricRedelivered   = "twamp_logger_redelivered_total"
	MetricPoison        = "twamp_logger_poison_total"
	MetricWriteFailures = "twamp_logger_write_failures_total"
	MetricLag           = "twamp_logger_lag_messages"
	MetricJournalFiles  = "twamp_logger_journal_files"
	MetricJournalBytes  = "twamp_logger_journal_bytes"
	MetricLinesLost     = "twamp_logger_readable_lines_lost_total"
)

type metrics struct {
	records, bytes, redelivered, writeFailures prometheus.Counter
	poison                                     *prometheus.CounterVec
	lag                                        prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, stats func() journal.Stats, linesLost func() uint64) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		records:       counter(MetricRecords, "Events written to the files and synced."),
		bytes:         counter(MetricRecordBytes, "Octets of these events."),
		redelivered:   counter(MetricRedelivered, "Messages that came again and were in the files already."),
		writeFailures: counter(MetricWriteFailures, "Attempts to write a batch that failed."),
		poison:        prometheus.NewCounterVec(prometheus.CounterOpts{Name: MetricPoison, Help: "Messages that could not be kept as events, by cause."}, []string{"cause"}),
		lag:           prometheus.NewGauge(prometheus.GaugeOpts{Name: MetricLag, Help: "Messages that the stream has not handed out yet."}),
	}
	for _, c := range []cause{malformed, misplaced, forged, unreadable} {
		m.poison.WithLabelValues(string(c))
	}
	r.MustRegister(m.poison, m.lag,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricJournalFiles, Help: "Files of events."},
			func() float64 { return float64(stats().Files) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricJournalBytes, Help: "Octets of these files."},
			func() float64 { return float64(stats().Bytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: MetricLinesLost, Help: "Readable lines that could not be written."},
			func() float64 { return float64(linesLost()) }),
	)
	return m
}
