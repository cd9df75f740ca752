package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// Errors of [Listen], to be told apart with [errors.Is].
var (
	ErrInUse        = errors.New("address in use")             // another socket holds address and port
	ErrPermission   = errors.New("permission denied")          // the port needs a privilege
	ErrNotAvailable = errors.New("address not available")      // not an address of this host
	ErrNoFamily     = errors.New("address family unavailable") // this host has no IPv6, or no IPv4
)

// ErrPeer is the error of a write to an address which the socket cannot reach
// by its family, or to none.
var ErrPeer = errors.New("udp: the peer's address is missing or not of the socket's family")

// listenError turns the system's error into a sentence that says what to do.
func listenError(local netip.AddrPort, err error) error {
	var kind error
	var advice string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		kind, advice = ErrInUse, "another process holds it; stop that process or choose another port"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		kind, advice = ErrPermission, permissionAdvice(local)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		kind, advice = ErrNotAvailable, "no interface of this host has it; choose an address of this host or a wildcard"
	case errors.Is(err, syscall.EAFNOSUPPORT):
		kind, advice = ErrNoFamily, fmt.Sprintf("this host has no %s; listen on the other family only", family(local))
	default:
		return fmt.Errorf("udp: listen on %s: %w", local, err)
	}
	return fmt.Errorf("udp: listen on %s: %w: %s (%w)", local, kind, advice, err)
}

func permissionAdvice(local netip.AddrPort) string {
	if local.Port() != 0 && local.Port() < 1024 {
		return "ports below 1024 need the capability CAP_NET_BIND_SERVICE, " +
			"or the sysctl net.ipv4.ip_unprivileged_port_start set to the port; or choose a higher port"
	}
	return "a security policy of this host forbids it"
}

func family(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}
