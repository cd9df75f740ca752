package reflector

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"tinytwamp/shared/udp"
)

// reason says why a datagram was not answered.
type reason uint8

const (
	answered reason = iota
	tooShort
	truncated
	invalidErrorEstimate
	notAllowed
	notProvisioned
	loop
	unauthenticated
	noKey
	hmacFailed
	replayed
	noSession
	notStarted
	sessionOver
	rateLimited
	rateLimitedTotal
	sendFailed
	kernelBuffer
	reasons // their number
)

// String is the reason as events, metrics and the log name it.
func (r reason) String() string {
	return [reasons]string{
		answered:             "answered",
		tooShort:             "too_short",
		truncated:            "too_long",
		invalidErrorEstimate: "invalid_error_estimate",
		notAllowed:           "not_allowed",
		notProvisioned:       "not_provisioned",
		loop:                 "loop",
		unauthenticated:      "unauthenticated",
		noKey:                "no_key",
		hmacFailed:           "hmac_failed",
		replayed:             "replayed",
		noSession:            "no_session",
		notStarted:           "session_not_started",
		sessionOver:          "session_over",
		rateLimited:          "rate_limited",
		rateLimitedTotal:     "rate_limited_total",
		sendFailed:           "send_failed",
		kernelBuffer:         "kernel_receive_buffer_full",
	}[r]
}

// counters are what the reflector counts. Workers add, others read.
type counters struct {
	reads    atomic.Uint64 // system calls that brought packets
	received atomic.Uint64
	userTime atomic.Uint64 // of those received: T2 is not the kernel's
	replies  atomic.Uint64
	drops    [reasons]drop
}

// drop counts one reason, and remembers the last peer that it struck.
type drop struct {
	count atomic.Uint64
	mu    sync.Mutex
	peer  netip.AddrPort // guarded by mu
}

// read counts what one system call brought, if it brought packets.
func (c *counters) read(ms []udp.Message) {
	if len(ms) == 0 {
		return
	}
	c.reads.Add(1)
	c.received.Add(uint64(len(ms)))
	user := uint64(0)
	for i := range ms {
		if !ms[i].Kernel {
			user++
		}
	}
	if user > 0 {
		c.userTime.Add(user)
	}
}

func (c *counters) dropped(why reason, peer netip.AddrPort) {
	d := &c.drops[why]
	d.count.Add(1)
	d.mu.Lock()
	d.peer = peer
	d.mu.Unlock()
}

func (d *drop) lastPeer() netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peer
}
