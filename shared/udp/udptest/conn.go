package udptest

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"tinytwamp/shared/udp"
)

const (
	hopLimit   = 255   // as package udp sends
	maxPayload = 65507 // of IPv4; IPv6 has 20 more
)

// Conn is a socket on a [Network], with the methods and the contract of
// [udp.Conn].
type Conn struct {
	// Set once by Listen.
	network  *Network
	local    netip.AddrPort
	cfg      udp.Config
	features udp.Features
	changed  chan struct{} // holds one when there is something new to look at
	woken    chan struct{} // holds one when Wake was called
	closed   chan struct{}

	mu        sync.Mutex
	coming    queue
	order     uint64
	messages  []arrival // arrived
	waiting   int       // octets of their payload
	events    []udp.Event
	drops     uint64
	failures  []error
	nextID    uint32
	closeOnce sync.Once
}

func newConn(n *Network, local netip.AddrPort, cfg udp.Config) *Conn {
	return &Conn{
		network: n, local: local, cfg: cfg, features: n.features,
		changed: make(chan struct{}, 1), woken: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// LocalAddr is the address that the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Features says what the socket can do.
func (c *Conn) Features() udp.Features { return c.features }

// Drops counts the datagrams for which the receive buffer had no room.
func (c *Conn) Drops() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrive(time.Now())
	return c.drops
}

// Close closes the socket. A Read under way returns [net.ErrClosed].
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.closeOnce.Do(func() {
		c.network.remove(c)
		close(c.closed)
		err = nil
	})
	return err
}

// FailWrites makes the next datagrams that are written fail with these errors,
// one each; nil lets one pass.
func (c *Conn) FailWrites(errs ...error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, errs...)
}

// Wake is as that of [udp.Conn].
func (c *Conn) Wake() { signal(c.woken) }

// signal leaves word in a channel that holds one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it is there already
	}
}

// Read is as that of [udp.Conn].
func (c *Conn) Read(ms []udp.Message, evs []udp.Event) (n, e int, err error) {
	return c.ReadUntil(ms, evs, time.Time{})
}

// ReadUntil is as that of [udp.Conn]. What arrives at the very instant is read.
func (c *Conn) ReadUntil(ms []udp.Message, evs []udp.Event, until time.Time) (n, e int, err error) {
	for {
		select {
		case <-c.closed:
			return 0, 0, net.ErrClosed
		default:
		}
		n, e, next := c.take(ms, evs)
		if n > 0 || e > 0 {
			return n, e, nil
		}
		if !until.IsZero() {
			if !time.Now().Before(until) {
				return 0, 0, nil
			}
			if next.IsZero() || until.Before(next) {
				next = until
			}
		}
		if c.await(next) {
			return 0, 0, nil
		}
	}
}

// await waits until there may be something new, at the latest at an instant,
// zero: never. It tells whether Wake was called.
func (c *Conn) await(next time.Time) (woken bool) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-c.closed:
	case <-c.changed:
	case <-due:
	case <-c.woken:
		return true
	}
	return false
}

// take reads what has arrived. Next is when there will be more, as far as is
// known, else zero.
func (c *Conn) take(ms []udp.Message, evs []udp.Event) (n, e int, next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.arrive(now)
	for n < len(ms) && len(c.messages) > 0 {
		a := c.messages[0]
		c.messages = c.messages[1:]
		c.waiting -= len(a.payload)
		a.message.Buf = ms[n].Buf
		a.message.N = copy(a.message.Buf, a.payload)
		a.message.Truncated = a.message.N < len(a.payload)
		if !a.message.Kernel {
			a.message.Time = now.UnixNano()
		}
		ms[n] = a.message
		n++
	}
	e = copy(evs, c.events)
	c.events = c.events[e:]
	if len(evs) == 0 {
		c.events = nil
	}
	if len(c.coming) > 0 {
		next = c.coming[0].at
	}
	return n, e, next
}

// Write is as that of [udp.Conn]. It never waits.
func (c *Conn) Write(ms []udp.Message) (n int, err error) {
	for i := range ms {
		if err := c.write(&ms[i]); err != nil {
			return i, err
		}
	}
	return len(ms), nil
}

func (c *Conn) write(m *udp.Message) error {
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	to := netip.AddrPortFrom(m.Peer.Addr().Unmap(), m.Peer.Port())
	if !to.IsValid() || to.Addr().Is4() != c.local.Addr().Is4() {
		return udp.ErrPeer
	}
	if err := c.failure(); err != nil {
		return err
	}
	if m.N > maxPayload {
		return syscall.EMSGSIZE
	}
	now := time.Now()
	m.TxID = 0
	if c.features.TxTimestamps && (m.WantTx || !c.cfg.TxOnDemand) {
		m.TxID = c.txID()
		c.put(arrival{at: now, event: udp.Event{Kind: udp.TxStamp, TxID: m.TxID, Time: now.UnixNano()}})
	}
	c.network.carry(c, now, Packet{
		From: c.source(m.Local), To: to, Payload: m.Buf[:m.N], TTL: hopLimit, TOS: max(m.TOS, 0),
	})
	return nil
}

// failure is the error that the next datagram was told to fail with.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) == 0 {
		return nil
	}
	err := c.failures[0]
	c.failures = c.failures[1:]
	return err
}

func (c *Conn) txID() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextID++
	return c.nextID
}

// source is the address that a datagram leaves from.
func (c *Conn) source(asked netip.Addr) netip.AddrPort {
	a := c.local.Addr()
	if a.IsUnspecified() {
		a = loopback(a)
	}
	if asked.IsValid() && c.features.PacketInfo {
		a = asked.Unmap()
	}
	return netip.AddrPortFrom(a, c.local.Port())
}

// carry sends a packet on its way. One that finds nobody comes back as an ICMP
// error, from where it would have been delivered, at the time it would have.
func (n *Network) carry(sender *Conn, now time.Time, p Packet) {
	deliveries, receiver := n.route(p)
	for _, d := range deliveries {
		at := now.Add(d.Delay)
		switch {
		case receiver != nil:
			receiver.put(arrival{at: at, payload: clonePayload(p.Payload), message: receiver.describe(p, d, at)})
		case sender.cfg.Errors:
			sender.put(arrival{at: at, event: portUnreachable(p, at)})
		}
	}
}

// clonePayload is never nil, which would be an event.
func clonePayload(b []byte) []byte { return append([]byte{}, b...) }

// describe is what the receiving host knows of a datagram.
func (c *Conn) describe(p Packet, d Delivery, at time.Time) udp.Message {
	m := udp.Message{Peer: p.From, TTL: -1, TOS: -1}
	if c.features.RxTimestamps {
		m.Time, m.Kernel = at.UnixNano(), true
	}
	if c.features.TTL {
		m.TTL = d.TTL
	}
	if c.features.TOS {
		m.TOS = d.TOS
	}
	if c.features.PacketInfo {
		m.Local, m.IfIndex = p.To.Addr(), 1
	}
	return m
}

func portUnreachable(p Packet, at time.Time) udp.Event {
	peer := p.To
	e := udp.Event{Kind: udp.ICMPError, Time: at.UnixNano(), Peer: peer, From: peer.Addr(), Errno: syscall.ECONNREFUSED}
	e.Type, e.Code = 3, 3 // RFC 792
	if peer.Addr().Is6() {
		e.Type, e.Code = 1, 4 // RFC 4443 section 3.1
	}
	e.QuotedLen = copy(e.Quoted[:], p.Payload)
	return e
}
