package events

import (
	"math"
	"testing"
	"time"
)

// natsMaxPayload is the largest message of a NATS server by default.
const natsMaxPayload = 1 << 20

// The longest list of samples leaves a quarter of a message for the rest of
// the report: four histograms of all times up to an hour take 50 KiB each.
func TestSamplesFitIntoAMessage(t *testing.T) {
	r := fullRTT()
	r.Samples = nil
	for range MaxSamples {
		r.Samples = append(r.Samples, Sample{
			Sequence: math.MaxUint32, Sent: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), State: SampleReceived,
			RTTNs: new(int64(math.MinInt64)), ForwardNs: new(int64(math.MinInt64)), BackwardNs: new(int64(math.MinInt64)),
			ProcessingNs: new(int64(math.MinInt64)), SenderTTL: new(uint8(255)), TTL: new(uint8(255)),
		})
	}
	e, err := goldenSource().Encode(at, r)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Body); n > natsMaxPayload*3/4 {
		t.Errorf("an event of %d samples has %d octets, want at most %d", MaxSamples, n, natsMaxPayload*3/4)
	} else {
		t.Logf("%d octets", n)
	}
}
