package prober

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
)

// tallied is a counter that rises with each report, by what the report says.
type tallied struct {
	desc   *prometheus.Desc
	labels []string
	of     func(*events.RTT) uint64
}

var (
	timestamps = prometheus.NewDesc(metricTimestamps, "Timestamps of answered packets, by where they came from.", []string{"timestamp", "source"}, nil)
	suspect    = prometheus.NewDesc(metricSuspect, "Reports whose figures may be this host's and not the network's, by reason: a report can have several.", []string{"reason"}, nil)
	lateness   = prometheus.NewDesc(metricLateness, "How late packets were handed to the network, against the schedule.", nil, nil)
)

var tallies = []tallied{
	{plain(metricPlanned, "Test packets that the schedule held."), nil, func(e *events.RTT) uint64 { return e.Planned }},
	{plain(metricLate, "Test packets answered after the timeout."), nil, func(e *events.RTT) uint64 { return e.Late }},
	{plain(metricLost, "Test packets not answered."), nil, func(e *events.RTT) uint64 { return e.Lost }},
	{plain(metricDuplicates, "Replies beyond the first to a packet."), nil, func(e *events.RTT) uint64 { return e.Duplicates }},
	{plain(metricUnexpected, "Datagrams from a target that fit no packet of its session."), nil, func(e *events.RTT) uint64 { return e.Unexpected }},
	{plain(metricImplausible, "Replies whose timestamps contradict each other."), nil, func(e *events.RTT) uint64 { return e.Implausible }},
	{plain(metricHMACFailed, "Replies whose HMAC did not verify."), nil, func(e *events.RTT) uint64 { return e.HMACFailed }},
	{plain(metricSendErrors, "Test packets that this host refused to send."), nil, func(e *events.RTT) uint64 { return e.SendErrors }},
	{plain(metricKernelDrops, "Datagrams that the kernel dropped for want of buffer; each session counts those of its socket, which it may share."), nil, func(e *events.RTT) uint64 { return e.Health.KernelDrops }},
	{plain(metricReports, "Reports made."), nil, func(*events.RTT) uint64 { return 1 }},
	{timestamps, []string{"t1", "kernel"}, func(e *events.RTT) uint64 { return e.Timestamps.T1Kernel }},
	{timestamps, []string{"t1", "user"}, func(e *events.RTT) uint64 { return e.Timestamps.T1User }},
	{timestamps, []string{"t3", "kernel"}, func(e *events.RTT) uint64 { return e.Timestamps.T3Kernel }},
	{timestamps, []string{"t3", "user"}, func(e *events.RTT) uint64 { return e.Timestamps.T3User }},
	{timestamps, []string{"t4", "kernel"}, func(e *events.RTT) uint64 { return e.Timestamps.T4Kernel }},
	{timestamps, []string{"t4", "user"}, func(e *events.RTT) uint64 { return e.Timestamps.T4User }},
}

func plain(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

// tally adds up reports for Prometheus: those of sessions, not their sums.
type tally struct {
	began time.Time // set once

	mu       sync.Mutex // guards all below
	counts   []uint64   // of tallies
	doubts   map[string]uint64
	lateness paths.Histogram
}

func newTally() *tally {
	return &tally{began: time.Now(), counts: make([]uint64, len(tallies)), doubts: make(map[string]uint64)}
}

// add takes a report, with the interval that it is of.
func (t *tally) add(e *events.RTT, i *interval) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := range tallies {
		t.counts[n] += tallies[n].of(e)
	}
	for _, d := range doubts(e, &e.Health) {
		t.doubts[d.code]++
	}
	for ns, times := range i.lateness.All() {
		t.lateness.Add(float64(ns)/1e9, times)
	}
}

// Describe is for the registry.
func (t *tally) Describe(to chan<- *prometheus.Desc) {
	to <- lateness
	to <- suspect
	for _, x := range tallies {
		to <- x.desc
	}
}

// Collect is for the registry.
func (t *tally) Collect(to chan<- prometheus.Metric) {
	for _, m := range t.metrics() {
		to <- m
	}
}

func (t *tally) metrics() []prometheus.Metric {
	t.mu.Lock()
	defer t.mu.Unlock()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) prometheus.Metric {
		return prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	all := []prometheus.Metric{t.lateness.Metric(lateness, t.began)}
	for n, x := range tallies {
		all = append(all, counter(x.desc, t.counts[n], x.labels...))
	}
	for _, code := range doubtCodes {
		all = append(all, counter(suspect, t.doubts[code], code))
	}
	return all
}
