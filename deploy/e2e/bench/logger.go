package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

const (
	loggerEvents = 120_000
	loggerPairs  = 5
	eventSize    = 4700 // octets, of a report with three histograms
)

// stream is a NATS server on a disk, with a stream of reports.
type stream struct {
	dir    string
	server *natsserver.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	bus    *bus.Conn
	events int
}

// logger compares the logger with a consumer that acknowledges what it gets and
// drops it, in turn on one stream.
func (b *bench) logger(ctx context.Context) error {
	s, err := b.newStream(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var rows []row
	for n := range b.scaled(loggerPairs, 2) {
		bare, logged, err := s.pair(ctx, n)
		if err != nil {
			return err
		}
		events := float64(s.events)
		rows = append(rows, row{
			name: "pair " + strconv.Itoa(n+1),
			values: []float64{
				events / bare.Seconds(), events / logged.wall.Seconds(), bare.Seconds() / logged.wall.Seconds(), float64(logged.cpu) / events,
			},
		})
	}
	b.rep.table("logger", fmt.Sprintf("%d reports of %d octets a round: a pull consumer that drops them, and bin/logger from its start until they are in its files, synced and acknowledged; the NATS server shares the CPUs",
		s.events, eventSize),
		[]figure{
			{"bare_per_s", "bare/s", showCount},
			{"logger_per_s", "logger/s", showCount},
			{"ratio", "ratio", showRatio},
			{"logger_cpu_ns", "logger's CPU an event", showNs},
		}, append(rows, summaries(rows)...))
	return nil
}

// times are what a round took.
type times struct{ wall, cpu time.Duration }

// pair measures both, the one first that was second the last time.
func (s *stream) pair(ctx context.Context, n int) (bare time.Duration, logged times, err error) {
	name := "round-" + strconv.Itoa(n)
	if n%2 == 1 {
		logged, err = s.logged(ctx, name)
		if err != nil {
			return 0, times{}, err
		}
	}
	if bare, err = s.bare(ctx, name+"-bare"); err != nil {
		return 0, times{}, err
	}
	if n%2 == 0 {
		logged, err = s.logged(ctx, name)
	}
	return bare, logged, err
}

func (b *bench) newStream(ctx context.Context) (_ *stream, err error) {
	s := &stream{events: b.scaled(loggerEvents, 2000)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "tinytwamp-bench-"); err != nil {
		return nil, err
	}
	s.server, err = natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(s.dir, "store"), NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, err
	}
	go s.server.Start()
	if !s.server.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the NATS server does not come up")
	}
	if s.conn, err = nats.Connect(s.server.ClientURL()); err != nil {
		return nil, err
	}
	if s.js, err = jetstream.New(s.conn); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	if s.bus, err = bus.Connect(bus.Settings{URL: service.URL(s.server.ClientURL()), OutboxSize: 1 << 20}, "bench", quiet); err != nil {
		return nil, err
	}
	if err := s.make(ctx, "fill"); err != nil {
		return nil, err
	}
	return s, s.fill(ctx)
}

// make makes a durable that begins with the first event.
func (s *stream) make(ctx context.Context, durable string) error {
	return s.bus.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: durable})
}

// fill publishes the reports.
func (s *stream) fill(ctx context.Context) error {
	source := events.NewSource("prober", "bench")
	for n := range s.events {
		e, err := source.Encode(time.Now(), sampleReport(n))
		if err != nil {
			return err
		}
		if _, err := s.js.PublishAsync(e.Subject, e.Body, jetstream.WithMsgID(e.ID)); err != nil {
			return err
		}
	}
	select {
	case <-s.js.PublishAsyncComplete():
		syscall.Sync() // so that no round shares the disk with what is left to be written of the stream
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sampleReport is a report as long as those of a continuous test.
func sampleReport(n int) *events.RTT {
	delay := func() events.Delay {
		d := events.Distribution{
			MinNs: 1_017_123, MeanNs: 1_318_456, StddevNs: 90_123, P50Ns: 1_300_000 + int64(n), P90Ns: 1_521_021,
			P95Ns: 1_622_022, P99Ns: 1_723_023, P999Ns: 1_824_024, MaxNs: 1_925_025, N: 100,
		}
		return events.Delay{
			Distribution: d, IPDV: &d, PDV: &d, JitterRFC3550Ns: 47_047, P95P50Ns: 48_048,
			Histogram: &events.Histogram{BaseNs: 0, HDR: strings.Repeat("HISTFAAAAAB42pNp", 32)},
		}
	}
	rtt, processing := delay(), delay()
	processing.Histogram = nil
	address := netip.MustParseAddrPort("[2001:db8::7]:862")
	now := time.Now()
	return &events.RTT{
		Prober: "bench", Target: events.Target{Name: "core-" + strconv.Itoa(n%100), Host: "core.example", Address: address},
		Session: events.Session{
			SSID: 4660, Mode: "stamp", Auth: "none", Source: address, IntervalNs: 1e8, TimeoutNs: 2e9, Size: 44,
			Schedule: "periodic", Timestamp: "ntp", Message: "TWAMP test message",
		},
		Report:  events.Report{Kind: events.ReportInterval, Index: uint64(n), Start: now.Add(-10 * time.Second), End: now},
		Planned: 100, Sent: 100, Received: 100,
		RTT: &rtt, Forward: &events.OneWay{Delay: delay()}, Backward: &events.OneWay{Delay: delay()}, Processing: &processing,
	}
}

// bare takes all events with a consumer of its own, and drops them.
func (s *stream) bare(ctx context.Context, durable string) (time.Duration, error) {
	begun := time.Now()
	if err := s.make(ctx, durable); err != nil {
		return 0, err
	}
	consumer, err := s.js.Consumer(ctx, events.StreamName, durable)
	if err != nil {
		return 0, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return 0, err
	}
	defer messages.Stop()
	for range s.events {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return 0, err
		}
		if err := m.Ack(); err != nil {
			return 0, err
		}
	}
	if err := s.acknowledged(ctx, durable); err != nil {
		return 0, err
	}
	return time.Since(begun), nil
}

// logged has bin/logger take all events.
func (s *stream) logged(ctx context.Context, durable string) (times, error) {
	begun := time.Now()
	if err := s.make(ctx, durable); err != nil {
		return times{}, err
	}
	data := filepath.Join(s.dir, durable)
	p, err := start(ctx, nil, binaries+"logger", "-data", data, "-consumer", durable, "-nats-url", s.server.ClientURL(), "-log-file", data+".log")
	if err != nil {
		return times{}, err
	}
	err = s.acknowledged(ctx, durable)
	took := times{wall: time.Since(begun)}
	var cpuErr error
	took.cpu, cpuErr = p.cpuTime()
	p.stop()
	if err = errors.Join(err, cpuErr); err != nil {
		return times{}, fmt.Errorf("%w: %s", err, p.stderr.String())
	}
	return took, errors.Join(os.RemoveAll(data), os.Remove(data+".log"))
}

// acknowledged waits until the durable has all events acknowledged.
func (s *stream) acknowledged(ctx context.Context, durable string) error {
	for {
		consumer, err := s.js.Consumer(ctx, events.StreamName, durable)
		if err != nil {
			return err
		}
		if consumer.CachedInfo().AckFloor.Stream >= uint64(s.events) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *stream) close() {
	if s.bus != nil {
		s.bus.Close()
	}
	if s.conn != nil {
		s.conn.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	_ = os.RemoveAll(s.dir) // a folder of temporary files
}
