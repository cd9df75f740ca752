package udp

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

// eachFamily runs a test over IPv4 and IPv6.
func eachFamily(t *testing.T, test func(t *testing.T, loopback netip.Addr)) {
	t.Run("ipv4", func(t *testing.T) { test(t, loopback4) })
	t.Run("ipv6", func(t *testing.T) {
		needIPv6(t)
		test(t, loopback6)
	})
}

func needIPv6(t *testing.T) {
	t.Helper()
	c, err := Listen(Config{Local: at(loopback6)})
	if errors.Is(err, ErrNoFamily) || errors.Is(err, ErrNotAvailable) {
		t.Skip("NOT RUN: this host has no IPv6")
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// listen opens a socket for a test. It is closed when patience is at an end,
// which ends what waits on it.
func listen(t *testing.T, cfg Config) *Conn {
	t.Helper()
	c, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	timer := time.AfterFunc(patience, func() { c.Close() })
	t.Cleanup(func() { timer.Stop() })
	return c
}

// at is a port of an address that the kernel chooses.
func at(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a, 0) }

// message is a datagram to send.
func message(to netip.AddrPort, payload string) Message {
	return Message{Buf: []byte(payload), N: len(payload), Peer: to}
}

func write(t *testing.T, c *Conn, ms ...Message) {
	t.Helper()
	if n, err := c.Write(ms); err != nil || n != len(ms) {
		t.Fatalf("Write: %d of %d: %v", n, len(ms), err)
	}
}

// readMessages reads want datagrams.
func readMessages(t *testing.T, c *Conn, want int) (all []Message) {
	t.Helper()
	for len(all) < want {
		ms := make([]Message, want-len(all))
		for i := range ms {
			ms[i].Buf = make([]byte, 2048)
		}
		n, _, err := c.Read(ms, nil)
		if err != nil {
			t.Fatalf("Read: %v, after %d of %d", err, len(all), want)
		}
		all = append(all, ms[:n]...)
	}
	return all
}

// readEvents reads want events, and no datagrams.
func readEvents(t *testing.T, c *Conn, want int) (all []Event) {
	t.Helper()
	for len(all) < want {
		evs := make([]Event, want-len(all))
		_, n, err := c.Read(nil, evs)
		if err != nil {
			t.Fatalf("Read: %v, after %d of %d", err, len(all), want)
		}
		all = append(all, evs[:n]...)
	}
	return all
}

// closedPort is an address that nobody listens on.
func closedPort(t *testing.T, a netip.Addr) netip.AddrPort {
	t.Helper()
	c, err := Listen(Config{Local: at(a)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr()
}
