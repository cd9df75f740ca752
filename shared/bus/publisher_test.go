package bus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

const (
	testDeadline = 30 * time.Second
	stored       = `{"stream":"TWAMP","seq":1}`
)

// fakeStream hands over each publish on the bus, for the test to answer.
type fakeStream struct {
	server    *bustest.Server
	publisher *Publisher
	publishes chan *nats.Msg
}

func newFakeStream(t *testing.T, timeout time.Duration) *fakeStream {
	t.Helper()
	s := bustest.NewServer(t, func(o *server.Options) { o.JetStream, o.MaxPayload = false, 4096 })
	nc, err := nats.Connect(s.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	f := &fakeStream{server: s, publishes: make(chan *nats.Msg, 10_000)}
	if _, err := nc.ChanSubscribe(events.StreamSubjects, f.publishes); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	settings := Settings{URL: service.URL(s.URL()), OutboxSize: 1 << 20}
	c, err := Connect(settings, "p1", log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if f.publisher, err = newPublisher(c, settings, log, timeout, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.publisher.Close)
	return f
}

// next returns the next message that is published.
func (f *fakeStream) next(t *testing.T) *nats.Msg {
	t.Helper()
	select {
	case m := <-f.publishes:
		return m
	case <-time.After(testDeadline):
		t.Fatalf("nothing is published: %+v", f.publisher.Stats())
		return nil
	}
}

func (f *fakeStream) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testDeadline)
	defer cancel()
	if left := f.publisher.Drain(ctx); left > 0 {
		t.Fatalf("%d events left: %+v", left, f.publisher.Stats())
	}
}

func respond(t *testing.T, m *nats.Msg, answer string) {
	t.Helper()
	if err := m.Respond([]byte(answer)); err != nil {
		t.Fatal(err)
	}
}

func testEvent(id int, size int) events.Encoded {
	return events.Encoded{ID: fmt.Sprint("id-", id), Subject: "twamp.v1.log.p1", Body: make([]byte, size)}
}

// A try that is not acknowledged may be stored all the same. So the next has
// the same id, and says that it is not the first.
func TestRetryKeepsIDAndSaysAttempt(t *testing.T) {
	t.Parallel()
	f := newFakeStream(t, 50*time.Millisecond)
	f.publisher.Publish(testEvent(1, 10))
	for attempt := 1; attempt <= 3; attempt++ {
		m := f.next(t)
		said := ""
		if attempt > 1 {
			said = fmt.Sprint(attempt)
		}
		if m.Header.Get(nats.MsgIdHdr) != "id-1" || m.Header.Get(HeaderAttempt) != said || m.Header.Get("Content-Type") != events.ContentType || len(m.Data) != 10 {
			t.Errorf("try %d has headers %v", attempt, m.Header)
		}
		if attempt == 3 {
			respond(t, m, stored)
		}
	}
	f.drain(t)
	if s := f.publisher.Stats(); s.Acknowledged != 1 || s.Retried != 2 || s.Pending != 0 {
		t.Errorf("stats are %+v", s)
	}
}

// What was on its way when the connection was lost is sent again as soon as it
// is back, and not only when its time is out.
func TestOutageRetriesWhatWasOnItsWay(t *testing.T) {
	t.Parallel()
	f := newFakeStream(t, time.Hour)
	for i := range 10 {
		f.publisher.Publish(testEvent(i, 10))
	}
	for range 10 {
		f.next(t)
	}
	f.server.Restart()
	again := map[string]bool{}
	for len(again) < 10 {
		m := f.next(t)
		if m.Header.Get(HeaderAttempt) == "" {
			t.Errorf("%s does not say that it was tried before", m.Header.Get(nats.MsgIdHdr))
		}
		again[m.Header.Get(nats.MsgIdHdr)] = true
		respond(t, m, stored)
	}
	f.drain(t)
	if s := f.publisher.Stats(); s.Acknowledged != 10 {
		t.Errorf("stats are %+v", s)
	}
}

// Who drains does not wait for the time of the next try.
func TestHastenMakesEverythingDue(t *testing.T) {
	p := &Publisher{box: &outbox{limit: 1 << 20}}
	p.box.add(testEvent(0, 1))
	p.hold()
	p.retries = append(p.retries, retry{p.box.take(), time.Now().Add(time.Hour)})
	if next := p.send(p.readmit(time.Now())); next <= 0 || p.box.take() != nil {
		t.Fatalf("due in %v, before its time", next)
	}
	p.hasten()
	p.readmit(time.Now())
	if time.Until(p.pause) > 0 || len(p.retries) != 0 || p.box.take() == nil {
		t.Error("not due yet")
	}
}

