// Package udptest is a network in memory for tests of what sends and receives
// datagrams through package udp. In a [testing/synctest] bubble its times are
// exact: it takes them from package time, starts no goroutine, and blocks on
// channels only.
package udptest

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"tinytwamp/shared/udp"
)

// firstEphemeral is the port that a socket gets which asks for none.
const firstEphemeral = 49152

// Network carries datagrams between the sockets that were opened on it. An
// address is where somebody listens: there are no hosts, and a socket on an
// unspecified address gets what is for its port on any address of its family
// that no other socket has. It is safe for concurrent use.
type Network struct {
	mu       sync.Mutex
	conns    map[netip.AddrPort][]*Conn // several with ReusePort
	paths    map[route]Path
	counts   map[route]int // packets sent so far
	port     uint16        // ephemeral port to try next
	features udp.Features
}

type route struct{ from, to netip.Addr }

// New returns a network on which every path is [Instant] and every feature is
// there.
func New() *Network {
	return &Network{
		conns:    map[netip.AddrPort][]*Conn{},
		paths:    map[route]Path{},
		counts:   map[route]int{},
		port:     firstEphemeral,
		features: udp.Features{RxTimestamps: true, TxTimestamps: true, RxDelivered: true, TxDelivered: true, TTL: true, TOS: true, PacketInfo: true},
	}
}

// SetPath says what becomes of packets from one address to another, from the
// next one on.
func (n *Network) SetPath(from, to netip.Addr, p Path) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paths[route{from, to}] = p
}

// SetFeatures says what sockets opened from now on can do, as the system of
// their host would.
func (n *Network) SetFeatures(f udp.Features) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.features = f
}

// Listen opens a socket. Its ReadBuffer bounds the octets of payload that wait
// to be read, 0: no bound.
func (n *Network) Listen(cfg udp.Config) (*Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	local := netip.AddrPortFrom(cfg.Local.Addr().Unmap(), cfg.Local.Port())
	if !local.Addr().IsValid() {
		return nil, errors.New("udptest: listen: no local address given")
	}
	for cfg.Local.Port() == 0 && (local.Port() == 0 || len(n.conns[local]) > 0) {
		local = netip.AddrPortFrom(local.Addr(), n.port)
		n.port = max(n.port+1, firstEphemeral)
	}
	for _, c := range n.conns[local] {
		if !c.cfg.ReusePort || !cfg.ReusePort {
			return nil, fmt.Errorf("udptest: listen on %s: %w", local, udp.ErrInUse)
		}
	}
	c := newConn(n, local, cfg)
	c.features.TxTimestamps = c.features.TxTimestamps && cfg.TxTimestamps
	n.conns[local] = append(n.conns[local], c)
	return c, nil
}

// remove takes a closed socket off the network.
func (n *Network) remove(c *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	others := n.conns[c.local][:0:0]
	for _, o := range n.conns[c.local] {
		if o != c {
			others = append(others, o)
		}
	}
	n.conns[c.local] = others
}

// route finds what becomes of a packet, and the socket that it is for, nil if
// there is none.
func (n *Network) route(p Packet) ([]Delivery, *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := route{p.From.Addr(), p.To.Addr()}
	p.Index = n.counts[r]
	n.counts[r]++
	path := n.paths[r]
	if path == nil {
		path = Instant
	}
	conns := n.conns[p.To]
	if len(conns) == 0 {
		conns = n.conns[netip.AddrPortFrom(unspecified(p.To.Addr()), p.To.Port())]
	}
	if len(conns) == 0 {
		return path(p), nil
	}
	return path(p), conns[int(p.From.Port())%len(conns)]
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func loopback(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
