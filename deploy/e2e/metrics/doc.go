// Package metrics holds what is written about the services' metrics to what the
// services have: the guide's table, the rules of Prometheus and the dashboards
// of Grafana. It asks real instances that test each other on loopback.
//
// The package's test writes the table in deploy/guides/metrics.md (make docs).
package metrics
