package reflector

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"tinytwamp/shared/udp"
)

// Here and not for all systems: only Linux has all of 127.0.0.0/8.

// Where both reflectors have the same port, a forged request is not answered
// at all.
func TestForgedRequestBetweenSamePorts(t *testing.T) {
	t.Parallel()
	one := reflecting(t, netip.MustParseAddrPort("127.0.0.1:0"))
	port := one.r.Addresses()[0].Port()
	loopBetween(t, one, reflecting(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port)), 0)
}

// flood is traffic from many sources beside a sender that means well, both
// bounded by what the reflector has taken in, so that no buffer overflows.
type flood struct {
	*testing.T
	u       *running
	to      netip.AddrPort
	sources []*net.UDPConn
	legit   *udp.Conn
	replies chan uint32 // sender sequence numbers of replies to legit
	sent    uint64      // by all
	random  *rand.Rand
}

func newFlood(t *testing.T, sources int, change func(*Config)) *flood {
	f := &flood{T: t, replies: make(chan uint32, 1<<16), random: rand.New(rand.NewPCG(1, 2))}
	f.u = run(t, func(c *Config) {
		c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		change(c)
	})
	if err := f.u.next(t); err != nil {
		t.Fatal(err)
	}
	f.to = f.u.r.Addresses()[0]
	for n := range sources {
		local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)}), 0))
		c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(f.to))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		f.sources = append(f.sources, c)
	}
	legit, err := udp.Listen(udp.Config{Local: netip.MustParseAddrPort("127.0.0.1:0"), ReadBuffer: receiveBuffer})
	if err != nil {
		t.Fatal(err)
	}
	f.legit = legit
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		receiveSequences(t.Context(), legit, f.replies)
	}()
	t.Cleanup(func() {
		legit.Close()
		<-ended
	})
	return f
}

// burst sends a datagram from each source.
func (f *flood) burst(datagram func() []byte) {
	for _, c := range f.sources {
		if _, err := c.Write(datagram()); err == nil {
			f.sent++
		}
	}
}

// ask sends a request from the sender that means well.
func (f *flood) ask(sequence uint32) {
	b := request(sequence, 1)
	if _, err := f.legit.Write([]udp.Message{{Buf: b, N: len(b), Peer: f.to}}); err != nil {
		f.Fatal(err)
	}
	f.sent++
}

// settle waits until the reflector has taken all that was sent, or the kernel
// has dropped it.
func (f *flood) settle() {
	eventually(f.T, func() bool { return f.u.r.counters.received.Load()+f.u.r.dropped(kernelBuffer) >= f.sent })
}

// lost waits for the replies to n requests, but for those that the kernel
// dropped, and returns how many are missing.
func (f *flood) lost(n int) int {
	seen := map[uint32]bool{}
	for timeout := time.After(20 * time.Second); len(seen) < n-int(f.u.r.dropped(kernelBuffer)+f.legit.Drops()); {
		select {
		case sequence := <-f.replies:
			seen[sequence] = true
		case <-timeout:
			return n - len(seen)
		}
	}
	return n - len(seen)
}

// A flood of random datagrams of all sizes from many sources costs the sender
// that means well nothing but what the kernel drops, and no memory.
func TestFloodOfRandomDatagrams(t *testing.T) {
	const sources, bursts = 64, 100
	f := newFlood(t, sources, func(c *Config) { c.SessionTable = 100 })
	octets := make([]byte, 1<<17)
	for i := range octets {
		octets[i] = byte(f.random.Uint32())
	}
	random := func() []byte {
		size := f.random.IntN(65507 + 1)
		if f.random.IntN(2) == 0 {
			size = f.random.IntN(100)
		}
		return octets[f.random.IntN(len(octets)-size):][:size]
	}
	before := heap()
	for i := range uint32(bursts) {
		f.burst(random)
		f.ask(i)
		f.settle()
	}
	dropped := int(f.u.r.dropped(kernelBuffer) + f.legit.Drops())
	if lost := f.lost(bursts); lost > dropped {
		t.Errorf("%d of %d requests are lost, the kernel has dropped %d", lost, bursts, dropped)
	}
	if f.u.r.dropped(tooShort) == 0 || f.u.r.counters.replies.Load() < 2*bursts {
		t.Errorf("the flood was no test of much: %d too short, %d replies", f.u.r.dropped(tooShort), f.u.r.counters.replies.Load())
	}
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("%d octets of memory more after the flood", grown)
	}
	t.Logf("%d datagrams, %d replies, %d dropped by the kernel", f.sent, f.u.r.counters.replies.Load(), dropped)
}

// heap is the memory in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// With a limit by source the flood's sources are held to it, and the sender
// that means well is not.
func TestFloodWithRateLimit(t *testing.T) {
	const sources, bursts, limit = 4, 1000, 40
	f := newFlood(t, sources, func(c *Config) { c.RateLimit = limit })
	start := time.Now()
	for i := range bursts {
		f.burst(func() []byte { return request(0, 2) })
		if i%(bursts/limit) == 0 {
			f.ask(uint32(i))
		}
		f.settle()
	}
	dropped := int(f.u.r.dropped(kernelBuffer) + f.legit.Drops())
	if lost := f.lost(limit); lost > dropped {
		t.Errorf("%d of %d requests are lost, the kernel has dropped %d", lost, limit, dropped)
	}
	flooded := func() int { return int(f.u.r.table.packets()) - limit }
	eventually(t, func() bool { // each has become one or the other
		return int(f.u.r.dropped(rateLimited))+flooded()+dropped >= sources*bursts
	})
	seconds := 1 + int(time.Since(start)/time.Second)
	if most := sources * limit * (1 + seconds); flooded() > most {
		t.Errorf("%d packets of the flood are answered in %d seconds, want up to %d", flooded(), seconds, most)
	}
}
