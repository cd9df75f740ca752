package bus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

func open(t *testing.T, s bus.Settings, name string, log *lines) *bus.Client {
	t.Helper()
	c, err := bus.Open(s, "prober", name, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// until waits for what nobody tells.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for ctx := testContext(t); !done(); {
		select {
		case <-ctx.Done():
			t.Fatalf("never seen: %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// What is left on disk is delivered by the next process with this outbox, once
// each, and says that it may have been tried. What was acknowledged is not
// published again.
func TestNextProcessDelivers(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t)
	k := consumer(t, initialized(t, s, "logger", log))
	with := settings(s.URL())
	with.Outbox = t.TempDir()

	first := open(t, with, "p1", log)
	first.Publisher.Publish(event(t, "delivered"))
	drain(ctx, t, first.Publisher)
	s.Stop()
	kept := map[string]bool{}
	for range 100 {
		e := event(t, "kept")
		kept[e.ID] = true
		first.Publisher.Publish(e)
	}
	if n, lost := first.Close(50 * time.Millisecond); n != 100 || lost != 0 {
		t.Errorf("%d kept, %d lost", n, lost)
	}
	log.await(ctx, t, "level=WARN", "kept in "+with.Outbox, "events=100")

	s.Restart()
	second := open(t, with, "p2", log)
	if n, lost := second.Close(deadline); n != 0 || lost != 0 {
		t.Errorf("%d kept, %d lost", n, lost)
	}
	for seen := 0; seen < 101; {
		batch, err := k.Next(ctx)
		if err != nil {
			t.Fatalf("%d events: %v", seen, err)
		}
		for _, d := range batch {
			seen++
			if kept[d.ID] != (d.Attempt > 1) {
				t.Errorf("%s is try %d", d.ID, d.Attempt)
			}
			delete(kept, d.ID)
			d.Ack()
		}
	}
	if state, err := k.State(ctx); err != nil || state.Pending != 0 || len(kept) != 0 {
		t.Errorf("%d not delivered, %+v, %v", len(kept), state, err)
	}
}

func TestOutboxOfAnotherProcess(t *testing.T) {
	t.Parallel()
	log := newLines()
	with := settings("nats://127.0.0.1:1")
	with.Outbox = t.TempDir()
	c := open(t, with, "p1", log)
	if _, err := bus.Open(with, "prober", "p2", log.logger()); !errors.Is(err, bus.ErrSettings) || !strings.Contains(err.Error(), "end that one, or choose another folder with -outbox") {
		t.Errorf("error is %v", err)
	}
	c.Close(0)
	open(t, with, "p2", log).Close(0)
}

// Events that were dropped for want of room are told of in an event, once there
// is a stream that takes it.
func TestLostEventsAreToldOf(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, log := testContext(t), newLines()
			s := bustest.NewServer(t)
			s.Stop()
			with := settings(s.URL())
			with.Outbox, with.OutboxSize = dir, 20_000
			c := open(t, with, "p1", log)
			for range 300 {
				c.Emit(time.Now(), &events.Log{Service: "prober"})
			}
			dropped := c.Publisher.Stats().Dropped
			if dropped == 0 {
				t.Fatalf("nothing was dropped: %+v", c.Publisher.Stats())
			}
			s.Restart()
			k := consumer(t, initialized(t, s, "logger", log))
			var told events.Record
			for told.Kind == "" {
				batch, err := k.Next(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range batch {
					if e, err := events.Decode(d.Body); err == nil {
						if l, err := e.Log(); err == nil && len(l.Records) > 0 {
							told = l.Records[0]
						}
					}
				}
			}
			if told.Kind != events.EventsLost || told.Reason != "outbox_full" || told.Count != dropped {
				t.Errorf("told is %+v, %d were dropped", told, dropped)
			}
			log.await(ctx, t, "level=WARN", "outbox is full")
			if kept, lost := c.Close(deadline); kept != 0 || lost != dropped {
				t.Errorf("%d kept, %d lost", kept, lost)
			}
			log.await(ctx, t, "level=ERROR", "lost: ")
		})
	}
}

// Readiness and metrics tell what keeps events from being delivered: which
// subject of whose.
func TestConditionsAreTold(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	denied := event(t, "denied")
	s := bustest.NewServer(t, restricted(denied.Subject))
	health, metrics := service.NewHealth(), prometheus.NewRegistry()
	c := open(t, settings(as(s, "p1")), "p1", log)
	defer c.Close(0)
	c.Register(metrics, health)
	figure := func(name string) (sum float64) {
		families, err := metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == name {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
		return sum
	}
	notes := func() string { return strings.Join(health.Notes(), "\n") }
	log.await(ctx, t, "connected to nats")
	until(t, "a connection", func() bool { return figure(bus.MetricConnected) == 1 && notes() == "" })
	c.Publisher.Publish(denied)
	want := `nats: user "p1" is not allowed: publish on ` + denied.Subject
	until(t, want, func() bool { return notes() == want })
	if _, err := c.Subscribe("not.mine", func(string, []byte) {}); err != nil {
		t.Fatal(err)
	}
	want += `, subscription on not.mine`
	until(t, want, func() bool { return notes() == want })
	if figure(bus.MetricRefusals) < 2 || figure(bus.MetricOutboxEvents) != 1 || figure(bus.MetricOutboxBytes) == 0 ||
		figure(bus.MetricOutboxAge) <= 0 || figure(bus.MetricLost) != 0 || figure(bus.MetricPublished) != 0 {
		families, _ := metrics.Gather()
		t.Errorf("figures are %v", families)
	}
	if len(health.Reasons()) != 0 {
		t.Errorf("not ready: %v", health.Reasons())
	}
	s.Stop()
	until(t, "no connection", func() bool { return notes() == "nats: no connection, events wait" && figure(bus.MetricConnected) == 0 })
}
