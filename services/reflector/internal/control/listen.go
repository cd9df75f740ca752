package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Listen makes a server that listens. The default addresses need not all work:
// on a host without IPv6, IPv4 alone is enough.
func Listen(cfg Config) (*Server, error) {
	s := newServer(cfg)
	for _, a := range cfg.Listen {
		l, err := listen(a)
		if err != nil && !cfg.Named && errors.Is(err, syscall.EAFNOSUPPORT) {
			cfg.Log.Warn("this host lacks an address family, taking control connections on the others", "address", a, "err", err)
			continue
		}
		if err != nil {
			s.end()
			return nil, fmt.Errorf("control: listening for control connections on %s: %w: %s", a, err, advice(err, a))
		}
		s.listeners = append(s.listeners, l)
		cfg.Log.Info("taking control connections", "address", addrPort(l.Addr()), "modes", cfg.Modes.String())
	}
	if len(s.listeners) == 0 && len(cfg.Listen) > 0 {
		return nil, errors.New("control: none of the addresses for control connections is usable on this host: name one with -control-listen, or leave it empty")
	}
	return s, nil
}

func listen(a netip.AddrPort) (net.Listener, error) {
	network := "tcp6"
	if a.Addr().Is4() {
		network = "tcp4"
	}
	cfg := net.ListenConfig{Control: saveSYN}
	cfg.SetMultipathTCP(false) // whose sockets keep no SYN
	return cfg.Listen(context.Background(), network, a.String())
}

func advice(err error, a netip.AddrPort) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process holds it; stop that process, or choose another port with -control-listen"
	case errors.Is(err, syscall.EACCES) && a.Port() < 1024:
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose a higher port with -control-listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no interface of this host has it; choose an address of this host or a wildcard with -control-listen"
	}
	return "choose another with -control-listen, or leave that empty to do without TWAMP-Control"
}

// addrPort is the address of one end of a connection, never IPv4 in IPv6.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
