package logger_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/services/logger/internal/logger"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

func TestEventsArriveOnce(t *testing.T) {
	f := newFleet(t)
	r := f.start("logger", nil)
	f.numbers(1, 100)
	f.once(100)
	if seqs := f.records(); seqs[41].Seq != 42 || seqs[41].Subject != "twamp.v1.log.r1" || seqs[41].Time.IsZero() {
		t.Errorf("record %+v", seqs[41])
	}
	f.until("it is ready", func() bool { return len(r.health.Reasons()) == 0 })
	f.acknowledged("logger", 100)
	if got := r.metric(t, logger.MetricRecords); got != 100 {
		t.Errorf("%s is %v", logger.MetricRecords, got)
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestStopAndStartLeaveNeitherGapNorDuplicate(t *testing.T) {
	f := newFleet(t)
	f.numbers(1, 10) // before the first start
	r := f.start("logger", nil)
	f.kept(10)
	r.stop()
	f.acknowledged("logger", 10)
	f.numbers(11, 20)
	r = f.start("logger", nil)
	f.numbers(21, 30)
	f.once(30)
	f.acknowledged("logger", 30)
	r.stop()

	// A durable that remembers nothing has all of it delivered again, as after a
	// crash in which every acknowledgement was lost.
	f.init("again")
	r = f.start("again", nil)
	f.acknowledged("again", 30)
	f.numbers(31, 31)
	f.once(31)
	if got := r.metric(t, logger.MetricDuplicates); got != 30 {
		t.Errorf("%s is %v", logger.MetricDuplicates, got)
	}
}

func TestServerRestart(t *testing.T) {
	f := newFleet(t)
	r := f.start("logger", nil)
	f.numbers(1, 10)
	f.kept(10)
	f.server.Stop()
	f.until("it is not ready", func() bool {
		return slices.Equal(r.health.Reasons(), []string{"bus: no connection to NATS"})
	})
	f.server.Restart()
	f.numbers(11, 20)
	f.once(20)
	f.until("it is ready again", func() bool { return len(r.health.Reasons()) == 0 })
}

// A server whose JetStream does not answer, for want of a quorum for instance,
// keeps its connections: nothing comes, and the logger does not pass for ready.
func TestServerWithoutJetStream(t *testing.T) {
	var options *server.Options
	f := newFleet(t, func(o *server.Options) { options = o })
	r := f.start("logger", nil)
	f.numbers(1, 3)
	f.kept(3)
	options.JetStream = false
	f.server.Restart()
	f.until("it says that JetStream does not answer", func() bool {
		return strings.Contains(strings.Join(r.health.Reasons(), ""), "bus: consumer's state")
	})
	options.JetStream = true
	f.server.Restart()
	f.numbers(4, 6)
	f.once(6)
	f.until("it is ready again", func() bool { return len(r.health.Reasons()) == 0 })
}

// full is a journal on a disk that is full for some writes.
type full struct {
	*journal.Journal
	mu   sync.Mutex
	left int
}

func (j *full) Append(batch []journal.Entry) ([]bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.left > 0 {
		j.left--
		return nil, syscall.ENOSPC
	}
	return j.Journal.Append(batch)
}

func TestFullDiskHoldsEventsBack(t *testing.T) {
	f := newFleet(t)
	disk := &full{left: 1 << 30}
	r := f.start("logger", func(j *journal.Journal) store { disk.Journal = j; return disk })
	f.numbers(1, 10)
	f.until("it is not ready", func() bool { return strings.Contains(strings.Join(r.health.Reasons(), ""), "no space left") })
	if got := f.records(); len(got) != 0 || f.out.String() != "" {
		t.Errorf("%d records, %q", len(got), f.out)
	}
	if got := r.metric(t, logger.MetricDiskState); got != 1 {
		t.Errorf("%s is %v", logger.MetricDiskState, got)
	}
	disk.mu.Lock()
	disk.left = 2
	disk.mu.Unlock()
	f.once(10)
	f.acknowledged("logger", 10)
	f.until("it is ready again", func() bool { return len(r.health.Reasons()) == 0 })
	if got := r.metric(t, logger.MetricDiskState); got != 0 {
		t.Errorf("%s is %v once there is room", logger.MetricDiskState, got)
	}
	if batches, failures := r.metric(t, logger.MetricBatches), r.metric(t, logger.MetricWriteFailures); batches == 0 || failures < 2 {
		t.Errorf("%v batches, %v failures", batches, failures)
	}
}

// What it could not write is given back when it ends: the next logger has it at
// once, not when the server misses it.
func TestFullDiskAtTheEndGivesEventsBack(t *testing.T) {
	f := newFleet(t)
	disk := &full{left: 1 << 30}
	r := f.start("logger", func(j *journal.Journal) store { disk.Journal = j; return disk })
	f.numbers(1, 10)
	f.until("it fails", func() bool { return r.metric(t, logger.MetricWriteFailures) > 0 })
	r.stop()
	f.start("logger", nil)
	f.once(10)
}

func TestFullDiskDoesNotHoldUpTheEnd(t *testing.T) {
	f := newFleet(t)
	disk := &full{left: 1 << 30}
	r := f.start("logger", func(j *journal.Journal) store { disk.Journal = j; return disk })
	f.numbers(1, 10)
	f.until("it fails", func() bool { return r.metric(t, logger.MetricWriteFailures) > 0 })
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestPoison(t *testing.T) {
	f := newFleet(t)
	valid := f.encode(1)
	change := func(from, to string) []byte { return bytes.Replace(valid.Body, []byte(from), []byte(to), 1) }
	long := bytes.Repeat([]byte("x"), 100<<10)
	poison := []struct {
		name, subject, reason string
		body                  []byte
	}{
		{"not JSON", valid.Subject, "not a CloudEvent", []byte("garbage\x00\xff")},
		{"long", valid.Subject, "not a CloudEvent", long},
		{"not a CloudEvent", valid.Subject, "specversion", []byte(`{"id":"1"}`)},
		{"forged source", "twamp.v1.log.r2", "source", valid.Body},
		{"source of no form", valid.Subject, "source", change("/reflector/r1", "somebody")},
		{"other type", "twamp.v1.rtt.r1.t1.00000000000000000000ffff7f000001-862", "type", valid.Body},
		{"part of a type", valid.Subject, "type", change(`"type":"twamp.v1.log"`, `"type":"twamp.v1"`)},
		{"unknown subject", "twamp.v1.other.r1", "type", valid.Body},
		{"data of another form", valid.Subject, "data", change(`"records":[`, `"records":7,"x":[`)},
	}
	for i, p := range poison {
		f.publish(events.Encoded{ID: fmt.Sprint("poison-", i), Subject: p.subject, Body: p.body})
	}
	f.publish(valid)
	r := f.start("logger", nil)
	got := f.kept(len(poison) + 1)
	f.acknowledged("logger", uint64(2*len(poison)+1))
	if len(got) != len(poison)+1 {
		t.Fatalf("%d events in the files, want %d", len(got), len(poison)+1)
	}
	if got[0].ID != valid.ID {
		t.Error("the valid event did not come first")
	}
	for i, p := range poison {
		d, err := got[i+1].DeadLetter()
		if err != nil {
			t.Fatal(err)
		}
		if d.Subject != p.subject || d.StreamSeq != uint64(i+1) || d.Size != len(p.body) ||
			!bytes.Equal(d.Body, p.body[:min(len(p.body), 64<<10)]) || !strings.Contains(d.Reason, p.reason) {
			t.Errorf("%s: reason %q, subject %s, sequence %d, size %d", p.name, d.Reason, d.Subject, d.StreamSeq, d.Size)
		}
		if got[i+1].Name() != "l1" {
			t.Errorf("%s: dead letter of %s", p.name, got[i+1].Source)
		}
	}
	for _, name := range []string{logger.MetricPoison, logger.MetricDeadLetters} {
		if n := r.metric(t, name); n != float64(len(poison)) {
			t.Errorf("%s is %v", name, n)
		}
	}
}

func TestDeadLettersAreNeverPoison(t *testing.T) {
	f := newFleet(t)
	r := f.start("logger", nil)
	f.publish(events.Encoded{ID: "1", Subject: "twamp.v1.dlq.l1", Body: []byte("garbage")})
	f.acknowledged("logger", 1)
	f.numbers(1, 1)
	f.once(1)
	if n := r.metric(t, logger.MetricPoison); n != 1 {
		t.Errorf("%s is %v", logger.MetricPoison, n)
	}
}

func TestEventPublishedTwiceIsKeptOnce(t *testing.T) {
	f := newFleet(t)
	r := f.start("logger", nil)
	e := f.encode(1)
	f.publish(e)
	f.kept(1)
	f.retry(e)
	f.acknowledged("logger", 2)
	f.once(1)
	if n := r.metric(t, logger.MetricDuplicates); n != 1 {
		t.Errorf("%s is %v", logger.MetricDuplicates, n)
	}
}

func TestMissingStreamIsSaidUntilItIsThere(t *testing.T) {
	f := &fleet{T: t, server: bustest.NewServer(t), dir: t.TempDir(), out: new(output), source: events.NewSource("reflector", "r1")}
	f.client = f.connect("r1")
	r := f.start("logger", nil)
	f.until("it says what is missing", func() bool { return strings.Contains(strings.Join(r.health.Reasons(), ""), "logger -init") })
	f.init("logger")
	f.numbers(1, 3)
	f.once(3)
}

func TestSecondLoggerOfAConsumerIsRefused(t *testing.T) {
	f := newFleet(t)
	first := f.start("logger", nil)
	f.numbers(1, 10)
	f.kept(10)
	other := *f
	other.dir = t.TempDir()
	second := other.start("logger", nil)
	f.until("the second says what to do", func() bool {
		reasons := strings.Join(second.health.Reasons(), "")
		return strings.Contains(reasons, "another process has this consumer") && strings.Contains(reasons, "-consumer")
	})
	f.numbers(11, 50)
	f.once(50)
	if n := len(other.records()); n != 0 {
		t.Errorf("the second took %d events", n)
	}
	if len(first.health.Reasons()) != 0 {
		t.Errorf("the first is disturbed: %v", first.health.Reasons())
	}
}

func TestLoggersShareTheWorkByFilters(t *testing.T) {
	f := newFleet(t)
	other := *f
	other.dir, other.out = t.TempDir(), new(output)
	for durable, subject := range map[string]string{"one": "twamp.v1.log.r1", "two": "twamp.v1.log.r2"} {
		if err := f.client.Init(t.Context(), bus.StreamConfig{}, bus.ConsumerConfig{Durable: durable, Filters: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	f.start("one", nil)
	other.start("two", nil)
	r2 := *f
	r2.source = events.NewSource("reflector", "r2")
	for n := range 20 {
		f.publish(f.encode(n))
		r2.publish(r2.encode(n))
	}
	for name, fleet := range map[string]*fleet{"r1": f, "r2": &other} {
		for _, e := range fleet.kept(20) {
			if e.Name() != name {
				t.Errorf("an event of %s is with that of %s", e.Name(), name)
			}
		}
	}
}
