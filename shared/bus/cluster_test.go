package bus_test

import (
	"context"
	"fmt"
	"testing"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

// A stream of three replicas loses nothing, and doubles nothing, when one node
// goes away, be it the one that leads it.
func TestClusterLosesANode(t *testing.T) {
	t.Parallel()
	const n = 3000
	log := newLines()
	ctx, cancel := context.WithTimeout(t.Context(), 4*deadline) // an election may take 10 s
	defer cancel()
	cluster := bustest.NewCluster(t, 3)
	c := connect(t, cluster.URL(), "p1", log)
	stream := bus.StreamConfig{Replicas: 3}
	durable := bus.ConsumerConfig{Durable: "logger"}
	for range 2 {
		if err := c.Init(ctx, stream, durable); err != nil {
			t.Fatal(err)
		}
	}
	s := settings("")
	s.Outbox = t.TempDir()
	p := publisher(t, c, s, log)
	var sent []string
	send := func(text string) {
		for i := range n / 3 {
			e := event(t, fmt.Sprint(text, i))
			sent = append(sent, e.ID)
			p.Publish(e)
		}
	}
	send("all there ")
	leader := cluster.Leader(events.StreamName)
	follower := (leader + 1) % 3
	cluster.Nodes[follower].Stop()
	send("without one that follows ")
	drain(ctx, t, p)
	cluster.Nodes[follower].Restart()
	cluster.CaughtUp(follower, events.StreamName)
	cluster.Nodes[leader].Stop()
	send("without the one that led ")
	drain(ctx, t, p)
	if now := cluster.Leader(events.StreamName); now == leader {
		t.Errorf("node %d leads, which is stopped", now)
	}
	got := collect(ctx, t, consumer(t, c), n)
	for _, id := range sent {
		if len(got[id]) != 1 {
			t.Errorf("event %s stands in the stream at %v", id, got[id])
		}
	}
	if st := p.Stats(); st.Acknowledged != n || st.Lost() != 0 {
		t.Errorf("stats are %+v", st)
	}
}
