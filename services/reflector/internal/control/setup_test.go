package control

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

// Each mode is offered and works, with the extensions of RFC 6038, and a greeting
// is new for each connection.
func TestSetUp(t *testing.T) {
	for _, mode := range []twamp.Mode{twamp.Unauthenticated, twamp.Authenticated, twamp.Encrypted, twamp.Mixed} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			c, again := g.client(mode|twamp.SymmetricalSize), g.client(mode)
			if want := g.cfg.Modes | twamp.ReflectOctets | twamp.SymmetricalSize; c.greeting.Modes != want {
				t.Errorf("%v are offered, want %v", c.greeting.Modes, want)
			}
			if c.greeting.Challenge == again.greeting.Challenge || c.greeting.Salt == again.greeting.Salt {
				t.Error("challenge or salt is that of another connection")
			}
			if mode.ProtectsControl() && c.start.ServerIV == again.start.ServerIV {
				t.Error("the vector is that of another connection")
			}
			if c.start.StartTime != again.start.StartTime || c.start.StartTime == 0 {
				t.Errorf("the server began at %v and %v", c.start.StartTime, again.start.StartTime)
			}
			c.opened(wanted())
			if got := g.reflector.all()[0].terms.Mode; got != mode|twamp.SymmetricalSize {
				t.Errorf("the session's mode is %v", got)
			}
			if got := g.counters.connections.Load(); got != 2 {
				t.Errorf("%d connections are counted", got)
			}
		})
	}
}

// The count is a power of two of at least 1024, RFC 4656 section 3.1.
func TestRounds(t *testing.T) {
	if got := newServer(Config{}).rounds; got < twamp.MinCount || got > 32768 || got&(got-1) != 0 {
		t.Errorf("%d rounds", got)
	}
}

// Who cannot authenticate is refused with 1, whether the passphrase is wrong or
// the key id: which it is does not show in the answer, nor in what it costs.
func TestAuthenticationFails(t *testing.T) {
	for _, who := range []struct{ keyID, passphrase string }{
		{"joe", "open sesam"}, {"jim", passphrase}, {"nobody", passphrase}, {"", passphrase}, {"jo\x1b[2Je", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			c := g.dial(clientAddr)
			if got := c.setUp(twamp.Encrypted, who.keyID, who.passphrase); got != twamp.Failure {
				t.Errorf("%q is answered with %v", who, got)
			}
			if c.start.StartTime != 0 || c.start.ServerIV != [16]byte{} {
				t.Errorf("the refusal is %+v", c.start)
			}
			g.ends(authenticationFailed)
			if r := g.records[0]; r.KeyID != who.keyID || r.Peer != clientAddr {
				t.Errorf("the record is %+v", r)
			}
			if log := g.log.String(); !strings.Contains(log, "client=192.0.2.1:40000") || strings.Contains(log, "\x1b") {
				t.Errorf("the log is %q", log)
			}
		})
	}
}

// What stands in for the passphrase of an unknown key id opens nothing.
func TestPassphraseOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		if got := g.dial(clientAddr).setUp(twamp.Mixed, "nobody", g.nobody); got != twamp.Failure {
			t.Errorf("it is answered with %v", got)
		}
	})
}

// Passphrases that are read anew count from the next connection on.
func TestPassphrasesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		before := g.client(twamp.Encrypted)
		p, err := twamp.ParsePassphrases([]byte("joe close sesame"))
		if err != nil {
			t.Fatal(err)
		}
		g.SetPassphrases(p)
		if got := g.dial(clientAddr).setUp(twamp.Encrypted, "joe", passphrase); got != twamp.Failure {
			t.Errorf("the old passphrase is answered with %v", got)
		}
		if got := g.dial(clientAddr).setUp(twamp.Encrypted, "joe", "close sesame"); got != twamp.OK {
			t.Errorf("the new passphrase is answered with %v", got)
		}
		before.opened(wanted())
	})
}

