package bus_test

import (
	"fmt"
	"testing"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

// A subject that is not allowed does not hold up the others, however many events
// wait for it, and not one of those is lost: once another user may publish them
// they are delivered.
func TestDeniedSubjectHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	const many, few = 20_000, 300
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, log := testContext(t), newLines()
			s := bustest.NewServer(t, restricted("twamp.v1.log.denied"))
			admin := connect(t, as(s, "admin"), "admin", log)
			if err := admin.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
				t.Fatal(err)
			}
			with := settings("")
			with.Outbox = dir
			p := publisher(t, connect(t, as(s, "p1"), "p1", log), with, log)
			for i := range many {
				p.Publish(events.Encoded{ID: fmt.Sprint("denied-", i), Subject: "twamp.v1.log.denied", Body: []byte("{}")})
				if i%(many/few) == 0 {
					p.Publish(events.Encoded{ID: fmt.Sprint("allowed-", i), Subject: "twamp.v1.log.other", Body: []byte("{}")})
				}
			}
			until(t, "all that is allowed", func() bool { return p.Stats().Acknowledged >= few })
			if st := p.Stats(); st.Pending < many || st.Lost() != 0 {
				t.Errorf("stats are %+v", st)
			}
			if dir == "" {
				return
			}
			p.Close()
			drain(ctx, t, publisher(t, admin, with, log))
			got := collect(ctx, t, consumer(t, admin), many)
			for id, at := range got {
				if len(at) != 1 {
					t.Errorf("event %s stands in the stream at %v", id, at)
				}
			}
		})
	}
}
