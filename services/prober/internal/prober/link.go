package prober

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
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
	clock *atomic.Pointer[udp.Clock]

	stray atomic.Uint64 // datagrams from nobody whom we test

	// owned by run
	peers    map[netip.AddrPort][]*session
	sessions map[identity][]*session
	turns    turns
	ms       []udp.Message
	out      [1]udp.Message
	stamps   []sent    // by transmit id
	drained  time.Time // all that had come in by then was taken

	// owned by the roster
	seats
	asked netip.AddrPort // own address, as asked for
	end   func()         // ends run

	mu     sync.Mutex
	orders []order
}

// identity tells the sessions of an address apart, RFC 8972 section 3. Two have
// the same only while one follows on the other.
type identity struct {
	peer          netip.AddrPort
	ssid          uint16
	authenticated bool
}

// identity tells the session apart from others of its link.
func (s *session) identity() identity { return identity{s.peer, s.ssid, s.mac != nil} }

// order is what a link is to do with a session.
type order struct {
	what    action
	session *session
}

type action uint8

const (
	join  action = iota // serve it
	call                // call it at once
	leave               // forget it
)

// sent is a packet whose transmit time is to come.
type sent struct {
	id      uint32
	session *session
	number  uint64
}

func newLink(c conn, clock *atomic.Pointer[udp.Clock]) *link {
	return &link{
		conn: c, local: c.LocalAddr(), clock: clock,
		peers: make(map[netip.AddrPort][]*session), sessions: make(map[identity][]*session),
		stamps: make([]sent, stampsKept), ms: make([]udp.Message, readBatch), seats: make(seats),
	}
}

// close closes the socket; its port is free then.
func (l *link) close() {
	l.end()
	l.conn.Close()
}

// order has the link do something with a session. It may come from any
// goroutine, and does not wait.
func (l *link) order(what action, s *session) {
	l.mu.Lock()
	l.orders = append(l.orders, order{what, s})
	l.mu.Unlock()
	l.conn.Wake()
}

func (l *link) drops() uint64           { return l.conn.Drops() }
func (l *link) address() netip.AddrPort { return l.local }

// run sends what is due, and hands replies, transmit times and ICMP errors to
// their sessions, until ctx ends.
func (l *link) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	evs := make([]udp.Event, readBatch)
	l.drained = time.Now()
	for {
		next, spin := l.wake()
		until := next
		if spin {
			until = next.Add(-spinTime)
		}
		begun := time.Now()
		n, e, err := l.conn.ReadUntil(l.ms, evs, until)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("prober: reading %v: %w", l.local, err)
		}
		l.take(l.ms[:n], evs[:e])
		if n < len(l.ms) {
			l.drained = begun
		}
		if n == 0 && e == 0 && spin {
			for left := time.Until(next); left > 0 && left <= spinTime; left = time.Until(next) { // spinning is the point
			}
		}
	}
}

// wake follows orders and calls the sessions that are due. It says when the
// next one is (never, if the time is zero), and whether to spin before.
func (l *link) wake() (next time.Time, spin bool) {
	l.obey()
	next, s := l.turns.run(l.drained)
	return next, s != nil && s.spin
}

// obey follows the orders that have come.
func (l *link) obey() {
	l.mu.Lock()
	orders := l.orders
	l.orders = nil
	l.mu.Unlock()
	for _, o := range orders {
		s := o.session
		id := s.identity()
		switch o.what {
		case join:
			l.makeRoom(s)
			l.peers[id.peer] = append(l.peers[id.peer], s)
			l.sessions[id] = append(l.sessions[id], s)
			l.turns.move(s.due, s)
		case call:
			l.turns.move(time.Time{}, s)
		case leave:
			l.turns.remove(s)
			drop(l.peers, id.peer, s)
			drop(l.sessions, id, s)
		}
	}
}

// drop takes a session off a list of m.
func drop[K comparable](m map[K][]*session, k K, s *session) {
	list := slices.DeleteFunc(m[k], func(x *session) bool { return x == s })
	if m[k] = list; len(list) == 0 {
		delete(m, k)
	}
}

// makeRoom makes the buffers large enough for a session's replies.
func (l *link) makeRoom(s *session) {
	room := max(roomForReplies, len(s.payload)+1)
	if len(l.ms[0].Buf) >= room {
		return
	}
	for i := range l.ms {
		l.ms[i].Buf = make([]byte, room)
	}
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
	s.prepare(&pkt)
	now := time.Now()
	p.t1, p.mono = now.UnixNano(), int64(now.Sub(s.start))
	p.wire = stamp.NewTimestamp(p.t1, s.format)
	pkt.Timestamp = p.wire
	s.encode(&pkt, n)
	m := &l.out[0]
	m.Buf, m.N, m.Peer, m.IfIndex, m.TOS = s.payload, len(s.payload), s.peer, s.ifIndex, int(s.dscp)<<2
	if _, err := l.conn.Write(l.out[:]); err != nil {
		return err
	}
	s.counters.sent.Add(1)
	l.stamps[m.TxID%stampsKept] = sent{id: m.TxID, session: s, number: n}
	return nil
}

func (l *link) event(e *udp.Event) {
	switch e.Kind {
	case udp.ICMPError:
		for _, s := range l.concerned(e) {
			s.failed(e)
		}
	case udp.TxStamp:
		if t := &l.stamps[e.TxID%stampsKept]; t.session != nil && t.id == e.TxID {
			t.session.stamped(t.number, e.Time)
		}
	default: // the host refused the packet: the write said so
	}
}

// concerned finds the sessions that an ICMP error is about. It quotes the
// packet, with the SSID if it is long enough.
func (l *link) concerned(e *udp.Event) []*session {
	q := e.Quoted[:e.QuotedLen]
	for _, at := range []struct {
		ssid          int
		authenticated bool
	}{{14, false}, {26, true}} {
		if len(q) < at.ssid+2 {
			break
		}
		if of := l.sessions[identity{e.Peer, binary.BigEndian.Uint16(q[at.ssid:]), at.authenticated}]; len(of) > 0 {
			return of
		}
	}
	return l.peers[e.Peer]
}

func (l *link) message(m *udp.Message, now time.Time) {
	of := l.peers[m.Peer]
	switch {
	case len(of) == 0:
		l.stray.Add(1)
	case m.Truncated:
		of[0].stray()
	case of[0].terms != nil: // it shares its addresses and ports with none
		if !of[0].negotiated(m, now) {
			of[0].stray()
		}
	case !l.offer(m, now, of, true) && !l.offer(m, now, of, false):
		of[0].stray()
	}
}

// offer offers a datagram to the sessions of its sender as a reply of one kind.
func (l *link) offer(m *udp.Message, now time.Time, of []*session, authenticated bool) bool {
	var p stamp.ReflectorPacket
	var err error
	if authenticated {
		err = p.UnmarshalAuthenticated(m.Buf[:m.N])
	} else {
		err = p.UnmarshalBinary(m.Buf[:m.N])
	}
	if err != nil {
		return false
	}
	// A reflector that does not know the SSID returns zero, RFC 8972 section 3.
	if p.SSID != 0 {
		of = l.sessions[identity{m.Peer, p.SSID, authenticated}]
	}
	for _, s := range of {
		if (s.mac != nil) == authenticated && s.receive(&p, m, now) {
			return true
		}
	}
	return false
}
