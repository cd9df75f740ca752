package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// conn is a datagram socket: [udp.Conn], or an in-memory one in tests.
type conn interface {
	ReadUntil(ms []udp.Message, evs []udp.Event, until time.Time) (n, e int, err error)
	Write([]udp.Message) (int, error)
	Wake()
	LocalAddr() netip.AddrPort
	Drops() uint64
	Features() udp.Features
	Close() error
}

const (
	readBatch = 32
	// stampsKept bounds the packets whose transmit time is still to come from
	// the kernel. It comes at once, but for a queue in a slow interface.
	stampsKept = 1 << 13
	// spinTime is the last part of a wait, which is not slept: a sleeping thread
	// wakes some microseconds late, and tens of them on a virtual machine.
	spinTime = 20 * time.Microsecond
)

// link is a socket that many sessions share, and the goroutine that sends and
// receives on it. That it is one goroutine is for the figures' sake: the
// transmit timestamp of a packet wakes whoever waits on its socket, while the
// packet itself has yet to go its way, and the 4 us (median; 99th percentile 20)
// that the kernel spends on that would be found in the delay. Who sends does not wait.
type link struct {
	// set once
	conn  conn
	local netip.AddrPort // as bound
	room  int            // octets of the longest reply that is expected
	spin  bool           // the last part of each wait
	clock *atomic.Pointer[udp.Clock]

	stray atomic.Uint64 // datagrams from nobody whom we test

	// owned by run
	sessions map[netip.AddrPort][]*session
	turns    turns
	out      [1]udp.Message
	stamps   []sent    // by transmit id
	drained  time.Time // all that had come in by then was taken

	mu     sync.Mutex
	called []*session
}

// sent is a packet whose transmit time is to come.
type sent struct {
	id      uint32
	session *session
	number  uint64
}

func newLink(c conn, room int, spin bool, clock *atomic.Pointer[udp.Clock]) *link {
	return &link{
		conn: c, local: c.LocalAddr(), room: room, spin: spin, clock: clock,
		sessions: make(map[netip.AddrPort][]*session), stamps: make([]sent, stampsKept),
	}
}

// add gives the link a session, before it runs.
func (l *link) add(s *session) {
	l.sessions[s.target.Address] = append(l.sessions[s.target.Address], s)
	l.turns.put(s.due, s)
}

// call has a session called at once. It may come from any goroutine.
func (l *link) call(s *session) {
	l.mu.Lock()
	l.called = append(l.called, s)
	l.mu.Unlock()
	l.conn.Wake()
}

func (l *link) drops() uint64           { return l.conn.Drops() }
func (l *link) address() netip.AddrPort { return l.local }

// run sends what is due, and hands replies, transmit times and ICMP errors to
// their sessions, until ctx ends.
func (l *link) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	ms := make([]udp.Message, readBatch)
	for i := range ms {
		ms[i].Buf = make([]byte, l.room)
	}
	evs := make([]udp.Event, readBatch)
	l.drained = time.Now()
	for {
		next := l.wake()
		until := next
		if l.spin && !next.IsZero() {
			until = next.Add(-spinTime)
		}
		begun := time.Now()
		n, e, err := l.conn.ReadUntil(ms, evs, until)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("prober: reading %v: %w", l.local, err)
		}
		l.take(ms[:n], evs[:e])
		if n < len(ms) {
			l.drained = begun
		}
		if n == 0 && e == 0 && until != next {
			for time.Until(next) > 0 && time.Until(next) <= spinTime { // spinning is the point
			}
		}
	}
}

// wake calls the sessions that are due, and says when the next one is; never,
// if the time is zero.
func (l *link) wake() time.Time {
	l.mu.Lock()
	called := l.called
	l.called = nil
	l.mu.Unlock()
	for _, s := range called {
		l.turns.move(time.Time{}, s)
	}
	return l.turns.run(l.drained)
}

// take hands on what was received. Transmit times come first: a packet's is
// there not later than its reply.
func (l *link) take(ms []udp.Message, evs []udp.Event) {
	for i := range evs {
		l.event(&evs[i])
	}
	now := time.Now()
	for i := range ms {
		l.message(&ms[i], now)
	}
}

// send stamps T1 on packet n of a session, and sends it. The kernel's transmit
// time comes later, as an event.
func (l *link) send(s *session, n uint64, p *slot) error {
	clock := l.clock.Load()
	pkt := stamp.SenderPacket{
		Sequence:      uint32(n),
		ErrorEstimate: stamp.NewErrorEstimate(clock.Error, clock.Synchronized, s.format),
		SSID:          s.ssid,
	}
	now := time.Now()
	p.t1, p.mono = now.UnixNano(), int64(now.Sub(s.start))
	p.wire = stamp.NewTimestamp(p.t1, s.format)
	pkt.Timestamp = p.wire
	if _, err := pkt.AppendBinary(s.payload[:0]); err != nil {
		return err
	}
	m := &l.out[0]
	m.Buf, m.N, m.Peer, m.IfIndex, m.TOS = s.payload, len(s.payload), s.target.Address, s.ifIndex, int(s.dscp)<<2
	if _, err := l.conn.Write(l.out[:]); err != nil {
		return err
	}
	l.stamps[m.TxID%stampsKept] = sent{id: m.TxID, session: s, number: n}
	return nil
}

func (l *link) event(e *udp.Event) {
	switch e.Kind {
	case udp.ICMPError:
		for _, s := range l.sessions[e.Peer] {
			s.failed(e)
		}
	case udp.TxStamp:
		if t := &l.stamps[e.TxID%stampsKept]; t.session != nil && t.id == e.TxID {
			t.session.stamped(t.number, e.Time)
		}
	default: // the host refused the packet: the write said so
	}
}

func (l *link) message(m *udp.Message, now time.Time) {
	of := l.sessions[m.Peer]
	if len(of) == 0 {
		l.stray.Add(1)
		return
	}
	var p stamp.ReflectorPacket
	if m.Truncated || p.UnmarshalBinary(m.Buf[:m.N]) != nil {
		of[0].stray()
		return
	}
	for _, s := range of {
		// A reflector that does not know the SSID returns zero, RFC 8972 section 3.
		if (p.SSID == s.ssid || p.SSID == 0) && s.receive(&p, m, now) {
			return
		}
	}
	of[0].stray()
}
