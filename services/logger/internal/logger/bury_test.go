package logger

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tinytwamp/shared/bus"
)

// A stream that was made anew counts from 1: what waits for the dead letter of a
// message of the old one is not that of the message which has its sequence now.
func TestDeadLettersOfTwoStreamsAreToldApart(t *testing.T) {
	client, err := bus.Open(bus.Settings{URL: "nats://127.0.0.1:1", OutboxSize: 1 << 20}, "logger", "l1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(0)
	l := &Logger{Options: Options{Bus: client}, waiting: make(map[message]uint64)}
	ended, cancel := context.WithCancel(t.Context())
	cancel() // nobody takes it: it need not be waited for
	at := time.Now()
	for i, stored := range []time.Time{at, at, at.Add(time.Second)} {
		r := checked{Delivery: bus.Delivery{Subject: "twamp.v1.log.r1", StreamSeq: 7, Time: stored}, poison: &poison{malformed, "garbage"}}
		if err := l.bury(ended, r); err == nil {
			t.Fatal("buried without a server")
		}
		if got, want := client.Publisher.Stats().Pending, 1+i/2; got != want {
			t.Errorf("%d dead letters, want %d", got, want)
		}
	}
}
