package reflector

import (
	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/service"
)

// Names of the reflector's metrics.
const (
	metricReceived  = "twamp_reflector_packets_received_total"
	metricReplies   = "twamp_reflector_replies_sent_total"
	metricDropped   = "twamp_reflector_packets_dropped_total"
	metricSessions  = "twamp_reflector_sessions"
	metricRefused   = "twamp_reflector_stateless_replies_total"
	metricTests     = "twamp_reflector_test_sessions"
	metricTestsEver = "twamp_reflector_test_sessions_opened_total"
	metricDisplaced = "twamp_reflector_sessions_displaced_total"
	metricReads     = "twamp_reflector_reads_total"
	metricTimes     = "twamp_reflector_timestamps_total"
	metricOmitted   = "twamp_reflector_log_records_omitted_total"
)

// Register makes the reflector's counters known to a metrics registry.
func (r *Reflector) Register(reg prometheus.Registerer) {
	service.RegisterCounter(reg, metricReceived, "Datagrams received.", nil, r.counters.received.Load)
	service.RegisterCounter(reg, metricReplies, "Replies sent.", nil, r.counters.replies.Load)
	for why := answered + 1; why < reasons; why++ {
		service.RegisterCounter(reg, metricDropped, "Datagrams not answered, by reason.", prometheus.Labels{"reason": why.String()},
			func() uint64 { return r.dropped(why) })
	}
	service.RegisterCounter(reg, metricTestsEver, "Test sessions that TWAMP-Control opened.", nil, func() uint64 {
		_, opened := r.sessions.counts()
		return opened
	})
	service.RegisterGauge(reg, metricTests, "Test sessions of TWAMP-Control that have not ended.", func() float64 {
		live, _ := r.sessions.counts()
		return float64(live)
	})
	service.RegisterCounter(reg, metricReads, "System calls that brought datagrams, many at once under load.", nil, r.counters.reads.Load)
	const times = "Arrival times of datagrams, by where they came from."
	service.RegisterCounter(reg, metricTimes, times, prometheus.Labels{"source": "kernel"}, func() uint64 {
		user := r.counters.userTime.Load() // before the others, or there could be more of them
		return r.counters.received.Load() - user
	})
	service.RegisterCounter(reg, metricTimes, times, prometheus.Labels{"source": "user"}, r.counters.userTime.Load)
	service.RegisterCounter(reg, metricOmitted, "Records that the test log left out.", nil, r.log.cut.Load)
	if r.table == nil {
		return
	}
	service.RegisterCounter(reg, metricRefused, "Requests answered without state because the session table was full.", nil, func() uint64 {
		refused, _ := r.table.pressure()
		return refused
	})
	service.RegisterCounter(reg, metricDisplaced, "Silent sessions that made room for new ones in a full session table.", nil, func() uint64 {
		_, displaced := r.table.pressure()
		return displaced
	})
	service.RegisterGauge(reg, metricSessions, "Live test sessions.", func() float64 { return float64(r.table.len()) })
}
