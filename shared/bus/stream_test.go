package bus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

func TestInitIsIdempotent(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := bustest.NewServer(t)
	c := connect(t, s.URL(), "logger", newLines())
	stream := bus.StreamConfig{Replicas: 1, MaxAge: time.Minute, MaxBytes: 1 << 20}
	for _, durable := range []bus.ConsumerConfig{
		{Durable: "logger"},
		{Durable: "logger-rtt", Filters: []string{"twamp.v1.rtt.>"}},
		{Durable: "logger-two", Filters: []string{"twamp.v1.log.>", "twamp.v1.dlq.>"}},
	} {
		for range 2 {
			if err := c.Init(ctx, stream, durable); err != nil {
				t.Fatalf("%s: %v", durable.Durable, err)
			}
		}
	}
	s.Restart()
	if err := c.Init(ctx, stream, bus.ConsumerConfig{Durable: "logger-two", Filters: []string{"twamp.v1.dlq.>", "twamp.v1.log.>"}}); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestInitNamesDifferences(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := connect(t, bustest.NewServer(t).URL(), "logger", newLines())
	stream, durable := bus.StreamConfig{MaxAge: 24 * time.Hour, MaxBytes: 1 << 20}, bus.ConsumerConfig{Durable: "logger"}
	if err := c.Init(ctx, stream, durable); err != nil {
		t.Fatal(err)
	}
	check := func(err error, words ...string) {
		t.Helper()
		if !errors.Is(err, bus.ErrDiffers) {
			t.Fatalf("error is %v", err)
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q is not in %q", w, err)
			}
		}
	}
	err := c.Init(ctx, bus.StreamConfig{MaxAge: 48 * time.Hour, MaxBytes: 2 << 20}, durable)
	check(err, "stream TWAMP", "max_age is 24h0m0s, asked for is 48h0m0s", "max_bytes is 1048576, asked for is 2097152", "nats stream edit TWAMP")
	if strings.Contains(err.Error(), "num_replicas") {
		t.Errorf("names what does not differ: %v", err)
	}
	err = c.Init(ctx, stream, bus.ConsumerConfig{Durable: "logger", Filters: []string{"twamp.v1.rtt.>"}})
	check(err, "consumer logger", "filter_subjects is [], asked for is [twamp.v1.rtt.>]", "nats consumer edit TWAMP logger")
	// And nothing was changed by trying.
	if err := c.Init(ctx, stream, durable); err != nil {
		t.Error(err)
	}
}

// A service takes what an operator has changed, and not what would cost events.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	s := bustest.NewServer(t)
	c := connect(t, s.URL(), "logger", newLines())
	durable := bus.ConsumerConfig{Durable: "logger"}
	if err := c.Check(ctx, durable); !errors.Is(err, bus.ErrMissing) || !strings.Contains(err.Error(), "logger -init") {
		t.Errorf("nothing is there: %v", err)
	}
	if err := c.Init(ctx, bus.StreamConfig{MaxAge: time.Hour, MaxBytes: 1 << 20, Storage: bus.StorageMemory}, durable); err != nil {
		t.Fatal(err)
	}
	if err := c.Init(ctx, bus.StreamConfig{MaxAge: time.Hour, MaxBytes: 1 << 20}, durable); !errors.Is(err, bus.ErrDiffers) || !strings.Contains(err.Error(), "storage is Memory, asked for is File") {
		t.Errorf("another storage: %v", err)
	}
	if err := c.Check(ctx, durable); err != nil {
		t.Errorf("with limits of its own: %v", err)
	}
	if err := c.Check(ctx, bus.ConsumerConfig{Durable: "logger", Filters: []string{"twamp.v1.rtt.>"}}); !errors.Is(err, bus.ErrDiffers) || !strings.Contains(err.Error(), "nats consumer edit TWAMP logger") {
		t.Errorf("another filter: %v", err)
	}
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	vanishing := jetstream.ConsumerConfig{Durable: "own", AckPolicy: jetstream.AckExplicitPolicy, InactiveThreshold: time.Hour, MaxDeliver: 3}
	if _, err := js.CreateConsumer(ctx, "TWAMP", vanishing); err != nil {
		t.Fatal(err)
	}
	err = c.Check(ctx, bus.ConsumerConfig{Durable: "own"})
	if !errors.Is(err, bus.ErrDiffers) || !strings.Contains(err.Error(), "max_deliver is 3, asked for is -1; inactive_threshold is 1h0m0s, asked for is 0s") {
		t.Errorf("a consumer that vanishes: %v", err)
	}
}

func TestConsumerIsMissing(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := connect(t, bustest.NewServer(t).URL(), "logger", newLines())
	for range 2 {
		if _, err := c.Consumer(ctx, "other"); !errors.Is(err, bus.ErrMissing) || !strings.Contains(err.Error(), "logger -init") {
			t.Errorf("error is %v", err)
		}
		if err := c.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
			t.Fatal(err)
		}
	}
}

// A question that nobody answered, as in a cluster without a leader, is asked
// again long before the time is over.
func TestLostQuestionIsAskedAgain(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t, func(o *server.Options) { o.JetStream = false })
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	asked := 0
	if _, err := nc.Subscribe("$JS.API.STREAM.INFO."+events.StreamName, func(m *nats.Msg) {
		if asked++; asked > 1 {
			_ = m.Respond([]byte(`{"error":{"code":404,"err_code":10059,"description":"stream not found"}}`))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	c := connect(t, s.URL(), "p1", log)
	if _, err := c.Consumer(ctx, "logger"); !errors.Is(err, bus.ErrMissing) {
		t.Errorf("got %v, want that the stream is missing", err)
	}
}

// What is acknowledged or terminated does not come again, what is refused does.
func TestAckNakTerm(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	c := initialized(t, bustest.NewServer(t), "p1", log)
	p := publisher(t, c, settings(""), log)
	acked, naked, termed := event(t, "ack"), event(t, "nak"), event(t, "term")
	p.Publish(acked)
	p.Publish(naked)
	p.Publish(termed)
	k := consumer(t, c)
	for seen := 0; seen < 3; {
		batch, err := k.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			seen++
			switch d.ID {
			case acked.ID:
				err = d.Ack()
			case naked.ID:
				err = d.Nak(10 * time.Millisecond)
			case termed.ID:
				err = d.Term("poison")
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	again, err := k.Next(ctx)
	if err != nil || len(again) != 1 || again[0].ID != naked.ID || again[0].Delivered != 2 {
		t.Fatalf("again came %+v, %v", again, err)
	}
	if err := again[0].Ack(); err != nil {
		t.Error(err)
	}
	for {
		state, err := k.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if state.AckFloor == 3 && state.Pending == 0 {
			break
		}
	}
}

func TestNextEnds(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := initialized(t, bustest.NewServer(t), "p1", newLines())
	k := consumer(t, c)
	failed := make(chan error)
	go func() {
		_, err := k.Next(ctx)
		failed <- err
	}()
	k.Close()
	if err := <-failed; err == nil || !strings.HasPrefix(err.Error(), "bus: ") {
		t.Errorf("error is %v", err)
	}
}
