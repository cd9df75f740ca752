package logger_test

import (
	"context"
	"testing"

	"tinytwamp/services/logger/internal/logger"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

// A full stream discards the oldest. What went of it while the logger was away is
// counted as missed; what the logger had, or what went before its consumer was
// made, is not.
func TestStreamThatIsFull(t *testing.T) {
	f := &fleet{T: t, server: bustest.NewServer(t), dir: t.TempDir(), out: new(output), source: events.NewSource("reflector", "r1")}
	f.client = f.connect("r1")
	small := func(durable string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		if err := f.client.Init(ctx, bus.StreamConfig{MaxBytes: 40_000}, bus.ConsumerConfig{Durable: durable}); err != nil {
			t.Fatal(err)
		}
	}
	last := 0
	publish := func(n int) {
		t.Helper()
		f.numbers(last+1, last+n)
		last += n
	}
	small("logger")
	publish(300) // of which a part fits
	r := f.start("logger", nil)
	var missed float64
	f.until("what was discarded is counted", func() bool {
		missed = r.metric(t, logger.MetricMissed)
		return missed > 0
	})
	f.until("the rest is in the files", func() bool { return len(f.records()) == 300-int(missed) })
	if removed := r.metric(t, logger.MetricStreamRemoved); removed != missed || r.metric(t, logger.MetricStreamBytes) > 40_000 {
		t.Errorf("%v were missed, of %v that were removed", missed, removed)
	}
	if records := f.records(); records[0].Seq != uint64(missed)+1 {
		t.Errorf("the first in the files is %d, with %v missed", records[0].Seq, missed)
	}
	for range 10 { // what it has may go
		publish(30)
		f.until("all is acknowledged", func() bool { return f.acknowledgedUpTo("logger") == f.lastSequence() })
	}
	f.until("it is seen that more is gone", func() bool { return r.metric(t, logger.MetricStreamRemoved) > missed+100 })
	if got := r.metric(t, logger.MetricMissed); got != missed {
		t.Errorf("%v are missed of what was read", got-missed)
	}
	r.stop()

	small("late")
	r = f.start("late", nil)
	f.until("a new consumer has read all", func() bool { return f.acknowledgedUpTo("late") == f.lastSequence() })
	if got := r.metric(t, logger.MetricMissed); got != 0 {
		t.Errorf("%v are missed by a consumer that there was not yet", got)
	}
}
