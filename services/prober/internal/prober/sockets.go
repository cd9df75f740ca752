package prober

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/shared/udp"
)

const (
	// fineInterval is the interval below which microseconds of a packet's time
	// are worth spinning for.
	fineInterval = 5 * time.Millisecond
	// receiveBuffer holds the replies that come while the process waits for a
	// CPU: at 10,000 packets/s, some hundred milliseconds of them.
	receiveBuffer = 4 << 20
	// roomForReplies is the least room for one: replies should be as long as
	// their requests, but need not be.
	roomForReplies = 2048

	// ownSockets is how many sessions to one address have a socket each, where
	// their own port does not matter: a reflector then tells them apart also
	// if it does not know the SSID. Further ones share.
	ownSockets = 8
	// maxSockets bounds those for sessions that cannot share.
	maxSockets = 64
)

// sockets are the links of a test, by the own address that was asked for.
// Sessions share them wherever that can be.
type sockets struct {
	links map[netip.AddrPort][]*link
	open  func(local netip.AddrPort) (*link, error)
}

// choose gives the link for a session.
func (ss *sockets) choose(local netip.AddrPort, p *plan) (*link, error) {
	if p.mode == ModeTWAMP {
		return ss.chooseAlone(local, p.target.Address.Addr())
	}
	all := ss.links[local]
	for _, l := range all {
		if l.free(p.target.Address) {
			return l, nil
		}
	}
	fixed := local.Port() != 0
	if !fixed && len(all) < ownSockets || len(all) == 0 {
		return ss.add(local)
	}
	slices.SortStableFunc(all, func(a, b *link) int { return len(a.seats[p.target.Address]) - len(b.seats[p.target.Address]) })
	for _, l := range all {
		if p.mode == ModeSTAMP && !l.has(p.target.Address, p.ssid) {
			return l, nil
		}
	}
	if !fixed && len(all) < maxSockets {
		return ss.add(local)
	}
	return nil, fmt.Errorf("prober: too many tests of %v from one own port, which only an SSID of its own would tell apart: "+
		"give each another source port or, in stamp mode, another ssid", p.target.Address)
}

// chooseAlone gives the link for a session that is to be the only one from an own
// port to an address. If need be one makes way that waits for its last replies.
// Beyond [maxSockets] sessions share: a server that has a port to give for each
// tells them apart by that.
func (ss *sockets) chooseAlone(local netip.AddrPort, to netip.Addr) (*link, error) {
	all, at := ss.links[local], netip.AddrPortFrom(to, 0)
	for _, l := range all {
		if len(l.seats[at]) == 0 {
			return l, nil
		}
	}
	if len(all) == 0 || local.Port() == 0 && len(all) < maxSockets {
		return ss.add(local)
	}
	for _, l := range all {
		if l.free(at) {
			return l, nil
		}
	}
	if local.Port() == 0 {
		return slices.MinFunc(all, func(a, b *link) int { return len(a.seats[at]) - len(b.seats[at]) }), nil
	}
	return nil, fmt.Errorf("prober: too many tests of %v from one own port in twamp mode: give each another source port", to)
}

// errTaken means that a server chose the port of another session.
var errTaken = errors.New("prober: the server chose a port to which another session tests from the same own port")

func (ss *sockets) add(local netip.AddrPort) (*link, error) {
	l, err := ss.open(local)
	if err != nil {
		return nil, err
	}
	l.asked = local
	if ss.links == nil {
		ss.links = make(map[netip.AddrPort][]*link)
	}
	ss.links[local] = append(ss.links[local], l)
	return l, nil
}

// close closes a link that nobody uses.
func (ss *sockets) close(l *link) {
	ss.links[l.asked] = slices.DeleteFunc(ss.links[l.asked], func(x *link) bool { return x == l })
	l.close()
}

func (ss *sockets) closeAll() {
	for _, all := range ss.links {
		for _, l := range all {
			l.close()
		}
	}
}

// seats are the sessions of a link by address, those included that wait for
// their last replies. The roster's.
type seats map[netip.AddrPort][]*session

func (x seats) sit(peer netip.AddrPort, s *session) { x[peer] = append(x[peer], s) }

// taken says whether there is a session to an address.
func (x seats) taken(peer netip.AddrPort) bool { return len(x[peer]) > 0 }

// free says that no session to an address goes on.
func (x seats) free(peer netip.AddrPort) bool {
	return !slices.ContainsFunc(x[peer], func(s *session) bool { return !s.seat.leaving })
}

// has says whether a session to an address goes on that has an SSID, or shares
// with none.
func (x seats) has(peer netip.AddrPort, ssid uint16) bool {
	return slices.ContainsFunc(x[peer], func(s *session) bool {
		return !s.seat.leaving && (s.ssid == ssid || s.mode == ModeTWAMP)
	})
}

// open opens a socket.
func (p *Prober) open(local netip.AddrPort) (*link, error) {
	c, err := p.cfg.Listen(udp.Config{
		Local: local, TxTimestamps: true, Errors: true, ReadBuffer: receiveBuffer, WriteBuffer: receiveBuffer,
	})
	if err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	f := c.Features()
	p.cfg.Log.Debug("kernel timestamps that a trial over loopback brought", "receive", f.RxDelivered, "transmit", f.TxDelivered)
	if !f.RxDelivered || !f.TxDelivered {
		p.cfg.Log.Warn("this host does not deliver all kernel timestamps: delays include some of its own",
			"receive", f.RxDelivered, "transmit", f.TxDelivered)
	}
	return newLink(c, &p.clock), nil
}
