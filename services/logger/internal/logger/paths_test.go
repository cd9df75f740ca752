package logger_test

import (
	"net/netip"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/logger"
	"tinytwamp/shared/events"
)

// A report counts once in the metrics of its path, however often its event
// comes: again by a publisher's retry, or again out of the stream.
func TestReportsCountOnce(t *testing.T) {
	f := newFleet(t)
	r := f.start("logger", nil)
	e := f.report("core", 10, 3)
	f.publish(e)
	f.retry(e)
	f.acknowledged("logger", 2)
	if got := r.metric(t, "twamp_path_packets_sent_total"); got != 10 {
		t.Errorf("%v packets sent, want 10", got)
	}
	if got := r.metric(t, logger.MetricDuplicates); got != 1 {
		t.Errorf("%s is %v", logger.MetricDuplicates, got)
	}
	r.stop()

	f.init("again")
	r = f.start("again", nil)
	f.acknowledged("again", 2)
	if got := r.metric(t, "twamp_path_packets_sent_total"); got != 0 {
		t.Errorf("%v packets sent in events that the files had before", got)
	}
	f.publish(f.report("edge", 1, 1))
	f.until("a new report counts", func() bool { return r.metric(t, "twamp_path_packets_lost_total") == 1 })
}

// report makes a report on a target.
func (f *fleet) report(target string, sent, lost uint64) events.Encoded {
	f.Helper()
	e, err := events.NewSource("prober", "r1").Encode(time.Now(), &events.RTT{
		Target: events.Target{Name: target, Address: netip.MustParseAddrPort("192.0.2.1:862")}, Sent: sent, Lost: lost,
	})
	if err != nil {
		f.Fatal(err)
	}
	return e
}
