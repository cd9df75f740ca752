//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"tinytwamp/shared/events"
)

// Two loggers share the load by filters, each with a durable and a folder of its
// own, and one of them is killed on the way. A third that takes the durable or the
// folder of one of them is refused, and told why.
func TestFaultsTwoLoggers(t *testing.T) {
	filters := map[string]string{"reports": "twamp.v1.rtt.>", "logs": "twamp.v1.log.>,twamp.v1.dlq.>"}
	r := newRig(t)
	r.nats(1, natsServer(t))
	reports := r.logger("reports", "-filter", filters["reports"])
	logs := r.logger("logs", "-filter", filters["logs"])
	intruder := r.logger("intruder", "-consumer", "logs")
	r.loggers = r.loggers[:2]
	r.measure()
	r.generator("generator", 200)
	for _, p := range r.servers {
		p.start()
	}
	for name, filter := range filters {
		output(t, exec.Command(binary("logger"), "-init", "-nats-url", r.url(), "-consumer", name, "-filter", filter))
	}
	r.worsen()
	r.start()
	reports.ready()
	logs.ready()

	intruder.start()
	waitForLine(t, intruder.log, "another process has this consumer: instance \\\"logs\\\"")
	if status, _ := intruder.ask("/readyz"); status == 200 {
		t.Error("the logger that was refused is ready")
	}
	intruder.stop()
	if list := r.export(r.data[2]); len(list) > 0 {
		t.Errorf("the logger that was refused has %d events", len(list))
	}
	same := exec.Command(binary("logger"), "-nats-url", r.url(), "-consumer", "other", "-data", r.data[0])
	if out, err := same.CombinedOutput(); err == nil || !strings.Contains(string(out), "in use by another process: end that one, or use another folder") {
		t.Errorf("a second logger on a folder: %v: %s", err, out)
	}

	for range 5 {
		r.kill(logs, reports)
		r.waitAccepted(50)
		r.start()
		r.waitAccepted(200)
	}
	tally := r.finish()
	r.wantOnce(tally)
	for i, want := range []string{events.TypeRTT, events.TypeLog} {
		list := r.export(r.data[i])
		for _, e := range list {
			if e.Type != want {
				t.Errorf("an event of type %s is in %s", e.Type, r.data[i])
			}
		}
		t.Logf("FIGURE: %d events of type %s", len(list), want)
	}
}
