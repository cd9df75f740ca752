// Package paths turns the reports of path measurements into Prometheus
// metrics: [Metrics] keeps the figures of each path, its delays as native
// histograms ([Histogram]).
//
// A prober has those of its own paths, the logger those of the whole fleet, of
// which a prober that runs as a job is gone before anybody can ask it. Both
// use the same names and labels.
package paths