// An acknowledgement is the only thing that ends an event: refusals do not.
func TestRefusedEventsAreKept(t *testing.T) {
	t.Parallel()
	f := newFakeStream(t, time.Second)
	f.publisher.Publish(testEvent(1, 10))
	for _, answer := range []string{
		`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`,
		`{"error":{"code":400,"err_code":10077,"description":"maximum messages exceeded"}}`,
		`not JSON`,
		`{}`,
	} {
		respond(t, f.next(t), answer)
	}
	m := f.next(t)
	if s := f.publisher.Stats(); s.Pending != 1 || s.Acknowledged != 0 || m.Header.Get(HeaderAttempt) != "5" {
		t.Errorf("stats are %+v, headers %v", s, m.Header)
	}
	respond(t, m, stored)
	f.drain(t)
}

// What can never be delivered must not be tried for ever.
func TestTooLargeEventsAreDropped(t *testing.T) {
	t.Parallel()
	f := newFakeStream(t, time.Second)
	f.publisher.Publish(testEvent(1, 5000)) // above the server's max_payload
	f.publisher.Publish(testEvent(2, 1000)) // above the stream's limit, as it says
	f.publisher.Publish(testEvent(3, 10))
	for range 2 {
		m := f.next(t)
		if len(m.Data) == 1000 {
			respond(t, m, `{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`)
			continue
		}
		respond(t, m, stored)
	}
	f.drain(t)
	if s := f.publisher.Stats(); s.Undeliverable != 2 || s.Acknowledged != 1 || s.Dropped != 0 || s.Pending != 0 {
		t.Errorf("stats are %+v", s)
	}
}

func TestWindowBoundsWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	f := newFakeStream(t, testDeadline)
	for i := range 2 * window {
		f.publisher.Publish(testEvent(i, 10))
	}
	var first []*nats.Msg
	for range window {
		first = append(first, f.next(t))
	}
	if n := len(f.publishes); n > 0 {
		t.Errorf("%d messages more than the window", n)
	}
	for _, m := range first {
		respond(t, m, stored)
	}
	for range window {
		respond(t, f.next(t), stored)
	}
	f.drain(t)
}

// A full outbox drops the oldest, counts them, and the rest arrives.
func TestFullOutboxDropsOldest(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := bustest.NewServer(t)
	s.Stop()
	settings := Settings{URL: service.URL(s.URL()), OutboxSize: 10 * (1000 + entryOverhead + headerSize + 30)}
	c, err := Connect(settings, "p1", log)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := NewPublisher(c, settings, log)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 25 {
		p.Publish(testEvent(i, 1000))
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if left := p.Drain(short); left != 10 {
		t.Errorf("left without a server: %d", left)
	}
	if st := p.Stats(); st.Pending != 10 || st.Dropped != 15 || st.PendingBytes > int64(settings.OutboxSize) || st.PendingBytes < 10_000 {
		t.Errorf("stats are %+v", st)
	}
	s.Restart()
	ctx, cancel := context.WithTimeout(t.Context(), testDeadline)
	defer cancel()
	if err := c.Init(ctx, StreamConfig{}, ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	if left := p.Drain(ctx); left != 0 {
		t.Fatalf("left: %+v", p.Stats())
	}
	k, err := c.Consumer(ctx, "logger")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	got := map[string]bool{}
	for len(got) < 10 {
		batch, err := k.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			got[d.ID] = true
		}
	}
	for i := 15; i < 25; i++ {
		if id := fmt.Sprint("id-", i); !got[id] {
			t.Errorf("%s is missing: %v", id, got)
		}
	}
}

func TestBackoffIsBoundedAndSpread(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]time.Duration{0: minBackoff, 1: minBackoff, 2: 2 * minBackoff, 5: 16 * minBackoff, 6: maxBackoff, 1 << 40: maxBackoff} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := backoff(n)
			if seen[d] = true; d < most/2 || d > most {
				t.Errorf("backoff(%d) is %v, of %v", n, d, most)
			}
		}
		if len(seen) < 2 {
			t.Errorf("backoff(%d) is always the same", n)
		}
	}
}
