package reflector

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// Where a reflector listens, and by which address of the host it can then be
// reached from the internet.
func TestOpenTo(t *testing.T) {
	t.Parallel()
	host := []string{"127.0.0.1", "10.0.0.1", "203.0.113.9", "fe80::1", "::1", "2600::1"}
	private := []string{
		"127.0.0.1", "10.0.0.1", "172.31.0.1", "192.168.0.1", "169.254.0.1", "100.64.0.1", "100.127.255.255",
		"::1", "fe80::1", "fc00::1", "fd7a:115c:a1e0::1",
	}
	for _, c := range []struct {
		listening string
		host      []string
		want      string
	}{
		{"203.0.113.9:862", nil, "203.0.113.9"},
		{"[2600::1]:18620", nil, "2600::1"},
		{"100.128.0.1:862", nil, "100.128.0.1"},
		{"172.32.0.1:862", nil, "172.32.0.1"},
		{"0.0.0.0:862", host, "203.0.113.9"},
		{"[::]:862", host, "2600::1"},
		{"[::]:862", host[:5], ""},
		{"0.0.0.0:862", host[3:], ""},
		{"0.0.0.0:862", private, ""},
		{"[::]:862", private, ""},
		{"127.0.0.1:862", host, ""},
		{"[fd00::1]:862", host, ""},
	} {
		var addrs []netip.Addr
		for _, a := range c.host {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		got, open := openTo([]netip.AddrPort{netip.MustParseAddrPort("[::1]:862"), netip.MustParseAddrPort(c.listening)}, addrs)
		if open != (c.want != "") || open && got.String() != c.want {
			t.Errorf("%s on a host with %s is open to %v (%v), want %q", c.listening, c.host, got, open, c.want)
		}
	}
	for _, a := range private {
		if got, open := openTo([]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(a), 862)}, nil); open {
			t.Errorf("%v is taken for public", got)
		}
	}
}

// Who lets anybody in from the internet is warned, and who has said whom to
// answer is not.
func TestOpenReflectorWarns(t *testing.T) {
	t.Parallel()
	public := []netip.AddrPort{netip.MustParseAddrPort("203.0.113.9:862")}
	for name, c := range map[string]struct {
		change func(*Config)
		warns  bool
	}{
		"loopback":                  {func(*Config) {}, false},
		"behind NAT":                {func(c *Config) { c.Advertise = public }, true},
		"behind NAT, with senders":  {func(c *Config) { c.Advertise, c.Allow = public, []netip.Prefix{netip.MustParsePrefix("::1/128")} }, false},
		"behind NAT, with sessions": {func(c *Config) { c.Advertise, c.Sessions = public, []Provisioned{{SSID: 1}} }, false},
		"behind NAT, with limits":   {func(c *Config) { c.Advertise, c.RateLimit, c.RateLimitTotal = public, 1, 1 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			cfg := (&recorder{}).config()
			cfg.Listen, cfg.Named = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, true
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			c.change(&cfg)
			r, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(r.conns)
			said := log.String()
			if warned := strings.Contains(said, "level=WARN"); warned != c.warns {
				t.Errorf("the log says %s", said)
			}
			if c.warns && (!strings.Contains(said, "-allow") || !strings.Contains(said, fmt.Sprint("public_address=", public[0].Addr()))) {
				t.Errorf("the warning does not say what to do: %s", said)
			}
		})
	}
}
