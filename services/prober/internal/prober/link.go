package prober

import (
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
	Read([]udp.Message, []udp.Event) (int, int, error)
	Write([]udp.Message) (int, error)
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
)

// link is a socket that many sessions share, and tells their replies apart.
type link struct {
	conn  conn
	local netip.AddrPort // as bound
	room  int            // octets of the longest reply that is expected
	clock *atomic.Pointer[udp.Clock]

	stray atomic.Uint64 // datagrams from nobody whom we test

	mu       sync.RWMutex
	sessions map[netip.AddrPort][]*session

	sending sync.Mutex
	out     [1]udp.Message // guarded by sending
	stamps  []sent         // guarded by sending, by transmit id
}

// sent is a packet whose transmit time is to come.
type sent struct {
	id      uint32
	session *session
	number  uint64
}

func newLink(c conn, room int, clock *atomic.Pointer[udp.Clock]) *link {
	return &link{
		conn: c, local: c.LocalAddr(), room: room, clock: clock,
		sessions: make(map[netip.AddrPort][]*session), stamps: make([]sent, stampsKept),
	}
}

func (l *link) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions[s.target.Address] = append(l.sessions[s.target.Address], s)
}

func (l *link) drops() uint64           { return l.conn.Drops() }
func (l *link) address() netip.AddrPort { return l.local }

// send stamps T1 on packet n of a session, and sends it. The kernel's transmit
// time comes later, to [link.stamp].
func (l *link) send(s *session, n uint64, p *slot) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	clock := l.clock.Load()
	pkt := stamp.SenderPacket{
		Sequence:      uint32(n),
		ErrorEstimate: stamp.NewErrorEstimate(clock.Error, clock.Synchronized, s.format),
		SSID:          s.ssid,
	}
	now := time.Now()
	p.t1, p.mono = now.UnixNano(), int64(now.Sub(s.start))
	if s.offset == 0 {
		s.offset = p.t1 - p.mono
	}
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

// read hands replies, transmit times and ICMP errors to their sessions until
// the socket is closed.
func (l *link) read() error {
	ms := make([]udp.Message, readBatch)
	for i := range ms {
		ms[i].Buf = make([]byte, l.room)
	}
	evs := make([]udp.Event, readBatch)
	for {
		n, e, err := l.conn.Read(ms, evs)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("prober: reading %v: %w", l.local, err)
		}
		for i := range evs[:e] {
			l.event(&evs[i])
		}
		now := time.Now()
		for i := range ms[:n] {
			l.message(&ms[i], now)
		}
	}
}

func (l *link) event(e *udp.Event) {
	if e.Kind == udp.ICMPError {
		for _, s := range l.sessionsOf(e.Peer) {
			s.failed(e)
		}
		return
	}
	l.sending.Lock()
	t := l.stamps[e.TxID%stampsKept]
	l.sending.Unlock()
	if t.session != nil && t.id == e.TxID {
		t.session.stamped(t.number, e.Time)
	}
}

func (l *link) message(m *udp.Message, now time.Time) {
	of := l.sessionsOf(m.Peer)
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

func (l *link) sessionsOf(a netip.AddrPort) []*session {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.sessions[a]
}
