package reflector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// Sizes of a worker's buffers.
const (
	batchSize = 64    // datagrams per system call
	roomSize  = 65535 // octets for one datagram, so that none is cut
	// Buffers a power of two apart would share few cache lines; this spreads
	// them.
	stride = 1<<16 + 3*64
)

// conn is a datagram socket: [udp.Conn], or an in-memory one in tests.
type conn interface {
	Read([]udp.Message, []udp.Event) (int, int, error)
	Write([]udp.Message) (int, error)
	LocalAddr() netip.AddrPort
	Drops() uint64
	Wake()
	Close() error
}

// worker answers the packets of one socket.
type worker struct {
	// set once
	conn     conn
	port     uint16
	policy   policy
	auth     authenticator
	limits   *limits
	window   time.Duration // how old an authentic request may be, 0: as old as it likes
	table    *table        // nil: stateless
	log      *testLog
	logging  Logging
	counters *counters
	clock    *atomic.Pointer[errorEstimates]
	self     *atomic.Pointer[netip.AddrPort] // the probe by which the reflector knows that it answers
	prepare  func()                          // called first on the goroutine that answers; may be nil
	sessions *sessions                       // those that were negotiated
	// Nothing but these is answered, and buffers have the room that they need.
	sessionsOnly bool

	room atomic.Int64 // octets for one datagram, with sessionsOnly

	// owned by run
	ms     []udp.Message
	noted  [batchSize]noted
	evs    [batchSize]udp.Event
	stamps []stamped // by transmit id
	last   int64     // last packet in the test log, when stateless
}

// noted is what follows from a request of the current batch: whether the test
// log has it, and whether to ask when its reply left.
type noted struct {
	yes      bool
	stamp    bool // its transmit time is wanted
	key      key
	sequence uint32     // of the reply
	seal     *stamp.MAC // of the reply's base packet; nil: unauthenticated mode

	session *negotiated // nil: none was negotiated
	sealed  bool        // it has protected the reply
}

// run answers packets until the socket is closed, which ctx's end does.
func (w *worker) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.conn.Close() })
	defer stop()
	if w.prepare != nil {
		w.prepare()
	}
	have := 0
	if !w.sessionsOnly {
		w.ms = make([]udp.Message, batchSize)
		sized(w.ms, roomSize, stride)
	}
	for {
		have = w.regrow(have)
		n, e, err := w.conn.Read(w.ms, w.evs[:])
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("reflector: reading %v: %w", w.conn.LocalAddr(), err)
		}
		w.left(w.evs[:e])
		w.counters.read(w.ms[:n])
		w.send(w.answer(n))
	}
}

// answer turns the requests in ms[:n] into replies, moves these to the front,
// and returns their number.
func (w *worker) answer(n int) int {
	replies := 0
	for i := range n {
		m := &w.ms[i]
		size, follow, why := w.reply(m)
		if why != answered {
			w.counters.dropped(why, m.Peer)
			continue
		}
		m.N = size
		m.WantTx = follow.stamp
		w.noted[replies] = follow
		if replies != i {
			w.ms[replies], w.ms[i] = w.ms[i], w.ms[replies]
		}
		replies++
	}
	return replies
}

// reply answers one request in place.
func (w *worker) reply(m *udp.Message) (size int, follow noted, why reason) {
	if m.Truncated {
		return 0, follow, truncated
	}
	if negotiated := w.sessions.byPair.Load(); negotiated != nil {
		if s := (*negotiated)[pair{m.Peer, netip.AddrPortFrom(m.Local, w.port)}]; s != nil {
			return w.replyTWAMP(s, m)
		}
	}
	if w.sessionsOnly {
		return 0, follow, noSession
	}
	self := w.self.Load()
	isSelf := self != nil && *self == m.Peer
	out := reply{
		strict: w.policy.strict, hideLocation: w.policy.hideLocation, deniedDSCPs: w.policy.denied, clock: *w.clock.Load(),
	}
	if !isSelf {
		if why = w.guard(m, &out); why != answered {
			return 0, follow, why
		}
	}
	var req stamp.SenderPacket
	if why = decode(&req, m.Buf[:m.N], out.authenticated); why != answered {
		return 0, follow, why
	}
	if !isSelf {
		if follow, why = w.enter(m, &req, &out); why != answered {
			return 0, follow, why
		}
	}
	in := arrival{time: m.Time, ttl: m.TTL, tos: m.TOS, peer: m.Peer, local: netip.AddrPortFrom(m.Local, w.port)}
	size, m.TOS = respond(&req, m.Buf, m.N, &in, &out)
	return size, follow, answered
}

