package bus

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/service"
)

// Names of the metrics.
const (
	MetricConnected    = "twamp_bus_connected"
	MetricPublished    = "twamp_bus_events_published_total"
	MetricRetried      = "twamp_bus_tries_repeated_total"
	MetricLost         = "twamp_bus_events_lost_total"
	MetricRefusals     = "twamp_bus_permission_errors_total"
	MetricOutboxEvents = "twamp_outbox_events"
	MetricOutboxBytes  = "twamp_outbox_bytes"
	MetricOutboxAge    = "twamp_outbox_oldest_seconds"
	MetricOutboxErrors = "twamp_outbox_disk_errors_total"
)

// Register makes the figures of the bus known to a metrics registry, and has
// health tell what keeps events from being delivered, without making the service
// unready: it works on without NATS.
func (c *Client) Register(reg prometheus.Registerer, health *service.Health) {
	if c == nil {
		return
	}
	counter := func(name, help string, labels prometheus.Labels, value func(PublisherStats) uint64) {
		service.RegisterCounter(reg, name, help, labels, func() uint64 { return value(c.Publisher.Stats()) })
	}
	counter(MetricPublished, "Events that the stream has acknowledged.", nil, func(s PublisherStats) uint64 { return s.Acknowledged })
	counter(MetricRetried, "Tries to publish an event beyond its first.", nil, func(s PublisherStats) uint64 { return s.Retried })
	counter(MetricRefusals, "Subjects that NATS did not allow to be published or subscribed.", nil, func(PublisherStats) uint64 { return c.refusals.Load() })
	counter(MetricOutboxErrors, "Writes to the outbox on disk that failed.", nil, func(s PublisherStats) uint64 { return s.DiskErrors })
	lost := func(reason string, value func(PublisherStats) uint64) {
		counter(MetricLost, "Events that are lost, by reason.", prometheus.Labels{"reason": reason}, value)
	}
	lost(lostFull, func(s PublisherStats) uint64 { return s.Dropped })
	lost(lostTooLarge, func(s PublisherStats) uint64 { return s.Undeliverable })
	lost(lostCorrupt, func(s PublisherStats) uint64 { return s.Corrupt })
	service.RegisterGauge(reg, MetricConnected, "Whether there is a connection to NATS.", func() float64 {
		if c.Connected() {
			return 1
		}
		return 0
	})
	service.RegisterGauge(reg, MetricOutboxEvents, "Events that the stream has not acknowledged.", func() float64 { return float64(c.Publisher.Stats().Pending) })
	service.RegisterGauge(reg, MetricOutboxBytes, "Octets of the events that the stream has not acknowledged.", func() float64 { return float64(c.Publisher.Stats().PendingBytes) })
	service.RegisterGauge(reg, MetricOutboxAge, "Age of the oldest event that the stream has not acknowledged, 0: there is none.", func() float64 {
		oldest := c.Publisher.Stats().Oldest
		if oldest.IsZero() {
			return 0
		}
		return max(time.Since(oldest).Seconds(), 0)
	})
	health.Note("nats", c.condition)
	health.Note("outbox", c.Publisher.condition)
}

// condition says what is wrong with the connection.
func (c *Conn) condition() error {
	if !c.Connected() {
		return errors.New("no connection, events wait")
	}
	return c.refusal()
}

// condition says what is wrong with the outbox.
func (p *Publisher) condition() error {
	s := p.Stats()
	lost := fmt.Errorf("events lost: %d dropped when it was full, %d too large, %d unreadable", s.Dropped, s.Undeliverable, s.Corrupt)
	switch {
	case s.DiskError != nil && s.Lost() > 0:
		return fmt.Errorf("cannot be written, new events are in memory only: %w; %w", s.DiskError, lost)
	case s.DiskError != nil:
		return fmt.Errorf("cannot be written, new events are in memory only: %w", s.DiskError)
	case s.Lost() > 0:
		return lost
	}
	return nil
}
