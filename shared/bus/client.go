package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tinytwamp/shared/events"
)

// ErrSettings is returned by [Open] for settings that cannot work: a bad URL, a
// file that cannot be read, an outbox that another process uses.
var ErrSettings = errors.New("bad NATS settings")

// Client is a service's whole way to the bus: its connection, its outbox, and
// the source that numbers its events.
type Client struct {
	*Conn
	Publisher *Publisher
	source    *events.Source
	log       *slog.Logger
}

// Open connects the instance name of a service. It returns at once, like
// [Connect]; what an earlier process left in the outbox is published with the
// rest, as it is. Without a URL in the settings there is no bus: Open returns
// nil, and a nil Client drops what it is asked to emit. Its errors are
// [ErrSettings].
func Open(s Settings, service, name string, log *slog.Logger) (*Client, error) {
	if !s.Enabled() {
		return nil, nil
	}
	conn, err := Connect(s, name, log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	source := events.NewSource(service, name)
	publisher, err := newPublisher(conn, s, log, ackTimeout, func(lost drops) (events.Encoded, error) {
		now := time.Now()
		return source.Encode(now, &events.Log{Service: service, Records: lost.records(now)})
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return &Client{Conn: conn, Publisher: publisher, source: source, log: log}, nil
}

// Emit makes an event of d and puts it into the outbox. It never waits for the
// network; see [Publisher.Publish].
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
// disconnects. It returns how many events are kept on disk for the next run with
// this outbox, and how many were lost: left in memory, or dropped since the
// start.
func (c *Client) Close(timeout time.Duration) (kept int, lost uint64) {
	if c == nil {
		return 0, 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c.Publisher.Drain(ctx)
	c.Publisher.Close()
	c.Conn.Close()
	kept, lost = c.Publisher.kept, uint64(c.Publisher.lost)+c.Publisher.Stats().Lost()
	// The last words of a run stand as people and scripts look for them.
	if kept > 0 {
		c.log.Warn("events could not be delivered yet, kept in "+c.Publisher.dir, "events", kept)
	}
	if lost > 0 {
		c.log.Error(fmt.Sprintf("events could not be delivered, lost: %d", lost), "events", lost)
	}
	return kept, lost
}

// Reasons why events are lost.
const (
	lostFull     = "outbox_full"
	lostTooLarge = "too_large"
	lostCorrupt  = "corrupt"
)

// records tells of lost events in the test log.
func (d drops) records(now time.Time) []events.Record {
	var records []events.Record
	for _, r := range []struct {
		reason string
		n      uint64
	}{{lostFull, d.full}, {lostTooLarge, d.tooLarge}, {lostCorrupt, d.corrupt}} {
		if r.n > 0 {
			records = append(records, events.Record{Time: now, Kind: events.EventsLost, Reason: r.reason, Count: r.n})
		}
	}
	return records
}
