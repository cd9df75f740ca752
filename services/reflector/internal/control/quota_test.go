package control

import (
	"io"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

// The session beyond each bound is refused, and the place of one that has ended
// can be taken again, any number of times.
func TestSessionQuota(t *testing.T) {
	const bound = 3
	for _, tt := range []struct {
		name   string
		limits Limits
		want   reason
	}{
		{"all", Limits{Sessions: bound}, allSessions},
		{"source", Limits{SessionsPerSource: bound, Sessions: bound}, allOfSource},
		{"key", Limits{SessionsPerKey: bound, Sessions: 100}, allOfKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, func(cfg *Config) { cfg.Limits = tt.limits })
				c := g.client(twamp.Mixed)
				for round := range 100 {
					for range bound {
						c.opened(wanted())
					}
					if a := c.request(wanted()); a != (twamp.AcceptSession{Accept: twamp.TemporarilyExhausted}) {
						t.Fatalf("round %d: one too many is answered with %+v", round, a)
					}
					if round%2 == 0 {
						c.begin()
						c.stopAll(bound)
						if a := c.request(wanted()); a.Accept != twamp.TemporarilyExhausted {
							t.Fatalf("round %d: before the Timeout the answer is %+v", round, a)
						}
						time.Sleep(2 * time.Second)
					} else {
						c.Close()
						synctest.Wait()
						c = g.client(twamp.Mixed)
					}
					synctest.Wait()
				}
				if got := g.counters.by[tt.want].Load(); got != 150 {
					t.Errorf("%d are counted as %v", got, tt.want)
				}
			})
		})
	}
}

// One source's connections are bounded, by IPv4 address and by IPv6 /64; who is
// beyond the bound is told by a greeting without modes. Others come in until all
// places are taken.
func TestConnectionQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(cfg *Config) { cfg.Limits = Limits{Connections: 5, ConnectionsPerSource: 2} })
		from := func(host string, port int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port))
		}
		isFull := func(a netip.AddrPort) bool {
			t.Helper()
			c := g.dial(a)
			if c.greeting.Modes != 0 {
				return false
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%v: the connection goes on (%v)", a, err)
			}
			return true
		}
		for _, tt := range []struct {
			host string
			full bool
		}{
			{"192.0.2.1", false},
			{"192.0.2.1", false},
			{"192.0.2.1", true},
			{"192.0.2.2", false},
			{"2001:db8::1", false},
			{"2001:db8::2", false},
			{"2001:db8::ffff:3", true}, // of the same /64
			{"2001:db8:0:1::1", true},  // of another, and no place is left
		} {
			if got := isFull(from(tt.host, 1)); got != tt.full {
				t.Errorf("for %s it is full: %v", tt.host, got)
			}
		}
		if told, want := g.told(events.ControlRefused), []string{tooManyOfSource.String(), tooManyOfSource.String(), tooMany.String()}; !slices.Equal(told, want) {
			t.Errorf("the reasons are %q, want %q", told, want)
		}
		time.Sleep(setUpTime)
		synctest.Wait()
		if n := g.connections.len(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		if isFull(from("192.0.2.1", 1)) {
			t.Error("places are not given back")
		}
	})
}
