package reflector

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/udp"
)

// place finds a port for a session: the one that its client would like, if that
// can be had (some clients do not look at the answer), else one of the range.
// It is called with mu held.
func (t *sessions) place(s *negotiated) error {
	err := t.placeOn(s, s.terms.Receiver.Port())
	if err == nil || !errors.Is(err, errPort) {
		return err
	}
	for range int(t.ports.Last-t.ports.First) + 1 {
		port := t.next
		if t.next++; port == t.ports.Last {
			t.next = t.ports.First
		}
		if err := t.placeOn(s, port); err == nil || !errors.Is(err, errPort) {
			return err
		}
	}
	return control.ErrNoPort
}

// errPort means that another port may do.
var errPort = errors.New("the port is not to be had")

func (t *sessions) placeOn(s *negotiated, port uint16) error {
	at := netip.AddrPortFrom(s.terms.Receiver.Addr(), port)
	s.pair = pair{peer: unzoned(s.terms.Sender), local: unzoned(at)}
	if other := t.find(s.pair); other != nil && !other.isOver() {
		return errPort
	}
	if t.isReflector(s.pair) {
		return control.ErrLoop
	}
	if t.listensOn(s.pair.local) {
		return nil
	}
	if port < 1024 && !t.ports.has(port) {
		return errPort
	}
	size := s.terms.RequestSize()
	p := t.sockets[at]
	if p == nil {
		var err error
		if p, err = t.open(at, size); err != nil {
			if errors.Is(err, udp.ErrInUse) || errors.Is(err, udp.ErrPermission) {
				return errPort
			}
			return fmt.Errorf("reflector: %w", err)
		}
		t.sockets[at] = p
	}
	p.fit(size)
	p.sessions++
	s.on = p
	return nil
}

// isReflector says whether the sender of a session is another socket of this
// reflector: one packet between the two would go back and forth for ever.
func (t *sessions) isReflector(p pair) bool {
	other := t.find(pair{peer: p.local, local: p.peer})
	return other != nil && !other.isOver() || t.listensOn(p.peer) && t.isOwn(p.peer.Addr())
}

// listensOn says whether packets to an address come in by one of the
// reflector's own sockets.
func (t *sessions) listensOn(a netip.AddrPort) bool {
	return slices.ContainsFunc(t.own, func(own netip.AddrPort) bool {
		return own.Port() == a.Port() && (own.Addr() == a.Addr() || own.Addr().IsUnspecified() && own.Addr().Is4() == a.Addr().Is4())
	})
}

func unzoned(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}
