package prober

import (
	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/service"
)

// Names of the prober's metrics.
const (
	metricSessions = "twamp_prober_sessions"
	metricSent     = "twamp_prober_packets_sent_total"
	metricReceived = "twamp_prober_replies_received_total"
	metricReloads  = "twamp_prober_reloads_total"
	metricLookUps  = "twamp_prober_lookups_failed_total"

	metricControls       = "twamp_prober_control_connections"
	metricControlsFailed = "twamp_prober_control_failures_total"
	metricPlanned        = "twamp_prober_packets_planned_total"
	metricLate           = "twamp_prober_packets_late_total"
	metricLost           = "twamp_prober_packets_lost_total"
	metricDuplicates     = "twamp_prober_duplicates_total"
	metricUnexpected     = "twamp_prober_unexpected_total"
	metricImplausible    = "twamp_prober_implausible_total"
	metricHMACFailed     = "twamp_prober_hmac_failed_total"
	metricSendErrors     = "twamp_prober_send_errors_total"
	metricKernelDrops    = "twamp_prober_kernel_drops_total"
	metricLateness       = "twamp_prober_lateness_seconds"
	metricTimestamps     = "twamp_prober_timestamps_total"
	metricReports        = "twamp_prober_reports_total"
	metricSuspect        = "twamp_prober_suspect_reports_total"
)

// Register makes the prober's counters known to a metrics registry.
func (p *Prober) Register(reg prometheus.Registerer) {
	c := &p.counters
	service.RegisterCounter(reg, metricSent, "Test packets sent.", nil, c.sent.Load)
	service.RegisterCounter(reg, metricReceived, "Test packets answered in time.", nil, c.received.Load)
	service.RegisterCounter(reg, metricReloads, "Lists of targets taken over or refused while the test ran.", prometheus.Labels{"result": "taken"}, c.reloaded.Load)
	service.RegisterCounter(reg, metricReloads, "Lists of targets taken over or refused while the test ran.", prometheus.Labels{"result": "refused"}, c.refused.Load)
	service.RegisterCounter(reg, metricLookUps, "Look-ups of target names that failed.", nil, c.unresolved.Load)
	const failures = "Control connections that could not be set up, or were lost."
	service.RegisterCounter(reg, metricControlsFailed, failures, prometheus.Labels{"reason": "setup"}, c.controlsFailed.Load)
	service.RegisterCounter(reg, metricControlsFailed, failures, prometheus.Labels{"reason": "lost"}, c.controlsLost.Load)
	service.RegisterGauge(reg, metricControls, "Control connections of TWAMP that are there.", func() float64 { return float64(c.controls.Load()) })
	service.RegisterGauge(reg, metricSessions, "Test sessions that go on.", func() float64 { return float64(c.sessions.Load()) })
	reg.MustRegister(p.tally)
}
