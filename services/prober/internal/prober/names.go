package prober

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// lookupsAtOnce bounds how hard name servers are asked.
	lookupsAtOnce = 16
	lookupTimeout = 10 * time.Second
	// maxAddresses bounds the sessions that whoever answers for a name can ask
	// for.
	maxAddresses = 256
)

// host is what is looked up.
type host struct {
	name   string
	family Family
}

// name is a host with what is known of it.
type name struct {
	host
	addresses []netip.Addr // last known, each once, IPv6 first
	asked     bool         // an answer or a failure has come
	failed    error        // of the last look-up
	due       time.Time    // next look-up
	members   map[*member]struct{}
}

// names looks hosts up, and again after an interval: no more than
// lookupsAtOnce at a time. A host that cannot be looked up keeps the addresses
// that were last known: a name server's fault must not end a test, nor make it
// look well. It is the roster's.
type names struct {
	all    map[host]*name
	fresh  []*name // to be looked up for the first time
	again  []*name // in the order of their turn
	busy   int
	every  time.Duration    // 0: never again
	start  func(*name)      // begins a look-up
	forget func(*name) bool // nobody needs the name any more
}

// lookedUp is what became of a look-up.
type lookedUp struct {
	name  *name
	found []netip.Addr
	err   error
}

// get gives a host's name, which is looked up if it is new.
func (ns *names) get(h host) *name {
	n := ns.all[h]
	if n == nil {
		n = &name{host: h, members: make(map[*member]struct{})}
		ns.all[h] = n
		ns.fresh = append(ns.fresh, n)
	}
	return n
}

// next begins the look-ups that are due, and says when the next one will be;
// never, or not before another has ended, if the time is zero.
func (ns *names) next(now time.Time) time.Time {
	for ns.busy < lookupsAtOnce && len(ns.fresh) > 0 {
		ns.busy++
		ns.start(ns.fresh[0])
		ns.fresh = ns.fresh[1:]
	}
	for ns.busy < lookupsAtOnce && len(ns.again) > 0 {
		n := ns.again[0]
		switch {
		case n.due.After(now):
			return n.due
		case ns.forget(n):
			delete(ns.all, n.host)
		default:
			ns.busy++
			ns.start(n)
		}
		ns.again = ns.again[1:]
	}
	return time.Time{}
}

// idle says that all that can be known is.
func (ns *names) idle() bool { return ns.busy == 0 && len(ns.fresh) == 0 }

// take takes what became of a look-up. It says whether the host has other
// addresses now.
func (ns *names) take(a lookedUp, now time.Time) (changed bool) {
	n := a.name
	ns.busy--
	n.asked, n.failed = true, a.err
	if ns.every > 0 {
		n.due = now.Add(ns.every)
		ns.again = append(ns.again, n)
	}
	if a.err != nil || slices.Equal(n.addresses, a.found) {
		return false
	}
	n.addresses = a.found
	return true
}

// lookUp finds a host's addresses. None is an error, too: it is a mistake
// nearly always.
func (h host) lookUp(ctx context.Context, resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	network := map[Family]string{AnyFamily: "ip", IPv4: "ip4", IPv6: "ip6"}[h.family]
	found, err := resolve(ctx, network, h.name)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, fmt.Errorf("prober: %s is not a known host name", h.name)
	case err != nil:
		return nil, fmt.Errorf("prober: %s cannot be resolved: %w", h.name, err)
	}
	found = inOrder(found, h.family)
	if len(found) == 0 {
		return nil, fmt.Errorf("prober: %s has no address of the family that is asked for", h.name)
	}
	return found, nil
}

// inOrder gives the addresses of a family, each once, IPv6 first, in an order
// that does not depend on the name server's.
func inOrder(found []netip.Addr, f Family) []netip.Addr {
	var all []netip.Addr
	for _, a := range found {
		if a = a.Unmap(); f.holds(a) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b netip.Addr) int {
		if a.Is4() != b.Is4() {
			if b.Is4() {
				return -1
			}
			return 1
		}
		return a.Compare(b)
	})
	all = slices.Compact(all)
	return all[:min(len(all), maxAddresses)]
}
