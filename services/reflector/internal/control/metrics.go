package control

import (
	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/service"
)

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
	byReason := func(name, help string, first, last reason) {
		for why := first; why <= last; why++ {
			service.RegisterCounter(reg, name, help, prometheus.Labels{"reason": why.String()}, s.counters.by[why].Load)
		}
	}
	service.RegisterGauge(reg, metricOpen, "Open control connections.", func() float64 { return float64(s.connections.len()) })
	service.RegisterCounter(reg, metricConnections, "Control connections that were served.", nil, s.counters.connections.Load)
	byReason(metricRefused, "Control connections that were not set up, by reason.", firstRefusal, lastRefusal)
	byReason(metricEnded, "Control connections that ended after their set-up, by reason.", firstEnd, lastEnd)
	service.RegisterCounter(reg, metricAuthentication, "Control connections whose client did not have the passphrase.", nil, s.counters.by[authenticationFailed].Load)
	byReason(metricNotOpened, "Test sessions that were asked for and refused, by reason.", firstOfSession, lastSession)
}
