package reflector

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"tinytwamp/shared/udp"
)

// PortRange are the UDP ports for negotiated sessions that do not get the one
// they would like.
type PortRange struct{ First, Last uint16 }

// UnmarshalText reads FIRST-LAST, or one port.
func (r *PortRange) UnmarshalText(text []byte) error {
	first, last, several := strings.Cut(string(text), "-")
	if !several {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return errors.New("must be FIRST-LAST, ports from 1 to 65535, for instance 18760-19960")
	}
	*r = PortRange{uint16(a), uint16(b)}
	return nil
}

func (r PortRange) has(port uint16) bool { return r.First <= port && port <= r.Last }

// Sizes of the buffers of a test port: they are for what was negotiated, and
// there may be many.
const (
	testBatch      = 16      // datagrams per system call
	testMemory     = 1 << 18 // octets of all buffers together, unless that is less than one datagram
	leastRoom      = 2048    // octets for one datagram: what fits an Ethernet frame shares a socket
	testReadBuffer = 1 << 20 // of the kernel
)

// testPort is a socket for negotiated sessions only, which share it if they
// have the same address and port.
type testPort struct {
	// set once
	at     netip.AddrPort
	conn   conn
	worker *worker
	cancel context.CancelFunc
	ended  chan struct{}

	sessions int // guarded by the mutex of its sessions
}

// openTestPort opens a socket and answers on it, until it is closed.
func (r *Reflector) openTestPort(at netip.AddrPort, request int) (*testPort, error) {
	c, err := r.listen(udp.Config{Local: at, ReadBuffer: testReadBuffer, WriteBuffer: testReadBuffer})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := r.newWorker(c)
	w.sessionsOnly = true
	w.room.Store(int64(room(request)))
	p := &testPort{at: at, conn: c, worker: w, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		if err := w.run(ctx); err != nil { // its sessions end by themselves, for want of packets
			r.cfg.Log.Error("a port of test sessions is no longer read", "address", at, "err", err)
		}
	}()
	return p, nil
}

// room is how long buffers are for requests of a size.
func room(request int) int { return max(request, leastRoom) }

// fit has the socket take requests of a size.
func (p *testPort) fit(request int) {
	if want := int64(room(request)); p.worker.room.Load() < want {
		p.worker.room.Store(want)
		p.conn.Wake()
	}
}

// close closes the socket, waits for its worker, and returns what the kernel
// dropped.
func (p *testPort) close() uint64 {
	p.cancel()
	p.conn.Close()
	<-p.ended
	return p.drops()
}

func (p *testPort) drops() uint64 { return p.conn.Drops() }

// listenUDP opens a real socket.
func listenUDP(cfg udp.Config) (conn, error) {
	c, err := udp.Listen(cfg)
	if err != nil {
		return nil, fmt.Errorf("test port: %w", err)
	}
	return c, nil
}

// sized is how a worker's buffers are laid out, for requests of up to room
// octets.
func sized(ms []udp.Message, room, stride int) {
	slab := make([]byte, len(ms)*stride)
	for i := range ms {
		ms[i].Buf = slab[i*stride:][:room:room]
	}
}

// testMessages makes the buffers of a test port.
func testMessages(room int) []udp.Message {
	ms := make([]udp.Message, max(1, min(testBatch, testMemory/room)))
	sized(ms, room, room+3*64) // as with [stride]
	return ms
}

// regrow gives a worker larger buffers, if a new session needs them.
func (w *worker) regrow(have int) int {
	if n := int(w.room.Load()); n > have {
		w.ms = testMessages(n)
		return n
	}
	return have
}
