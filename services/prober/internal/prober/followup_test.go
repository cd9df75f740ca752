package prober

import (
	"testing"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp/udptest"
)

// held is how long the reflector's host keeps a reply after its T3 was written.
const held = 3 * time.Millisecond

// tellingLeft has the reflector's host hold each reply for a while, which the
// next one's Follow-Up Telemetry tells. One may be lost on its way.
func tellingLeft(b *bench, lost int) {
	b.test.TLV.FollowUp = true
	var before struct {
		sequence uint32
		left     stamp.Timestamp
	}
	b.back(func(p udptest.Packet) []udptest.Delivery {
		var r stamp.ReflectorPacket
		_ = r.UnmarshalBinary(p.Payload)
		trailing := p.Payload[stamp.BaseSize:]
		copy(trailing, []byte{0, byte(stamp.TLVFollowUpTelemetry), 0, stamp.FollowUpSize})
		stamp.FollowUp{Sequence: before.sequence, Timestamp: before.left, Mode: stamp.TimestampSWLocal}.Put(trailing[stamp.TLVHeaderSize:])
		before.sequence, before.left = r.Sequence, b.reflector.clock(time.Now().Add(held))
		if int(r.Sequence) == lost {
			return nil
		}
		return udptest.Delay(held + 10*ms)(p)
	})
}

// RFC 8972 4.7-19
func TestFollowUpCorrectsT3(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		tellingLeft(b, -1)
		b.forward(udptest.Delay(5 * ms))
		b.run(t, 0)
		e := b.reports[0]
		// The last reply has none behind it: it keeps what the host added.
		if e.Received != 10 || e.Timestamps.T3Kernel != 9 || e.Timestamps.T3User != 1 {
			t.Fatalf("received %d, %+v", e.Received, e.Timestamps)
		}
		if e.RTT.MinNs != int64(15*ms) || e.RTT.P90Ns != int64(15*ms) || e.RTT.MaxNs != int64(15*ms+held) {
			t.Errorf("round trip %+v", e.RTT.Distribution)
		}
		if e.Backward.P90Ns != int64(10*ms) || e.Processing.P50Ns != int64(held) || e.Forward.MaxNs != int64(5*ms) {
			t.Errorf("backward %+v, processing %+v", e.Backward.Distribution, e.Processing.Distribution)
		}
		if end := b.madeAt[0].Sub(b.start); end != 9*b.test.Interval+18*ms {
			t.Errorf("reported after %v: the last reply has nothing to wait for", end)
		}
	})
}

// A reply that is lost on its way takes the correction of the one before it
// along; one that was never sent does not. Nothing waits longer for it than for
// an answer.
func TestFollowUpThatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		silent, lost int // reply
		corrected    uint64
	}{
		"never sent":  {silent: 4, lost: -1, corrected: 8},
		"on its way":  {silent: -1, lost: 4, corrected: 7},
		"the last":    {silent: -1, lost: 9, corrected: 8},
		"none before": {silent: -1, lost: 0, corrected: 8},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				tellingLeft(b, c.lost)
				b.reflector.behave = func(i int, a *answering) { a.silent = i == c.silent }
				b.run(t, 0)
				e := b.reports[0]
				if e.Received != 9 || e.Lost != 1 || e.Timestamps.T3Kernel != c.corrected {
					t.Errorf("received %d, lost %d, %+v", e.Received, e.Lost, e.Timestamps)
				}
				if end := b.madeAt[0].Sub(b.start); end > 9*b.test.Interval+b.test.Timeout {
					t.Errorf("reported after %v", end)
				}
			})
		})
	}
}

func TestImplausibleFollowUpsAreNotTaken(t *testing.T) {
	base := answer{sequence: 1, rtt: 1000, forward: 400, backward: 600, processing: 50, t3: 10_000, delays: true, oneWay: true}
	for name, c := range map[string]struct {
		t3   int64
		want bool
	}{
		"later":             {10_300, true},
		"same":              {10_000, true},
		"earlier":           {9_999, false},
		"after its arrival": {11_001, false},
	} {
		a := base
		a.correct(c.t3)
		if a.t3Kernel != c.want {
			t.Errorf("%s: taken %v", name, a.t3Kernel)
		}
		if sum := a.rtt + a.processing; sum != base.rtt+base.processing || a.forward+a.backward != a.rtt {
			t.Errorf("%s: %+v does not add up", name, a)
		}
	}
}
