package reflector

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// How often the reflector asks itself, and how long an answer may take.
const (
	selfCheckEvery   = 10 * time.Second
	selfCheckTimeout = 2 * time.Second
)

// errUnchecked is the state of a socket before its first self-check.
var errUnchecked = errors.New("no test packet of its own answered yet")

// selfCheck sends test packets to one of the reflector's own sockets: an
// answer shows that the whole path works, which a running process does not.
type selfCheck struct {
	target netip.AddrPort
	probe  *atomic.Pointer[netip.AddrPort] // tells the worker which peer is us
	set    func(error)                     // readiness
}

// loopbackOf gives the address at which a socket bound to a reaches itself.
func loopbackOf(a netip.AddrPort) netip.AddrPort {
	switch {
	case !a.Addr().IsUnspecified():
		return a
	case a.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	default:
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
}

func (s *selfCheck) run(ctx context.Context) error {
	tick := time.NewTicker(selfCheckEvery)
	defer tick.Stop()
	c, err := s.open(ctx, tick.C)
	if err != nil {
		return nil //nolint:nilerr // it could not be opened until the end
	}
	// A link-local address has its zone here, but not in what the worker reads.
	self := netip.AddrPortFrom(c.LocalAddr().Addr().WithZone(""), c.LocalAddr().Port())
	s.probe.Store(&self)

	replies := make(chan uint32)
	received := make(chan struct{})
	go func() {
		defer close(received)
		receiveSequences(ctx, c, replies)
	}()
	defer func() {
		c.Close()
		<-received
	}()
	for seq := uint32(0); ; seq++ {
		s.set(s.ask(ctx, c, seq, replies))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// open opens the socket to ask from. A host without a loopback interface, for
// now, is one that is not ready, for now.
func (s *selfCheck) open(ctx context.Context, again <-chan time.Time) (*udp.Conn, error) {
	for {
		c, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(s.target.Addr(), 0)})
		if err == nil {
			return c, nil
		}
		if s.target.Addr() == netip.IPv6Loopback() && onlyIPv4(hostAddresses()) {
			s.set(nil)
		} else {
			s.set(fmt.Errorf("no socket to ask from: %w", err))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-again:
		}
	}
}

// onlyIPv4 tells whether IPv6 is switched off, by the addresses of a host: even
// the loopback interface has none. A socket can be bound to [::] all the same, as
// in most containers, but nobody can reach it: what counts is the one for IPv4.
func onlyIPv4(host []netip.Addr) bool {
	return len(host) > 0 && !slices.ContainsFunc(host, netip.Addr.Is6)
}

// ask sends one test packet and waits for its reply.
func (s *selfCheck) ask(ctx context.Context, c *udp.Conn, seq uint32, replies <-chan uint32) error {
	pkt := stamp.SenderPacket{
		Sequence:      seq,
		Timestamp:     stamp.NewTimestamp(time.Now().UnixNano(), stamp.NTP),
		ErrorEstimate: stamp.NewErrorEstimate(time.Second, false, stamp.NTP),
	}
	b, err := pkt.AppendBinary(nil)
	if err != nil {
		return err
	}
	if _, err := c.Write([]udp.Message{{Buf: b, N: len(b), Peer: s.target}}); err != nil {
		return fmt.Errorf("no test packet could be sent to %v: %w", s.target, err)
	}
	timeout := time.NewTimer(selfCheckTimeout)
	defer timeout.Stop()
	for {
		select {
		case got := <-replies:
			if got == seq {
				return nil
			}
		case <-timeout.C:
			return fmt.Errorf("no answer from %v to a test packet of its own within %v", s.target, selfCheckTimeout)
		case <-ctx.Done():
			return errors.New("ending")
		}
	}
}

// receiveSequences hands on the sender sequence number of each reply until c is
// closed or ctx ends.
func receiveSequences(ctx context.Context, c *udp.Conn, to chan<- uint32) {
	ms := []udp.Message{{Buf: make([]byte, 256)}}
	for {
		n, _, err := c.Read(ms, nil)
		if err != nil {
			return
		}
		var p stamp.ReflectorPacket
		if n == 0 || p.UnmarshalBinary(ms[0].Buf[:ms[0].N]) != nil {
			continue
		}
		select {
		case to <- p.SenderSequence:
		case <-ctx.Done():
			return
		}
	}
}
