package page

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// Names of the metrics.
const (
	MetricRequests = "twamp_logger_page_requests_total"
	MetricRefused  = "twamp_logger_page_refused_total"
	MetricStreams  = "twamp_logger_page_streams"
)

// reason is why a request was refused, as its counter's label.
type reason string

const (
	refusedMethod  reason = "method"  // it would change something
	refusedHost    reason = "host"    // it was meant for another host's page
	refusedToken   reason = "token"   // it has none, or a wrong one
	refusedStreams reason = "streams" // as many as may listen to news do
	refusedRequest reason = "request" // it asks for what cannot be
)

var reasons = []reason{refusedMethod, refusedHost, refusedToken, refusedStreams, refusedRequest}

type metrics struct {
	requests prometheus.Counter
	refused  *prometheus.CounterVec
	streams  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounter(prometheus.CounterOpts{Name: MetricRequests, Help: "Requests to the page."}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: MetricRefused, Help: "Requests to the page that were refused, by reason."}, []string{"reason"}),
		streams:  prometheus.NewGauge(prometheus.GaugeOpts{Name: MetricStreams, Help: "Browsers that listen to news of the page."}),
	}
	for _, why := range reasons {
		m.refused.WithLabelValues(string(why))
	}
	r.MustRegister(m.requests, m.refused, m.streams)
	return m
}

func (p *Page) refuse(why reason) { p.metrics.refused.WithLabelValues(string(why)).Inc() }

func (p *Page) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.metrics.requests.Inc()
		next.ServeHTTP(w, r)
	})
}
