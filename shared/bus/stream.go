package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/events"
)

const (
	maxAckPending = 4096             // the server's default of 1,000 would hold up a logger that acknowledges in batches
	ackWait       = 30 * time.Second // after which the server hands a message out again
)

// Errors of [Conn.Init] and [Conn.Consumer].
var (
	ErrDiffers = errors.New("bus: configuration differs")
	ErrMissing = errors.New("bus: not there")
)

// Storage is where the stream is: file or memory.
type Storage string

// Storages of a stream.
const (
	StorageFile   Storage = "file"
	StorageMemory Storage = "memory" // gone with its servers
)

// UnmarshalText takes file and memory.
func (s *Storage) UnmarshalText(b []byte) error {
	switch v := Storage(b); v {
	case StorageFile, StorageMemory:
		*s = v
		return nil
	}
	return fmt.Errorf("must be file or memory, not %q", b)
}

// StreamConfig is what a user may choose of the stream. The rest is fixed:
// subjects [events.StreamSubjects], the oldest go when it is full.
type StreamConfig struct {
	Replicas int           // 0: one
	Storage  Storage       // "": file
	MaxAge   time.Duration // 0: no limit
	MaxBytes int64         // 0: no limit
}

// ConsumerConfig describes a durable pull consumer. It starts with the oldest
// message and keeps its place for ever.
type ConsumerConfig struct {
	Durable string
	Filters []string // subjects; none: all of the stream
}

func (s StreamConfig) jetstream() jetstream.StreamConfig {
	duplicates := DuplicateWindow
	if s.MaxAge > 0 {
		duplicates = min(duplicates, s.MaxAge) // the server takes no more
	}
	maxBytes := s.MaxBytes
	if maxBytes == 0 {
		maxBytes = -1
	}
	storage := jetstream.FileStorage
	if s.Storage == StorageMemory {
		storage = jetstream.MemoryStorage
	}
	return jetstream.StreamConfig{
		Name:        events.StreamName,
		Description: "events of TinyTwamp",
		Subjects:    []string{events.StreamSubjects},
		Storage:     storage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      s.MaxAge,
		MaxBytes:    maxBytes,
		MaxMsgs:     -1,
		Replicas:    cmp.Or(s.Replicas, 1),
		Duplicates:  duplicates,
		AllowDirect: true,
	}
}

func (d ConsumerConfig) jetstream() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:        d.Durable,
		FilterSubjects: d.Filters,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        ackWait,
		MaxDeliver:     -1,
		MaxAckPending:  maxAckPending,
		// No InactiveThreshold: a durable that has one vanishes.
	}
}

// Init makes the stream and the consumer. What is there already with the same
// configuration is left alone; what is there with another one is [ErrDiffers],
// with each difference. It waits for the server until ctx ends.
func (c *Conn) Init(ctx context.Context, s StreamConfig, d ConsumerConfig) error {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return fmt.Errorf("bus: init: %w", err)
	}
	var stream jetstream.Stream
	err = c.ask(ctx, func(ctx context.Context) error {
		stream, err = makeStream(ctx, js, s.jetstream())
		return err
	})
	if err != nil {
		return fmt.Errorf("bus: stream %s: %w", events.StreamName, err)
	}
	err = c.ask(ctx, func(ctx context.Context) error { return makeConsumer(ctx, stream, d.jetstream()) })
	if err != nil {
		return fmt.Errorf("bus: consumer %s: %w", d.Durable, err)
	}
	return nil
}