// A client gets what was offered to it, and one mode only.
func TestModesThatAreNotOffered(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offered twamp.Mode
		mode    twamp.Mode
		want    reason
	}{
		{"downgrade", twamp.Encrypted, twamp.Unauthenticated, badMode},
		{"downgrade to mixed", twamp.Encrypted | twamp.Authenticated, twamp.Mixed, badMode},
		{"upgrade", twamp.Unauthenticated, twamp.Encrypted, badMode},
		{"two modes", twamp.Authenticated | twamp.Encrypted, twamp.Authenticated | twamp.Encrypted, badMode},
		{"none", twamp.Unauthenticated, 0, declined},
		{"only extensions", twamp.Unauthenticated, twamp.SymmetricalSize, declined},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, func(cfg *Config) { cfg.Modes = tt.offered })
				c := g.dial(clientAddr)
				if err := c.wire.Send(twamp.SetUpResponse{Mode: tt.mode}); err != nil {
					t.Fatal(err)
				}
				if tt.want == badMode {
					if start, err := c.wire.ReceiveStart(nil, [16]byte{}); err != nil || start.Accept != twamp.NotSupported {
						t.Errorf("the answer is %+v (%v)", start, err)
					}
				}
				if n, err := c.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("%d octets more (%v)", n, err)
				}
				g.ends(tt.want)
			})
		})
	}
}

// Bits that mean nothing here are ignored, RFC 4656 section 3.1.
func TestUnknownModeBits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		g.client(twamp.Unauthenticated | 1<<4 | 1<<31).opened(wanted())
		if got := g.reflector.all()[0].terms.Mode; got != twamp.Unauthenticated {
			t.Errorf("the mode is %v", got)
		}
	})
}

// Who may not do without authentication is not offered to; where nothing is left
// to offer the greeting says so.
func TestOpenModeIsForSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		some := func(cfg *Config) { cfg.AllowOpen = func(a netip.Addr) bool { return a == clientAddr.Addr() } }
		g := newRig(t, some)
		other := netip.MustParseAddrPort("192.0.2.9:1")
		if got := g.dial(other).greeting.Modes.Security(); got != twamp.Authenticated|twamp.Encrypted|twamp.Mixed {
			t.Errorf("%v are offered to the other", got)
		}
		if got := g.dial(clientAddr).greeting.Modes.Security(); got != g.cfg.Modes {
			t.Errorf("%v are offered to the one", got)
		}
		open := newRig(t, func(cfg *Config) {
			some(cfg)
			cfg.Passphrases = nil
		})
		c := open.dial(other)
		if n, err := c.Read(make([]byte, 1)); c.greeting.Modes != 0 || err != io.EOF {
			t.Errorf("%v are offered, then %d octets (%v)", c.greeting.Modes, n, err)
		}
		open.ends(nothingOffered)
	})
}

// Whoever is not allowed learns nothing.
func TestNotAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(cfg *Config) {
			cfg.Allow = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fe80::/10")}
		})
		if n, err := g.connect(clientAddr).Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d octets (%v)", n, err)
		}
		g.ends(notAllowed)
		g.clientFrom(netip.MustParseAddrPort("[fe80::1%eth0]:1"), twamp.Unauthenticated)
	})
}

// A set-up has 10 s in all, however a client spends them.
func TestSetUpTakesSeconds(t *testing.T) {
	for name, dawdle := range map[string]func(*client){
		"silent": func(*client) {},
		"reads nothing": func(c *client) {
			if err := c.wire.Send(twamp.SetUpResponse{Mode: twamp.Unauthenticated}); err != nil {
				c.Fatal(err)
			}
		},
		"octet by octet": func(c *client) {
			for range twamp.SetUpResponseSize {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"others derive keys": func(c *client) {
			for range cap(c.deriving) {
				c.deriving <- struct{}{}
			}
			r := twamp.SetUpResponse{Mode: twamp.Mixed}
			if err := c.wire.Send(r); err != nil {
				c.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, nil)
				begin := time.Now()
				c := g.dial(clientAddr)
				dawdle(c)
				if g.connections.len() == 1 {
					time.Sleep(setUpTime - time.Since(begin) - time.Nanosecond)
					synctest.Wait()
					if g.connections.len() != 1 {
						t.Error("the connection ended early")
					}
					time.Sleep(time.Nanosecond)
				}
				g.ends(setUpFailed)
			})
		})
	}
}

// A connection that closes in the middle of the set-up is no matter.
func TestSetUpEndsAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		b, _ := twamp.SetUpResponse{Mode: twamp.Unauthenticated}.AppendBinary(nil)
		for n := range len(b) {
			c := g.dial(clientAddr)
			if _, err := c.Write(b[:n]); err != nil {
				t.Fatal(err)
			}
			c.Close()
			synctest.Wait()
		}
		g.ends(setUpFailed)
		if got := len(g.told(events.ControlRefused)); got != len(b) {
			t.Errorf("%d of %d are told", got, len(b))
		}
	})
}
