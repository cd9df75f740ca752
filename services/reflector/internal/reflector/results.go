package reflector

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"tinytwamp/services/reflector/internal/seldom"
	"tinytwamp/shared/events"
)

// interfacesEvery is how often the host's own addresses are looked up anew.
const interfacesEvery = 30 * time.Second

// subscriber is the part of the bus that results come over.
type subscriber interface {
	Subscribe(subject string, handle func(subject string, body []byte)) (cancel func(), err error)
}

// results hears the results of tests that were made against this reflector,
// and puts them into its test log.
type results struct {
	bus       subscriber
	listening []netip.AddrPort // as bound
	advertise []netip.AddrPort // as seen by probers, behind NAT
	table     *table           // nil: stateless
	sessions  *sessions        // those that were negotiated
	log       *testLog
	slog      *slog.Logger

	foreign atomic.Uint64 // results ignored since the last warning
	warning seldom.Warning
}

// run subscribes to the results for each own address, and follows the host's
// addresses as they come and go.
func (r *results) run(ctx context.Context) error {
	cancels := make(map[netip.AddrPort]func())
	tick := time.NewTicker(interfacesEvery)
	defer tick.Stop()
	for {
		want := r.addresses()
		for a := range want {
			if cancels[a] != nil {
				continue
			}
			cancel, err := r.bus.Subscribe(events.ResultSubject(a), r.handle)
			if err != nil {
				r.slog.Warn("results cannot be heard", "address", a, "err", err)
				continue
			}
			cancels[a] = cancel
		}
		for a, cancel := range cancels {
			if !want[a] {
				cancel()
				delete(cancels, a)
			}
		}
		select {
		case <-ctx.Done():
			for _, cancel := range cancels {
				cancel()
			}
			return nil
		case <-tick.C:
		}
	}
}

// addresses lists where probers may have tested us.
func (r *results) addresses() map[netip.AddrPort]bool {
	all := make(map[netip.AddrPort]bool)
	for _, a := range r.advertise {
		all[a] = true
	}
	own := hostAddresses()
	for _, l := range r.listening {
		if !l.Addr().IsUnspecified() {
			all[l] = true
			continue
		}
		for _, a := range own {
			if a.Is4() == l.Addr().Is4() {
				all[netip.AddrPortFrom(a, l.Port())] = true
			}
		}
	}
	return all
}

func hostAddresses() []netip.Addr {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			addrs = append(addrs, p.Addr().Unmap().WithZone(""))
		}
	}
	return addrs
}

// handle notes one result.
func (r *results) handle(subject string, body []byte) {
	e, err := events.Decode(body)
	if err != nil {
		r.slog.Debug("result not readable", "subject", subject, "err", err)
		return
	}
	rtt, err := e.RTT()
	if err != nil {
		r.slog.Debug("result not readable", "subject", subject, "err", err)
		return
	}
	if name, ok := events.SubjectName(subject); !ok || name != e.Name() {
		r.foreign.Add(1)
		if r.warning.Due(time.Now()) {
			r.slog.Warn("result of another prober than its subject names ignored", "subject", subject, "source", e.Source, "results", r.foreign.Swap(0))
		}
		return
	}
	if len(rtt.Session.Paths) > 0 {
		return // each path's own result comes, too
	}
	result := &events.Result{
		Prober: e.Name(), Target: clip(rtt.Target.Name, maxName), Event: clip(e.ID, maxID),
		Sent: rtt.Sent, Received: rtt.Received, Lost: rtt.Lost,
		Verified: r.knows(rtt.Session.SSID, rtt.Session.Source.Port()),
	}
	if rtt.RTT != nil {
		median := rtt.RTT.P50Ns
		result.RTTNs = &median
	}
	r.log.record(events.Record{
		Time: e.Time, Kind: events.ResultReceived,
		Peer: rtt.Session.Source, Local: rtt.Target.Address, SSID: rtt.Session.SSID, Result: result,
	})
}

// knows says whether the session of a result is one of ours. Without state only
// what was negotiated can be verified, which has no SSID here.
func (r *results) knows(ssid, port uint16) bool {
	return r.table != nil && r.table.knows(ssid, port) || r.sessions.knows(port)
}

// Bounds of what a stranger's names add to the test log: a host name is not
// longer, nor is the id of an event.
const (
	maxName = 253
	maxID   = 64
)

func clip(s string, most int) string { return s[:min(len(s), most)] }
