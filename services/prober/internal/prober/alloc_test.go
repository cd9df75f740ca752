package prober

import (
	"net/netip"
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// sink is a socket that keeps the last packet.
type sink struct {
	conn
	last udp.Message
}

func (c *sink) LocalAddr() netip.AddrPort { return proberAddrPort }
func (c *sink) Drops() uint64             { return 0 }
func (c *sink) Write(ms []udp.Message) (int, error) {
	ms[0].TxID++
	c.last = ms[0]
	return 1, nil
}

// Sending a packet, and taking its transmit time, its reply, a copy of that and
// a stranger, allocates nothing.
func TestPacketPathDoesNotAllocate(t *testing.T) {
	c := new(sink)
	p := New(Config{Continuous: true, ReportInterval: 24 * time.Hour})
	l := newLink(c, &p.clock)
	s := sessionOn(t, p, l, Test{Interval: 10 * time.Microsecond, Timeout: time.Second, SSID: 9, Padding: PadZero, Samples: events.MaxSamples})
	s.seen = func(Reply) {}
	reply := udp.Message{Buf: make([]byte, stamp.BaseSize), N: stamp.BaseSize, Peer: reflectorAddr, Kernel: true, TTL: 250}
	packet := func() {
		s.wake(s.due, s.due)
		var sent stamp.SenderPacket
		_ = sent.UnmarshalBinary(c.last.Buf)
		at := time.Now()
		l.event(&udp.Event{Kind: udp.TxStamp, TxID: c.last.TxID, Time: at.UnixNano()})
		_, _ = stamp.ReflectorPacket{
			Sequence: sent.Sequence, Timestamp: sent.Timestamp, ErrorEstimate: sent.ErrorEstimate, SSID: sent.SSID,
			ReceiveTimestamp: sent.Timestamp, SenderSequence: sent.Sequence, SenderTimestamp: sent.Timestamp, SenderTTL: 250,
		}.AppendBinary(reply.Buf[:0])
		reply.Time = time.Now().UnixNano()
		for range 2 {
			l.message(&reply, time.Now())
		}
		reply.Buf[30]++ // of T1
		l.message(&reply, time.Now())
	}
	// What a report is made of grows, ever more rarely: not by one allocation
	// in a thousand packets.
	const packets = 5000
	if n := testing.AllocsPerRun(packets, packet); n != 0 {
		t.Errorf("%v allocations per packet, want 0", n)
	}
	if i := s.interval; i.received != packets+1 || i.duplicates != packets+1 || i.unexpected != packets+1 || i.t1Kernel != packets+1 {
		t.Errorf("received %d, duplicates %d, unexpected %d, kernel transmit times %d", i.received, i.duplicates, i.unexpected, i.t1Kernel)
	}
}
