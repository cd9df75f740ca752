package reflector

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// next waits for the next result of a self-check.
func (u *running) next(t *testing.T) error {
	t.Helper()
	select {
	case err := <-u.ready:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the self-check says nothing")
		return nil
	}
}

// The reflector knows that it answers, whatever the policy is, and the check
// leaves no trace.
func TestSelfCheck(t *testing.T) {
	t.Parallel()
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for name, listen := range map[string][]string{
		"loopback":  {"[::1]:0", "127.0.0.1:0"},
		"wildcards": {"[::]:0", "0.0.0.0:0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := run(t, func(c *Config) {
				c.Allow, c.Keys, c.Logging, c.Listen = elsewhere, parsedKeys(t, "* "+goodKey), LogAll, nil
				c.Sessions, c.RateLimitTotal = []Provisioned{{SSID: 1}}, 1
				for _, a := range listen {
					c.Listen = append(c.Listen, netip.MustParseAddrPort(a))
				}
			})
			for range listen {
				if err := u.next(t); err != nil {
					t.Errorf("not ready: %v", err)
				}
			}
			if n := u.r.table.len(); n != 0 {
				t.Errorf("the self-check opened %d sessions", n)
			}
			u.stop()
			if told, sent := u.told(), u.logs; len(told) > 0 || len(sent) > 0 {
				t.Errorf("the self-check is in the log: %q, %+v", told, sent)
			}
			for why := range reasons {
				if n := u.r.dropped(why); n > 0 {
					t.Errorf("%d packets dropped: %v", n, why)
				}
			}
		})
	}
}

// Others from the loopback are not exempt.
func TestOnlyTheSelfCheckIsExempt(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	cfg := rec.config()
	cfg.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	w := assemble(cfg, []conn{sink{}}).workers[0]
	self := netip.MustParseAddrPort("[::1]:50000")
	w.self.Store(&self)
	for peer, want := range map[string]reason{"[::1]:50000": answered, "[::1]:50001": notAllowed, "[::2]:50000": notAllowed} {
		w.ms = batch(t)[:1]
		w.ms[0].Buf = append(make([]byte, 0, 100), w.ms[0].Buf...)
		w.ms[0].N, w.ms[0].Peer = len(w.ms[0].Buf), netip.MustParseAddrPort(peer)
		if _, _, why := w.reply(&w.ms[0]); why != want {
			t.Errorf("from %s: %v, want %v", peer, why, want)
		}
	}
}

// It takes no token, nor does it need one: not even of a bucket that others
// from its own address have emptied.
func TestSelfCheckIsNotLimited(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	cfg := rec.config()
	cfg.RateLimit, cfg.RateLimitTotal = 10, 10
	w := assemble(cfg, []conn{sink{}}).workers[0]
	self := netip.MustParseAddrPort("[::1]:50000")
	w.self.Store(&self)
	check := func() {
		for range 100 {
			if why := ask(w, "[::1]:50000", request(0, 0)); why != answered {
				t.Fatalf("the self-check is dropped: %v", why)
			}
		}
	}
	check()
	for range 10 {
		if why := ask(w, "[::1]:50001", request(0, 0)); why != answered {
			t.Fatalf("the self-check has taken tokens: %v", why)
		}
	}
	if why := ask(w, "[::1]:50001", request(0, 0)); why != rateLimited {
		t.Errorf("another from the same address: %v, want %v", why, rateLimited)
	}
	check()
}

// A process whose worker is dead is not ready, although it runs.
func TestDeadWorkerIsNotReady(t *testing.T) {
	t.Parallel()
	u := run(t, func(c *Config) { c.Listen = c.Listen[1:] })
	if err := u.next(t); err != nil {
		t.Fatal(err)
	}
	at := u.r.Addresses()[0]
	u.r.conns[0].Close() // ends the worker, as nothing is left to read
	result := make(chan error, 1)
	check := &selfCheck{target: at, probe: new(atomic.Pointer[netip.AddrPort]), set: func(err error) {
		select {
		case result <- err:
		default:
		}
	}}
	go check.run(t.Context())
	select {
	case err := <-result:
		if err == nil || !strings.Contains(err.Error(), "no answer from "+at.String()) {
			t.Errorf("the check of a dead worker says: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the self-check says nothing")
	}
}

// A link-local address is reached through its interface.
func TestSelfCheckOfLinkLocalAddress(t *testing.T) {
	t.Parallel()
	a := linkLocal()
	if !a.IsValid() {
		t.Skip("NOT RUN: this host has no link-local address")
	}
	u := run(t, func(c *Config) { c.Listen = []netip.AddrPort{netip.AddrPortFrom(a, 0)} })
	if err := u.next(t); err != nil {
		t.Errorf("%v is not ready: %v", a, err)
	}
	if n := u.r.table.len(); n != 0 {
		t.Errorf("the self-check opened %d sessions", n)
	}
}

func linkLocal() netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return netip.Addr{}
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		at := slices.IndexFunc(addrs, func(a net.Addr) bool { return strings.HasPrefix(a.String(), "fe80:") })
		if at >= 0 {
			return netip.MustParsePrefix(addrs[at].String()).Addr().WithZone(i.Name)
		}
	}
	return netip.Addr{}
}

func TestLoopbackOf(t *testing.T) {
	t.Parallel()
	for bound, want := range map[string]string{
		"[::]:862": "[::1]:862", "0.0.0.0:862": "127.0.0.1:862",
		"192.0.2.1:862": "192.0.2.1:862", "[2001:db8::1]:1862": "[2001:db8::1]:1862",
	} {
		if got := loopbackOf(netip.MustParseAddrPort(bound)); got.String() != want {
			t.Errorf("%s reaches itself at %v, want %s", bound, got, want)
		}
	}
}

func TestOnlyIPv4(t *testing.T) {
	four, six := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	for _, c := range []struct {
		host []netip.Addr
		want bool
	}{
		{[]netip.Addr{four}, true},
		{[]netip.Addr{four, six}, false},
		{[]netip.Addr{six}, false},
		{nil, false}, // not up yet
	} {
		if got := onlyIPv4(c.host); got != c.want {
			t.Errorf("%v: %v, want %v", c.host, got, c.want)
		}
	}
}
