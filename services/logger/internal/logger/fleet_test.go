package logger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/services/logger/internal/logger"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
	"tinytwamp/shared/service"
)

// deadline is far above what anything here takes.
const deadline = 20 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// output is a stdout that may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// fleet is a stream, those who publish on it, and what a logger keeps of it.
type fleet struct {
	*testing.T
	server *bustest.Server
	dir    string
	out    *output
	client *bus.Client // of the instance r1
	source *events.Source
}

func newFleet(t *testing.T, configure ...func(*server.Options)) *fleet {
	f := &fleet{T: t, server: bustest.NewServer(t, configure...), dir: t.TempDir(), out: new(output), source: events.NewSource("reflector", "r1")}
	f.client = f.connect("r1")
	f.init("logger")
	return f
}

func (f *fleet) connect(name string) *bus.Client {
	f.Helper()
	s := bus.Settings{URL: service.URL(f.server.URL()), OutboxSize: 64 << 20}
	client, err := bus.Open(s, "reflector", name, quiet)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { client.Close(0) })
	return client
}

func (f *fleet) init(durable string) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), deadline)
	defer cancel()
	if err := f.client.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: durable}); err != nil {
		f.Fatal(err)
	}
}

// encode makes a test log event that is told apart by its number.
func (f *fleet) encode(n int) events.Encoded {
	f.Helper()
	e, err := f.source.Encode(time.Now(), &events.Log{Service: "reflector", Records: []events.Record{{
		Time: time.Now(), Kind: events.PacketReceived,
		Peer: netip.MustParseAddrPort("[2001:db8::1]:862"), Message: fmt.Sprintf("number %d.", n),
	}}})
	if err != nil {
		f.Fatal(err)
	}
	return e
}

// publish has the stream take events.
func (f *fleet) publish(list ...events.Encoded) {
	f.Helper()
	for _, e := range list {
		f.client.Publisher.Publish(e)
	}
	ctx, cancel := context.WithTimeout(f.Context(), deadline)
	defer cancel()
	if left := f.client.Publisher.Drain(ctx); left > 0 {
		f.Fatalf("%d events not published", left)
	}
}

// numbers publishes the events from to to.
func (f *fleet) numbers(from, to int) {
	f.Helper()
	var list []events.Encoded
	for n := from; n <= to; n++ {
		list = append(list, f.encode(n))
	}
	f.publish(list...)
}

// retry has the stream store an event a second time, as a publisher does that
// tries again after the stream has forgotten the id: here the id differs.
func (f *fleet) retry(e events.Encoded) {
	f.Helper()
	header := "NATS/1.0\r\nNats-Msg-Id: other\r\n" + bus.HeaderAttempt + ": 2\r\n\r\n"
	f.speak(fmt.Sprintf("HPUB %s %d %d\r\n%s%s\r\n", e.Subject, len(header), len(header)+len(e.Body), header, e.Body), "PONG")
}

// running is a logger at work.
type running struct {
	health  *service.Health
	metrics *prometheus.Registry
	stop    func() error // returns what Run returned
}

// start runs a logger on the fleet's folder. wrap may stand between it and its
// journal.
func (f *fleet) start(durable string, wrap func(*journal.Journal) store) running {
	f.Helper()
	j, err := journal.Open(journal.Options{Dir: f.dir, RotateSize: 8 << 10, RotateAge: time.Hour}, quiet)
	if err != nil {
		f.Fatal(err)
	}
	readable, err := service.OpenReadable(service.Settings{}, f.out)
	if err != nil {
		f.Fatal(err)
	}
	var s store = j
	if wrap != nil {
		s = wrap(j)
	}
	client, err := bus.Open(bus.Settings{URL: service.URL(f.server.URL()), OutboxSize: 64 << 20}, "logger", "l1", quiet)
	if err != nil {
		f.Fatal(err)
	}
	r := running{health: service.NewHealth(logger.CheckBus, logger.CheckJournal), metrics: prometheus.NewRegistry()}
	l := logger.New(logger.Options{
		Consumer: durable, Bus: client, Journal: s, Readable: readable,
		Health: r.health, Metrics: r.metrics, RetryWait: 10 * time.Millisecond,
		Paths: paths.New(paths.Settings{Limit: 10, Idle: time.Hour}, r.metrics, quiet),
	}, quiet)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		client.Close(time.Second)
		return errors.Join(err, j.Close())
	})
	f.Cleanup(func() { r.stop() })
	return r
}

type store interface {
	Resume(floor uint64, created time.Time) error
	Append(batch []journal.Entry) (stored []bool, err error)
	Acknowledged(floor uint64)
	Compress(ctx context.Context) error
	Retain() error
	Stats() journal.Stats
	OnSync(f func(took time.Duration))
}

// until waits until something is so.
func (f *fleet) until(what string, is func() bool) {
	f.Helper()
	for end := time.Now().Add(deadline); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("waited in vain until %s", what)
		}
	}
}

// kept waits until the files hold n events, and returns them.
func (f *fleet) kept(n int) []events.Event {
	f.Helper()
	var list []events.Event
	f.until(fmt.Sprintf("%d events are in the files", n), func() bool {
		list = list[:0]
		for _, r := range f.records() {
			e, err := events.Decode(r.Event)
			if err != nil {
				f.Fatal(err)
			}
			list = append(list, e)
		}
		return len(list) >= n
	})
	return list
}

func (f *fleet) records() []journal.Record {
	f.Helper()
	files, err := journal.Files(f.dir)
	if err != nil {
		f.Fatal(err)
	}
	var list []journal.Record
	for _, file := range files {
		for r, err := range journal.Read(file) {
			if err != nil {
				f.Fatal(err)
			}
			list = append(list, r)
		}
	}
	return list
}

// once fails unless the numbers from 1 to n are in the files and in the
// readable log, each once.
func (f *fleet) once(n int) {
	f.Helper()
	if got := f.kept(n); len(got) != n {
		f.Errorf("%d events in the files, want %d", len(got), n)
	}
	f.until("the last line is there", func() bool { return strings.Count(f.out.String(), "\n") >= n })
	for i := 1; i <= n; i++ {
		message := fmt.Sprintf(`Received test packet from [2001:db8::1]: "number %d."`, i)
		if c := strings.Count(f.out.String(), message); c != 1 {
			f.Errorf("%d times in the readable log: %s", c, message)
		}
	}
}

func (r running) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
