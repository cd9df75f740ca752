package control

import "github.com/prometheus/client_golang/prometheus"

// Names of the server's metrics.
const (
	metricOpen           = "twamp_reflector_control_connections"
	metricConnections    = "twamp_reflector_control_connections_total"
	metricRefused        = "twamp_reflector_control_connections_refused_total"
	metricEnded          = "twamp_reflector_control_connections_ended_total"
	metricAuthentication = "twamp_reflector_control_authentication_failures_total"
	metricNotOpened      = "twamp_reflector_control_sessions_refused_total"
)

// Register makes the server's counters known to a metrics registry.
func (s *Server) Register(reg prometheus.Registerer) {
	counter := func(name, help string, labels prometheus.Labels, value func() uint64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value()) }))
	}
	byReason := func(name, help string, first, last reason) {
		for why := first; why <= last; why++ {
			counter(name, help, prometheus.Labels{"reason": why.String()}, s.counters.by[why].Load)
		}
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricOpen, Help: "Open control connections."},
		func() float64 { return float64(s.connections.len()) }))
	counter(metricConnections, "Control connections that were served.", nil, s.counters.connections.Load)
	byReason(metricRefused, "Control connections that were not set up, by reason.", firstRefusal, lastRefusal)
	byReason(metricEnded, "Control connections that ended after their set-up, by reason.", firstEnd, lastEnd)
	counter(metricAuthentication, "Control connections whose client did not have the passphrase.", nil, s.counters.by[authenticationFailed].Load)
	byReason(metricNotOpened, "Test sessions that were asked for and refused, by reason.", firstOfSession, lastSession)
}
