package bus

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/service"
)

func connect(server *bustest.Server, name string) (*Conn, error) {
	return Connect(Settings{URL: service.URL(server.URL()), OutboxSize: 1 << 20}, name, slog.New(slog.DiscardHandler))
}

func consumerOf(t *testing.T, server *bustest.Server, name string) (*Conn, *Consumer, error) {
	t.Helper()
	conn, err := connect(server, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := conn.Init(ctx, StreamConfig{}, ConsumerConfig{Durable: "d"}); err != nil {
		t.Fatal(err)
	}
	c, err := conn.Consumer(ctx, "d")
	if err == nil {
		t.Cleanup(c.Close)
	}
	return conn, c, err
}

func TestSecondConsumerOfADurableIsRefused(t *testing.T) {
	server := bustest.NewServer(t)
	_, first, err := consumerOf(t, server, "first")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = consumerOf(t, server, "second")
	if !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), `instance "first"`) || !strings.Contains(err.Error(), "-consumer") {
		t.Fatalf("second consumer: %v", err)
	}
	first.Close()
	begun := time.Now()
	if _, _, err := consumerOf(t, server, "third"); err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	if took := time.Since(begun); took > 10*time.Second { // nothing was waited for
		t.Errorf("took %s", took)
	}
}

// Without a word of farewell, as after a kill: its connection is gone.
func TestConsumerOfALostConnectionIsNotWaitedFor(t *testing.T) {
	server := bustest.NewServer(t)
	conn, _, err := consumerOf(t, server, "first")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, _, err := consumerOf(t, server, "second"); err != nil {
		t.Fatal(err)
	}
}

// Two that could not see each other, as in a cluster that fell apart: the one
// that was there first goes on.
func TestTwoConsumersThatMeetLater(t *testing.T) {
	a := claimant{ID: "a", Since: time.Unix(1, 0), Holds: true}
	for _, c := range []struct {
		name  string
		other claimant
	}{
		{"it came later", claimant{ID: "b", Since: time.Unix(2, 0), Holds: true}},
		{"its clock is behind, but it does not consume yet", claimant{ID: "b", Since: time.Unix(0, 0)}},
		{"at the same instant", claimant{ID: "b", Since: time.Unix(1, 0), Holds: true}},
	} {
		if !a.before(c.other) || c.other.before(a) {
			t.Errorf("%s: goes first", c.name)
		}
	}
}

func TestConsumerIsGivenUpToWhoHasIt(t *testing.T) {
	server := bustest.NewServer(t)
	conn, c, err := consumerOf(t, server, "late")
	if err != nil {
		t.Fatal(err)
	}
	early := claim{nc: conn.nc, subject: claimPrefix + "d", own: claimant{ID: "early", Since: time.Unix(1, 0), Name: "early", Holds: true}}
	sub, err := conn.nc.Subscribe(early.subject+claimAsk, early.answer)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	ctx, cancel := context.WithTimeout(t.Context(), 4*claimInterval)
	defer cancel()
	if _, err := c.Next(ctx); !errors.Is(err, ErrTaken) {
		t.Errorf("Next: %v", err)
	}
}

func TestClosedConsumerGivesBackWhatItHolds(t *testing.T) {
	server := bustest.NewServer(t)
	conn, c, err := consumerOf(t, server, "first")
	if err != nil {
		t.Fatal(err)
	}
	const messages = 3000
	for range messages {
		if err := conn.nc.Publish("twamp.v1.log.r1", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), ackWait/2) // before the server would miss any
	defer cancel()
	batch, err := c.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for { // until it holds more than that
		state, err := c.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if state.Unacknowledged > len(batch)+100 {
			break
		}
	}
	for _, d := range batch {
		if err := d.Nak(0); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	again, err := conn.Consumer(ctx, "d")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	seen := map[uint64]bool{}
	for len(seen) < messages {
		batch, err := again.Next(ctx)
		if err != nil {
			t.Fatalf("%d of %d came again: %v", len(seen), messages, err)
		}
		for _, d := range batch {
			seen[d.StreamSeq] = true
		}
	}
}
