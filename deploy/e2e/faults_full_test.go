//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// A prober's outbox is filled beyond its bound while NATS is away. The oldest
// events go, and how many is in the metrics, in events, and in the last words of
// the log; the sum is right: what was made is in the files or reported as lost.
func TestFaultsFullOutbox(t *testing.T) {
	const metric = "twamp_bus_events_lost_total"
	r := newRig(t)
	r.nats(1, natsServer(t))
	r.logger("logger")
	r.measure("-outbox-size", "512KiB", "-samples", "200", "-interval", "5ms")
	r.startServers()
	r.servers[0].stop() // from the beginning: no event is on its way when it has to make room
	r.prober.start()
	r.reflector.start()
	eventually(t, time.Minute, "events lost by the prober", func() string {
		if lost := r.prober.metric(metric); lost < 20 {
			return fmt.Sprintf("only %.0f", lost)
		}
		return ""
	})
	r.start()
	eventually(t, time.Minute, "the outbox empties", func() string {
		if n := r.prober.metric("twamp_outbox_events"); n > 10 {
			return fmt.Sprintf("%.0f events wait", n)
		}
		return ""
	})
	lost := uint64(r.prober.metric(metric))
	r.prober.stopWith(75) // measured, but not all could be delivered
	tally := r.finish()

	var kept, told, first, last uint64
	for _, e := range tally.events {
		if e.Source != "/prober/prober" {
			continue
		}
		_, n := cutID(e.ID)
		kept, last = kept+1, max(last, n)
		if first == 0 || n < first {
			first = n
		}
		told += toldLost(t, e)
	}
	said := regexp.MustCompile(`lost: (\d+)`).FindStringSubmatch(readFile(t, r.prober.log))
	t.Logf("FIGURE: the prober made %d events, %d are in the files, from number %d on; %d lost by metric, %d by events, %v by log",
		last, kept, first, lost, told, said)
	if kept+lost != last || first != lost+1 {
		t.Errorf("the sum is wrong, or it was not the oldest that went")
	}
	if told != lost || said == nil || said[1] != fmt.Sprint(lost) {
		t.Error("events or log say otherwise than the metric")
	}
}

// toldLost returns how many lost events an event tells of.
func toldLost(t *testing.T, e events.Event) (n uint64) {
	t.Helper()
	if e.Type != events.TypeLog {
		return 0
	}
	log, err := e.Log()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range log.Records {
		if record.Kind == events.EventsLost {
			n += record.Count
		}
	}
	return n
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
