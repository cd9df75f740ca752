package bus

import (
	"context"
	"log/slog"
	"time"

	"tinytwamp/shared/events"
)

// Client is a service's whole way to the bus: its connection, its outbox, and
// the source that numbers its events.
type Client struct {
	*Conn
	Publisher *Publisher
	source    *events.Source
	log       *slog.Logger
}

// Open connects the instance name of a service. It returns at once, like
// [Connect]. Without a URL in the settings there is no bus: Open returns nil,
// and a nil Client drops what it is asked to emit.
func Open(s Settings, service, name string, log *slog.Logger) (*Client, error) {
	if !s.Enabled() {
		return nil, nil
	}
	conn, err := Connect(s, name, log)
	if err != nil {
		return nil, err
	}
	publisher, err := NewPublisher(conn, s, log)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Client{Conn: conn, Publisher: publisher, source: events.NewSource(service, name), log: log}, nil
}

// Emit makes an event of d and puts it into the outbox. It never waits for the
// network.
func (c *Client) Emit(at time.Time, d events.Data) {
	if c == nil {
		return
	}
	e, err := c.source.Encode(at, d)
	if err != nil {
		c.log.Error("event not encoded", "err", err)
		return
	}
	c.Publisher.Publish(e)
}

// Close delivers what is left in the outbox, for at most timeout, then
// disconnects. It returns how many events were lost: left undelivered, or
// dropped since the start.
func (c *Client) Close(timeout time.Duration) (lost uint64) {
	if c == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	left := c.Publisher.Drain(ctx)
	s := c.Publisher.Stats()
	lost = uint64(left) + s.Dropped + s.Undeliverable
	c.Publisher.Close()
	c.Conn.Close()
	if lost > 0 {
		c.log.Error("events were lost: the outbox is in memory, and NATS did not take them", "lost", lost)
	}
	return lost
}
