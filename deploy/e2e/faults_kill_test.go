//go:build e2e

package e2e

import (
	"os"
	"testing"
	"time"
)

// Prober, logger and NATS server are killed 20 times each, in any order and at any
// moment, as are reflector and generator, and at times all of them in one moment.
// Some are started again at once, others after the next kill. The stream keeps
// what is tried again. Each event that was accepted is in the files once.
func TestFaultsKills(t *testing.T) {
	random := seeded(t)
	r := newRig(t)
	r.nats(1, natsServer(t))
	logger := r.logger("logger")
	r.measure()
	generator := r.generator("generator", 500)
	r.startServers()
	r.worsen()
	r.start()
	r.waitAccepted(100)
	var victims []*program // nil: all of them
	for range 20 {
		victims = append(victims, r.prober, logger, r.servers[0])
	}
	for range 5 {
		victims = append(victims, r.reflector, generator, nil)
	}
	random.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	for _, victim := range victims {
		pause(random, 1200*time.Millisecond)
		if victim != nil && victim.cmd == nil { // still away since it was killed last
			r.start()
			pause(random, 300*time.Millisecond)
		}
		if victim != nil {
			r.kill(victim)
		} else {
			r.start()
			r.kill(r.all()...)
		}
		if random.IntN(2) == 0 {
			r.start()
		}
	}
	r.start()
	r.waitAccepted(100)
	for _, p := range r.all() {
		t.Logf("FIGURE: %s was killed %d times", p.name, p.runs-1)
	}
	tally := r.finish()
	r.wantOnce(tally)
	if tally.retried == 0 {
		t.Error("no event was tried again")
	}
}

// NATS is away for a while, under load. Everybody works on, and each event is in
// the files once when it is back.
func TestFaultsOutage(t *testing.T) {
	away := 20 * time.Second
	if s := os.Getenv("E2E_OUTAGE"); s != "" {
		var err error
		if away, err = time.ParseDuration(s); err != nil {
			t.Fatalf("E2E_OUTAGE must be a time: %v", err)
		}
	}
	r := newRig(t)
	r.nats(1, natsServer(t))
	r.logger("logger")
	r.measure()
	r.generator("generator1", 250)
	r.generator("generator2", 250)
	r.startServers()
	r.start()
	r.reflector.ready()
	r.waitAccepted(500)

	r.servers[0].stop()
	begun := time.Now()
	r.waitAccepted(int(away.Seconds() * 500 * 0.9))
	if rest := away - time.Since(begun); rest > 0 {
		time.Sleep(rest) // the time that it is away is the test
	}
	if status, body := r.reflector.ask("/readyz"); status != 200 {
		t.Errorf("the reflector is not ready without NATS: %s", body)
	}
	waiting := r.prober.metric("twamp_outbox_events")
	t.Logf("FIGURE: NATS was away for %v (E2E_OUTAGE), %.0f events of the prober waited", time.Since(begun).Round(time.Second), waiting)
	if waiting == 0 {
		t.Error("no event of the prober waits")
	}
	r.start()
	r.waitAccepted(500)
	r.wantOnce(r.finish())
}
