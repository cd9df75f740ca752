package e2e

import (
	"os"
	"testing"
	"time"
)

// All processes are killed in one moment, again and again, as when somebody pulls
// the plug of a machine whose disk keeps what was written: reflector, prober, a
// generator, logger and NATS server. Each event that was accepted is in the files
// once. (The longer tests of this kind are in make e2e.)
func TestFaultsAllKilledAtOnce(t *testing.T) {
	random := seeded(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	r.nats(1, self, serverMain+"=1")
	r.logger("logger")
	r.measure()
	r.generator("generator", 500)
	r.startServers()
	r.worsen()
	r.start()
	for range 5 {
		r.waitAccepted(100 + random.IntN(200))
		pause(random, 100*time.Millisecond)
		r.kill(r.all()...)
		r.start()
	}
	r.waitAccepted(100)
	r.wantOnce(r.finish())
}