// Check holds the stream and the consumer to what the services rest on, and
// changes neither: [ErrDiffers] names each difference, [ErrMissing] what is not
// there. Limits are an operator's to change; filters are checked if there are
// any in d. It waits for the server until ctx ends.
func (c *Conn) Check(ctx context.Context, d ConsumerConfig) error {
	js, err := jetstream.New(c.nc)
	if err != nil {
		return fmt.Errorf("bus: check: %w", err)
	}
	var stream jetstream.Stream
	var consumer jetstream.Consumer
	err = c.ask(ctx, func(ctx context.Context) error {
		if stream, err = js.Stream(ctx, events.StreamName); err != nil {
			return err
		}
		consumer, err = stream.Consumer(ctx, d.Durable)
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("%w: consumer %s of stream %s: run logger -init: %w", ErrMissing, d.Durable, events.StreamName, err)
	}
	if err != nil {
		return fmt.Errorf("bus: consumer %s: %w", d.Durable, err)
	}
	wantStream, want := StreamConfig{}.jetstream(), d.jetstream()
	if err := differing("nats stream edit "+events.StreamName, streamEssentials(stream, wantStream)); err != nil {
		return fmt.Errorf("bus: stream %s: %w", events.StreamName, err)
	}
	fields := consumerEssentials(consumer, want)
	if len(d.Filters) > 0 {
		fields = append(fields, field{"filter_subjects", filters(consumer.CachedInfo().Config), filters(want)})
	}
	if err := differing(editConsumer(want), fields); err != nil {
		return fmt.Errorf("bus: consumer %s: %w", d.Durable, err)
	}
	return nil
}

func makeStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, err
	}
	return stream, differing("nats stream edit "+want.Name, append(streamEssentials(stream, want), streamLimits(stream, want)...))
}

// streamEssentials is what all rests on.
func streamEssentials(stream jetstream.Stream, want jetstream.StreamConfig) []field {
	have := stream.CachedInfo().Config
	return []field{
		{"subjects", have.Subjects, want.Subjects},
		{"retention", have.Retention, want.Retention},
	}
}

// streamLimits is what an operator may change later on.
func streamLimits(stream jetstream.Stream, want jetstream.StreamConfig) []field {
	have := stream.CachedInfo().Config
	return []field{
		{"storage", have.Storage, want.Storage},
		{"discard", have.Discard, want.Discard},
		{"max_age", have.MaxAge, want.MaxAge},
		{"max_bytes", have.MaxBytes, want.MaxBytes},
		{"max_msgs", have.MaxMsgs, want.MaxMsgs},
		{"num_replicas", have.Replicas, want.Replicas},
		{"duplicate_window", have.Duplicates, want.Duplicates},
	}
}

func makeConsumer(ctx context.Context, stream jetstream.Stream, want jetstream.ConsumerConfig) error {
	consumer, err := stream.Consumer(ctx, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = stream.CreateConsumer(ctx, want)
		return err
	}
	if err != nil {
		return err
	}
	have := consumer.CachedInfo().Config
	return differing(editConsumer(want), append(consumerEssentials(consumer, want), []field{
		{"filter_subjects", filters(have), filters(want)},
		{"ack_wait", have.AckWait, want.AckWait},
		{"max_ack_pending", have.MaxAckPending, want.MaxAckPending},
	}...))
}

func editConsumer(c jetstream.ConsumerConfig) string {
	return "nats consumer edit " + events.StreamName + " " + c.Durable
}

// consumerEssentials is what all rests on.
func consumerEssentials(consumer jetstream.Consumer, want jetstream.ConsumerConfig) []field {
	have := consumer.CachedInfo().Config
	return []field{
		{"deliver_policy", have.DeliverPolicy, want.DeliverPolicy},
		{"ack_policy", have.AckPolicy, want.AckPolicy},
		{"max_deliver", have.MaxDeliver, want.MaxDeliver},
		{"inactive_threshold", have.InactiveThreshold, want.InactiveThreshold},
		{"deliver_subject", have.DeliverSubject, want.DeliverSubject},
	}
}

// filters returns all filters in order, whichever way they were given.
func filters(c jetstream.ConsumerConfig) []string {
	all := slices.Clone(c.FilterSubjects)
	if c.FilterSubject != "" {
		all = append(all, c.FilterSubject)
	}
	slices.Sort(all)
	return all
}

// field is one setting of a configuration, as it is and as it was asked for.
type field struct {
	name       string
	have, want any
}

func differing(command string, fields []field) error {
	var differences []string
	for _, f := range fields {
		have, want := fmt.Sprint(f.have), fmt.Sprint(f.want)
		if have != want {
			differences = append(differences, fmt.Sprintf("%s is %s, asked for is %s", f.name, have, want))
		}
	}
	if differences == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: ask for what it is, or change it with %q", ErrDiffers, strings.Join(differences, "; "), command)
}
