package logger

import (
	"errors"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/bus"
)

// Names of the metrics.
const (
	MetricRecords        = "twamp_logger_records_written_total"
	MetricRecordBytes    = "twamp_logger_event_bytes_written_total"
	MetricBatches        = "twamp_logger_batches_written_total"
	MetricSync           = "twamp_logger_batch_sync_seconds"
	MetricDuplicates     = "twamp_logger_duplicates_dropped_total"
	MetricPoison         = "twamp_logger_poison_total"
	MetricDeadLetters    = "twamp_logger_dead_letters_published_total"
	MetricWriteFailures  = "twamp_logger_write_failures_total"
	MetricDiskState      = "twamp_logger_disk_failing"
	MetricLag            = "twamp_logger_lag_messages"
	MetricUnacknowledged = "twamp_logger_unacknowledged_messages"
	MetricStreamBytes    = "twamp_logger_stream_bytes"
	MetricStreamRemoved  = "twamp_logger_stream_removed_messages"
	MetricMissed         = "twamp_logger_missed_messages_total"
	MetricJournalFiles   = "twamp_logger_journal_files"
	MetricJournalBytes   = "twamp_logger_journal_bytes"
	MetricLinesLost      = "twamp_logger_readable_lines_lost_total"
)

// Why a message was not written: its event is in the files. Why it came again.
const (
	retried     = "retried"     // its publisher sent it again, and the stream had forgotten the first
	redelivered = "redelivered" // the acknowledgement was lost, or the logger ended before it
	restarted   = "restarted"   // the consumer was made anew, or began again
)

func duplicateReason(d bus.Delivery) string {
	switch {
	case d.Delivered > 1:
		return redelivered
	case d.Attempt > 1:
		return retried
	}
	return restarted
}

// Why the disk takes no events, as the label of its metric.
const (
	diskFull  = "full"  // no space, or none left of a quota
	diskError = "error" // any other
)

type metrics struct {
	records, bytes, batches, writeFailures, deadLetters, missed prometheus.Counter
	duplicates, poison                                          *prometheus.CounterVec
	sync                                                        prometheus.Histogram
	lag, unacknowledged, streamBytes, streamRemoved             prometheus.Gauge
	disk                                                        *prometheus.GaugeVec
}

func newMetrics(o Options) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		o.Metrics.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		o.Metrics.MustRegister(g)
		return g
	}
	m := &metrics{
		records:        counter(MetricRecords, "Events written to the files and synced."),
		bytes:          counter(MetricRecordBytes, "Octets of these events."),
		batches:        counter(MetricBatches, "Batches of events dealt with: each is one write and one sync."),
		writeFailures:  counter(MetricWriteFailures, "Attempts to write a batch that failed."),
		deadLetters:    counter(MetricDeadLetters, "Dead letters that the stream has taken."),
		lag:            gauge(MetricLag, "Messages that the stream has not handed out yet."),
		unacknowledged: gauge(MetricUnacknowledged, "Messages that were handed out and not acknowledged yet."),
		streamBytes:    gauge(MetricStreamBytes, "Octets of the messages that the stream holds."),
		streamRemoved:  gauge(MetricStreamRemoved, "Messages that the stream had and has no more: a full stream discards the oldest."),
		missed:         counter(MetricMissed, "Messages that the stream discarded before this logger had them, on any subject."),
		duplicates:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: MetricDuplicates, Help: "Messages whose event was in the files already, by why they came again."}, []string{"reason"}),
		poison:         prometheus.NewCounterVec(prometheus.CounterOpts{Name: MetricPoison, Help: "Messages that could not be kept as events, by cause."}, []string{"cause"}),
		disk:           prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: MetricDiskState, Help: "1 while events cannot be written to the disk, by why."}, []string{"reason"}),
		sync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: MetricSync, Help: "Time to write and sync a batch.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
	}
	for _, c := range []cause{malformed, misplaced, forged, unreadable} {
		m.poison.WithLabelValues(string(c))
	}
	for _, r := range []string{retried, redelivered, restarted} {
		m.duplicates.WithLabelValues(r)
	}
	m.diskState(nil)
	o.Journal.OnSync(func(took time.Duration) { m.sync.Observe(took.Seconds()) })
	o.Metrics.MustRegister(m.duplicates, m.poison, m.disk, m.sync,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricJournalFiles, Help: "Files of events."},
			func() float64 { return float64(o.Journal.Stats().Files) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: MetricJournalBytes, Help: "Octets of these files and their indexes on the disk."},
			func() float64 { return float64(o.Journal.Stats().Bytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: MetricLinesLost, Help: "Readable lines that could not be written."},
			func() float64 { return float64(o.Readable.Failed()) }),
	)
	return m
}

// diskState tells how the last write went.
func (m *metrics) diskState(err error) {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	set := func(reason string, failing bool) {
		value := 0.0
		if failing {
			value = 1
		}
		m.disk.WithLabelValues(reason).Set(value)
	}
	set(diskFull, full)
	set(diskError, err != nil && !full)
}
