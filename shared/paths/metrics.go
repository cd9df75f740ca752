package paths

import (
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/events"
)

// Why a report is left out of the metrics, or a part of it.
const (
	leftLimit      = "limit"
	leftUnreadable = "unreadable"
)

var (
	pathsDesc = prometheus.NewDesc("twamp_paths", "Paths that there are metrics of.", nil, nil)
	leftDesc  = prometheus.NewDesc("twamp_paths_left_out_total", "What metrics of paths do not hold: reports of paths beyond the limit, and histograms that could not be read.", []string{"reason"}, nil)
)

// Metrics keeps the figures of paths for Prometheus, each for as long as it is
// reported. It is safe for concurrent use. A nil one keeps nothing.
type Metrics struct {
	// set once
	limit int
	idle  time.Duration
	log   *slog.Logger

	mu         sync.Mutex // guards all below
	paths      map[path]*figures
	swept      time.Time // when idle ones were looked for last
	refused    uint64    // reports
	unreadable uint64    // histograms
	said       bool      // that there are too many paths
}

// figures are those of one path.
type figures struct {
	created, reported time.Time // when its first and its last report came
	end               time.Time // of what its latest report covers
	histograms        [delays]Histogram
	counts            []float64
	states            []float64
}

// New returns one that holds no path yet, registered; nil if the settings
// want none.
func New(s Settings, reg prometheus.Registerer, log *slog.Logger) *Metrics {
	if s.Limit == 0 {
		return nil
	}
	m := &Metrics{limit: s.Limit, idle: s.Idle, log: log, paths: make(map[path]*figures)}
	reg.MustRegister(m)
	return m
}

// Observe takes a report of a prober.
func (m *Metrics) Observe(prober string, r *events.RTT) { m.Add(m.Read(prober, r)) }

// Add takes a report, which is to come once only; nil: none.
func (m *Metrics) Add(r *Report) {
	if m == nil || r == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	f := m.paths[r.path]
	if f == nil {
		if f = m.open(now); f == nil {
			return
		}
		m.paths[r.path] = f
	}
	f.reported = now
	m.unreadable += uint64(r.unreadable)
	for i := range r.histograms {
		f.histograms[i].Merge(&r.histograms[i])
	}
	for i, n := range r.counts {
		f.counts[i] += float64(n)
	}
	if f.states == nil || !r.end.Before(f.end) || f.end.After(now) { // else it comes late; an end to come was that of a wrong clock
		f.end, f.states = r.end, r.states
	}
}

// open makes room for the figures of another path; nil: there is none.
func (m *Metrics) open(now time.Time) *figures {
	if len(m.paths) >= m.limit && now.Sub(m.swept) >= minIdle {
		m.forget(now)
	}
	if len(m.paths) >= m.limit {
		m.refused++
		if !m.said {
			m.said = true
			m.log.Warn("too many paths for metrics of each: further ones are left out; raise -metrics-paths", "limit", m.limit)
		}
		return nil
	}
	return &figures{created: now, counts: make([]float64, len(counts))}
}

// forget forgets the paths that are not reported any more.
func (m *Metrics) forget(now time.Time) {
	m.swept = now
	for k, f := range m.paths {
		if now.Sub(f.reported) > m.idle {
			delete(m.paths, k)
		}
	}
}

// Describe is for the registry.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	to <- pathsDesc
	to <- leftDesc
	to <- rtt
	to <- oneWay
	for _, c := range counts {
		to <- c.desc
	}
	for _, s := range states {
		to <- s.desc
	}
}

// Collect is for the registry.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, x := range m.collect() {
		to <- x
	}
}

// collect makes the metrics. They are sent without the lock, which reports wait
// for.
func (m *Metrics) collect() []prometheus.Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(time.Now())
	counter := func(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
		return prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	all := []prometheus.Metric{
		prometheus.MustNewConstMetric(pathsDesc, prometheus.GaugeValue, float64(len(m.paths))),
		counter(leftDesc, float64(m.refused), leftLimit),
		counter(leftDesc, float64(m.unreadable), leftUnreadable),
	}
	for k, f := range m.paths {
		all = f.append(all, k)
	}
	return all
}

// append appends the metrics of a path.
func (f *figures) append(all []prometheus.Metric, k path) []prometheus.Metric {
	labels := func(direction string) []string {
		l := []string{k.prober, k.target, k.address}
		if direction != "" {
			l = append(l, direction)
		}
		return l
	}
	all = append(all,
		f.histograms[delayRTT].Metric(rtt, f.created, labels("")...),
		f.histograms[delayForward].Metric(oneWay, f.created, labels(forward)...),
		f.histograms[delayBackward].Metric(oneWay, f.created, labels(backward)...))
	for i, c := range counts {
		all = append(all, prometheus.MustNewConstMetricWithCreatedTimestamp(c.desc, prometheus.CounterValue, f.counts[i], f.created, labels(c.direction)...))
	}
	for i, s := range states {
		if !math.IsNaN(f.states[i]) {
			all = append(all, prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, f.states[i], labels(s.direction)...))
		}
	}
	return all
}