// replyTWAMP answers a request of a negotiated session in place.
func (w *worker) replyTWAMP(s *negotiated, m *udp.Message) (size int, follow noted, why reason) {
	var req stamp.SenderPacket
	out := reply{clock: *w.clock.Load()}
	if out.sequence, follow.yes, why = s.admit(m, &req, w.limits, int64(w.logging)); why != answered {
		return 0, follow, why
	}
	follow.session, follow.sequence = s, out.sequence
	follow.key = key{peer: s.pair.peer, local: s.pair.local}
	w.note(m, &req, &follow, s.terms.RequestBase(), false)
	in := arrival{time: m.Time, ttl: m.TTL}
	size = respondTWAMP(s.terms.Mode, &req, m.Buf, m.N, &in, &out)
	m.TOS = int(s.terms.DSCP) << 2 // RFC 5357 section 3.5
	return size, follow, answered
}

// enter takes a request's token, unless it came before, finds the state of its
// session, and notes it if the test log follows it.
func (w *worker) enter(m *udp.Message, req *stamp.SenderPacket, out *reply) (f noted, why reason) {
	pkt := m.Buf[:m.N]
	f = noted{key: key{peer: m.Peer, local: netip.AddrPortFrom(m.Local, w.port), ssid: identity(pkt, out.authenticated), authenticated: out.authenticated}, sequence: req.Sequence}
	var t1 int64
	guarded := out.authenticated && w.window > 0
	if out.authenticated {
		f.seal = out.mac
	}
	if guarded {
		var ok bool
		if t1, ok = timely(req, m.Time, w.window); !ok || w.table != nil && !w.table.fresh(f.key, req.Sequence, t1) {
			return f, replayed // before it takes a token, which would be another's
		}
	}
	if why = w.limits.take(m.Peer.Addr(), m.Time); why != answered {
		return f, why
	}
	opened := false
	if w.table != nil {
		out.sequence, opened, f.yes, out.stateful = w.table.touch(f.key, m.Time, int64(w.logging))
	} else if f.yes = elapsed(w.last, m.Time, int64(w.logging)); f.yes {
		w.last = m.Time
	}
	if opened && guarded {
		w.table.fresh(f.key, req.Sequence, t1) // the first of its session
	}
	if out.stateful {
		f.sequence = out.sequence
		if f.stamp = findTLV(tlvsOf(pkt, baseSize(out.authenticated), out.strict), stamp.TLVFollowUpTelemetry); f.stamp {
			out.followUp = w.table.followUp(f.key, req.ErrorEstimate.Format())
		}
	}
	w.note(m, req, &f, baseSize(out.authenticated), opened)
	return f, answered
}

// note hands a request to the test log, if that follows it. A message can be
// behind the base packet.
func (w *worker) note(m *udp.Message, req *stamp.SenderPacket, f *noted, base int, opened bool) {
	if opened && !w.log.session(m.Time, f.key) {
		f.yes = false
	}
	switch {
	case w.logging == LogOff:
		f.yes = false
	case f.yes:
		w.log.packet(events.PacketReceived, m.Time, f.key, req.Sequence, m.Buf[:m.N], base)
	default:
		w.log.skipped()
	}
}

// send stamps T3 on n replies and sends them, skipping those that the host
// refuses.
func (w *worker) send(n int) {
	for from := 0; from < n; {
		for i := from; i < n; i++ {
			w.finish(i)
		}
		sent, err := w.conn.Write(w.ms[from:n])
		w.counters.replies.Add(uint64(sent))
		for i := from; i < from+sent; i++ {
			f := &w.noted[i]
			if f.stamp {
				id := w.ms[i].TxID
				w.stamps[id%stampsKept] = stamped{id: id, key: f.key, sequence: f.sequence}
			}
			if f.yes {
				w.log.packet(events.ResponseSent, time.Now().UnixNano(), f.key, f.sequence, w.ms[i].Buf[:w.ms[i].N], 0)
			}
		}
		from += sent
		if err == nil {
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		w.counters.dropped(sendFailed, w.ms[from].Peer)
		from++
	}
}

// finish has T3 taken and put into reply i.
func (w *worker) finish(i int) {
	f := &w.noted[i]
	if f.session == nil {
		finish(w.ms[i].Buf, time.Now().UnixNano(), f.seal)
		return
	}
	f.session.finish(w.ms[i].Buf, time.Now().UnixNano(), f.sealed)
	f.sealed = true
}
