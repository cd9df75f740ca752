package prober

import (
	"testing"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// A packet sent, its transmit time and its reply taken; without a socket.
func BenchmarkPacket(b *testing.B) {
	c := new(sink)
	p := New(Config{Continuous: true, ReportInterval: 24 * time.Hour})
	l := newLink(c, &p.clock)
	s := sessionOn(b, p, l, Test{Interval: 10 * time.Microsecond, Timeout: time.Second, SSID: 9, Padding: PadZero})
	ms := []udp.Message{{Buf: make([]byte, stamp.BaseSize), N: stamp.BaseSize, Peer: reflectorAddr, Kernel: true, TTL: 250}}
	evs := []udp.Event{{Kind: udp.TxStamp}}
	b.ReportAllocs()
	for b.Loop() {
		s.wake(s.due, s.due)
		at := time.Now().UnixNano()
		evs[0].TxID, evs[0].Time, ms[0].Time = c.last.TxID, at, at
		replyTo(c.last.Buf, ms[0].Buf)
		l.take(ms, evs)
	}
	if s.interval.received != s.planned || s.planned == 0 {
		b.Errorf("received %d of %d", s.interval.received, s.planned)
	}
}

// replyTo writes the reply to a request.
func replyTo(request, reply []byte) {
	var sent stamp.SenderPacket
	_ = sent.UnmarshalBinary(request)
	_, _ = stamp.ReflectorPacket{
		Sequence: sent.Sequence, Timestamp: sent.Timestamp, ErrorEstimate: sent.ErrorEstimate, SSID: sent.SSID,
		ReceiveTimestamp: sent.Timestamp, SenderSequence: sent.Sequence, SenderTimestamp: sent.Timestamp, SenderTTL: 250,
	}.AppendBinary(reply[:0])
}
