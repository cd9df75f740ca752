package reflector

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tinytwamp/shared/udp"
)

// Receive buffer asked for: at 64 octets of payload it holds some ten
// thousand packets, a second's worth of a hundred busy sessions.
const receiveBuffer = 8 << 20

// listen opens the sockets, so many for each address. The default addresses
// need not all work: on a host without IPv6, IPv4 alone is enough.
func listen(cfg *Config) ([]conn, error) {
	var conns []conn
	for _, a := range cfg.Listen {
		group, err := listenOn(a, cfg)
		if err != nil && !cfg.Named && errors.Is(err, udp.ErrNoFamily) {
			cfg.Log.Warn("this host lacks an address family, listening on the others", "address", a, "err", err)
			continue
		}
		conns = append(conns, group...)
		if err != nil {
			closeAll(conns)
			return nil, fmt.Errorf("reflector: %w", err)
		}
	}
	if len(conns) == 0 {
		return nil, errors.New("reflector: none of the listen addresses is usable on this host: name one with -listen")
	}
	return conns, nil
}

// listenOn opens the sockets of one address. The kernel spreads senders over
// them, each always to the same one.
func listenOn(a netip.AddrPort, cfg *Config) (group []conn, err error) {
	for range cfg.Workers {
		c, err := udp.Listen(udp.Config{
			Local: a, TxTimestamps: true, TxOnDemand: true, ReadBuffer: receiveBuffer, WriteBuffer: receiveBuffer,
			ReusePort: cfg.Workers > 1,
		})
		if err != nil {
			return group, err
		}
		if len(group) == 0 {
			if f := c.Features(); !f.RxDelivered {
				cfg.Log.Warn("the kernel gives no receive timestamps: delays include this host's own", "address", c.LocalAddr())
			}
			cfg.Log.Info("listening", "address", c.LocalAddr(), "workers", cfg.Workers)
		}
		group = append(group, c)
		a = c.LocalAddr() // with the port, if the kernel chose it
	}
	return group, nil
}

func closeAll(conns []conn) {
	for _, c := range conns {
		c.Close()
	}
}

// warnIfOpen says so where anybody on the internet can use the reflector.
func warnIfOpen(cfg *Config, conns []conn) {
	if len(cfg.Allow) > 0 || len(cfg.Sessions) > 0 || cfg.Keys != nil {
		return
	}
	var listening []netip.AddrPort
	for _, c := range conns {
		listening = append(listening, c.LocalAddr())
	}
	if a, open := openTo(append(listening, cfg.Advertise...), hostAddresses()); open {
		cfg.Log.Warn("anybody on the internet can send test packets to this reflector: "+
			"name the senders with -allow or the sessions with -sessions, or give keys with -keys-file, and bound them with -rate-limit and -rate-limit-total",
			"public_address", a)
	}
}

// openTo gives the public address by which a reflector can be reached, if there
// is one: one that it listens on, or of the host if it listens on all.
func openTo(listening []netip.AddrPort, host []netip.Addr) (public netip.Addr, open bool) {
	for _, l := range listening {
		if isPublic(l.Addr()) {
			return l.Addr(), true
		}
		for _, a := range host {
			if l.Addr().IsUnspecified() && a.Is4() == l.Addr().Is4() && isPublic(a) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// carrierGrade is the address space between a provider and its customers (RFC
// 6598): global by form, not by reach.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

// isOwn says whether an address is one of this host's.
func isOwn(a netip.Addr) bool {
	return a.IsLoopback() || slices.Contains(hostAddresses(), a.WithZone(""))
}

func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !carrierGrade.Contains(a)
}
