package prober

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

var (
	proberAddr     = netip.MustParseAddr("::1") // of a socket without an address on a udptest.Network
	proberAddrPort = netip.AddrPortFrom(proberAddr, 1)
	reflectorAddr  = netip.MustParseAddrPort("[2001:db8::1]:862")
)

// reflector is a Session-Reflector of one session, which notes what reaches it.
type reflector struct {
	conn     *udptest.Conn
	stateful bool
	offset   time.Duration // of its clock
	format   stamp.Format
	behave   func(i int, r *answering)   // changes what is done with the i-th request; may be nil
	raw      func(request []byte) []byte // makes the reply instead; may be nil

	mu        sync.Mutex
	next      uint32 // sequence number
	reflected []reflected
}

// reflected is a request that reached the reflector.
type reflected struct {
	sender, sequence uint32
	at               time.Time
	restarted        bool // since the request before
	ssid             uint16
	from             netip.AddrPort
}

// answering is how a request is answered.
type answering struct {
	restart    bool          // the reflector forgets its sessions before
	processing time.Duration // until the reply leaves
	reply      stamp.ReflectorPacket
	size       int      // octets of the reply
	extra      [][]byte // what it sends besides, before the reply
	silent     bool     // no reply
}

func newReflector(t *testing.T, n *udptest.Network, stateful bool) *reflector {
	t.Helper()
	c, err := n.Listen(udp.Config{Local: reflectorAddr})
	if err != nil {
		t.Fatal(err)
	}
	return &reflector{conn: c, stateful: stateful}
}

// serve answers until the socket is closed.
func (r *reflector) serve() {
	ms := []udp.Message{{Buf: make([]byte, 2048)}}
	for {
		n, _, err := r.conn.Read(ms, nil)
		if err != nil {
			return
		}
		for i := range ms[:n] {
			r.reflect(&ms[i])
		}
	}
}

func (r *reflector) reflect(m *udp.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.raw != nil {
		if b := r.raw(m.Buf[:m.N]); b != nil {
			_, _ = r.conn.Write([]udp.Message{{Buf: b, N: len(b), Peer: m.Peer}})
		}
		return
	}
	var p stamp.SenderPacket
	if p.UnmarshalBinary(m.Buf[:m.N]) != nil {
		return
	}
	now := time.Now()
	a := answering{size: m.N, reply: stamp.ReflectorPacket{
		SSID: p.SSID, SenderSequence: p.Sequence, SenderTimestamp: p.Timestamp, SenderErrorEstimate: p.ErrorEstimate,
		SenderTTL: uint8(max(m.TTL, 0)), ErrorEstimate: stamp.NewErrorEstimate(time.Millisecond, true, r.format),
	}}
	a.reply.ReceiveTimestamp = r.clock(now)
	before := a.reply
	if r.behave != nil {
		r.behave(len(r.reflected), &a)
	}
	if a.reply.Timestamp == before.Timestamp {
		a.reply.Timestamp = r.clock(now.Add(a.processing))
	}
	if a.restart {
		r.next = 0
	}
	a.reply.Sequence = p.Sequence
	if r.stateful {
		a.reply.Sequence = r.next
		r.next++
	}
	r.reflected = append(r.reflected, reflected{p.Sequence, a.reply.Sequence, now, a.restart, p.SSID, m.Peer})
	r.send(m.Peer, m.TOS, &a)
}

// clock is an instant as the reflector's clock has it.
func (r *reflector) clock(t time.Time) stamp.Timestamp {
	return stamp.NewTimestamp(t.Add(r.offset).UnixNano(), r.format)
}

func (r *reflector) send(to netip.AddrPort, tos int, a *answering) {
	b, _ := a.reply.AppendBinary(nil)
	b = append(b, make([]byte, max(0, a.size-len(b)))...)[:a.size]
	all := a.extra
	if !a.silent {
		all = append(all, b)
	}
	time.AfterFunc(a.processing, func() {
		for _, b := range all {
			_, _ = r.conn.Write([]udp.Message{{Buf: b, N: len(b), Peer: to, TOS: tos}})
		}
	})
}

// disorder counts the requests that came doubled, overtook one that was sent
// before, or were overtaken by one that was sent after.
func (r *reflector) disorder() (n uint64) {
	for i, x := range r.reflected {
		for j, y := range r.reflected {
			if j < i && x.sender <= y.sender || j > i && x.sender > y.sender {
				n++
				break
			}
		}
	}
	return n
}
