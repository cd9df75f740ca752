package bus_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// deadline ends a test that hangs; nothing here takes nearly as long.
const deadline = 30 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// lines is a log whose lines can be waited for.
type lines struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	wrote chan struct{}
}

func newLines() *lines { return &lines{wrote: make(chan struct{}, 1)} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// await returns the first line that holds all of the words.
func (l *lines) await(ctx context.Context, t *testing.T, words ...string) string {
	t.Helper()
	for {
		for line := range strings.Lines(l.String()) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return line
			}
		}
		select {
		case <-l.wrote:
		case <-ctx.Done():
			t.Fatalf("no log line with %q in\n%s", words, l.String())
		}
	}
}

func settings(url string) bus.Settings {
	return bus.Settings{URL: service.URL(url), OutboxSize: 64 << 20}
}

func connect(t *testing.T, url, name string, log *lines) *bus.Conn {
	t.Helper()
	c, err := bus.Connect(settings(url), name, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func publisher(t *testing.T, c *bus.Conn, s bus.Settings, log *lines) *bus.Publisher {
	t.Helper()
	p, err := bus.NewPublisher(c, s, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// initialized returns a connection to a server that has stream and consumer.
func initialized(t *testing.T, s *bustest.Server, name string, log *lines) *bus.Conn {
	t.Helper()
	c := connect(t, s.URL(), name, log)
	if err := c.Init(testContext(t), bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	return c
}

func consumer(t *testing.T, c *bus.Conn) *bus.Consumer {
	t.Helper()
	k, err := c.Consumer(testContext(t), "logger")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

var source = events.NewSource("prober", "test")

// event makes an event that can be told from others by its service.
func event(t *testing.T, text string) events.Encoded {
	t.Helper()
	e, err := source.Encode(time.Now(), &events.Log{Service: text})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// collect takes n different events from the consumer, acknowledges them, and
// returns how often each stands in the stream, by id: its sequences.
func collect(ctx context.Context, t *testing.T, k *bus.Consumer, n int) map[string][]uint64 {
	t.Helper()
	got := make(map[string][]uint64)
	for len(got) < n {
		batch, err := k.Next(ctx)
		if err != nil {
			t.Fatalf("%d of %d events: %v", len(got), n, err)
		}
		for _, d := range batch {
			if !slices.Contains(got[d.ID], d.StreamSeq) {
				got[d.ID] = append(got[d.ID], d.StreamSeq)
			}
			if err := d.Ack(); err != nil {
				t.Logf("acknowledge: %v", err)
			}
		}
	}
	return got
}

func drain(ctx context.Context, t *testing.T, p *bus.Publisher) {
	t.Helper()
	if left := p.Drain(ctx); left > 0 {
		t.Fatalf("%d events left: %+v", left, p.Stats())
	}
}

func TestPublishAndConsume(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	c := initialized(t, bustest.NewServer(t), "p1", log)
	p := publisher(t, c, settings(""), log)
	k := consumer(t, c)
	sent := event(t, "hello")
	before := time.Now().Add(-time.Minute)
	p.Publish(sent)
	drain(ctx, t, p)
	batch, err := k.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d := batch[0]
	if len(batch) != 1 || d.Subject != sent.Subject || d.ID != sent.ID || !bytes.Equal(d.Body, sent.Body) ||
		d.StreamSeq != 1 || d.Attempt != 1 || d.Delivered != 1 || d.Time.Before(before) || d.Time.After(time.Now().Add(time.Minute)) {
		t.Errorf("delivered is %+v", batch)
	}
	if s := p.Stats(); s.Acknowledged != 1 || s.Pending != 0 || s.PendingBytes != 0 || s.Retried != 0 {
		t.Errorf("stats are %+v", s)
	}
	if err := d.Ack(); err != nil {
		t.Error(err)
	}
	state, err := k.State(ctx)
	if err != nil || state.StreamCreated.IsZero() || state.Pending != 0 {
		t.Errorf("state is %+v, %v", state, err)
	}
}

// A batch comes at once, full or not, and many events come in few batches.
func TestNextReturnsWhatIsThere(t *testing.T) {
	t.Parallel()
	const n = 3000
	ctx, log := testContext(t), newLines()
	c := initialized(t, bustest.NewServer(t), "p1", log)
	p := publisher(t, c, settings(""), log)
	for i := range n {
		p.Publish(event(t, fmt.Sprint(i)))
	}
	drain(ctx, t, p)
	start := time.Now()
	if got := collect(ctx, t, consumer(t, c), n); len(got) != n {
		t.Errorf("%d events", len(got))
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("took %v: a batch waits for what is not there", took)
	}
}

// Connect returns without a server, and what is published meanwhile arrives.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t)
	s.Stop()
	c := connect(t, s.URL(), "p1", log)
	p := publisher(t, c, settings(""), log)
	p.Publish(event(t, "early"))
	if c.Connected() || p.Stats().Pending != 1 {
		t.Errorf("connected %v, %+v", c.Connected(), p.Stats())
	}
	log.await(ctx, t, "cannot connect to nats", "level=WARN")
	s.Restart()
	log.await(ctx, t, "connected to nats")
	// The stream is not there either: the event waits for it.
	log.await(ctx, t, "no stream takes the events yet")
	if err := c.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	drain(ctx, t, p)
	batch, err := consumer(t, c).Next(ctx)
	if err != nil || len(batch) != 1 || batch[0].Attempt < 2 {
		t.Errorf("got %+v, %v; want one event that says it was tried before", batch, err)
	}
	if n := strings.Count(log.String(), "no stream takes"); n != 1 {
		t.Errorf("the missing stream was spoken of %d times", n)
	}
}

// A server that goes away in the middle costs no event, and doubles none.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	for name, outbox := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serverRestarts(t, outbox)
		})
	}
}

func serverRestarts(t *testing.T, outbox string) {
	const n = 4000
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t)
	c := initialized(t, s, "p1", log)
	with := settings("")
	with.Outbox = outbox
	p := publisher(t, c, with, log)
	k := consumer(t, c)
	var sent []string
	for i := range n {
		if i == n/4 || i == n/2 {
			s.Restart()
		}
		e := event(t, fmt.Sprint(i))
		sent = append(sent, e.ID)
		p.Publish(e)
	}
	got := collect(ctx, t, k, n)
	drain(ctx, t, p)
	for _, id := range sent {
		if len(got[id]) != 1 {
			t.Errorf("event %s stands in the stream at %v", id, got[id])
		}
	}
	if s := p.Stats(); s.Acknowledged != n || s.Dropped != 0 {
		t.Errorf("stats are %+v", s)
	}
}
