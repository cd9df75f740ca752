package control_test

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/prober/internal/control"
	"tinytwamp/services/prober/internal/control/controltest"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

const all = twamp.Unauthenticated | twamp.Authenticated | twamp.Encrypted | twamp.Mixed | twamp.ReflectOctets | twamp.SymmetricalSize

func newServer(modes twamp.Mode) *controltest.Server {
	return &controltest.Server{Modes: modes, Passphrases: map[string]string{"joe": "open sesame"}}
}

func withKey(least twamp.Mode) control.Config {
	return control.Config{Least: least, KeyID: "joe", Passphrase: "open sesame", Rand: rand.Reader}
}

// connect connects to a server.
func connect(t *testing.T, s *controltest.Server, cfg control.Config) (*control.Client, error) {
	t.Helper()
	here, there := net.Pipe()
	go s.Serve(there)
	t.Cleanup(func() { here.Close() })
	return control.Connect(here, cfg)
}

// The strongest mode that both ends can is chosen, and never one that is weaker
// than asked; what cannot be is told in words that say what to change.
func TestModes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offered twamp.Mode
		cfg     control.Config
		mode    twamp.Mode
		says    string
	}{
		{"all", all, withKey(twamp.Unauthenticated), twamp.Encrypted, ""},
		{"no key", all, control.Config{Least: twamp.Unauthenticated}, twamp.Unauthenticated, ""},
		{"without encrypted", all &^ twamp.Encrypted, withKey(twamp.Unauthenticated), twamp.Authenticated, ""},
		{"mixed is more than none", twamp.Unauthenticated | twamp.Mixed, withKey(twamp.Unauthenticated), twamp.Mixed, ""},
		{"key, but none offered", twamp.Unauthenticated, withKey(twamp.Unauthenticated), twamp.Unauthenticated, ""},
		{
			"never weaker: mixed", twamp.Unauthenticated, withKey(twamp.Mixed), 0,
			"control: the server offers mode none, where -auth asks for mixed or stronger",
		},
		{
			"never weaker: authenticated", twamp.Unauthenticated | twamp.Mixed, withKey(twamp.Authenticated), 0,
			"control: the server offers mode none+mixed, where -auth asks for authenticated or stronger",
		},
		{
			"never weaker: encrypted", all &^ twamp.Encrypted, withKey(twamp.Encrypted), 0,
			"control: the server offers mode none+authenticated+mixed, where -auth asks for encrypted or stronger",
		},
		{
			"a key is needed", twamp.Authenticated | twamp.Mixed,
			control.Config{Least: twamp.Unauthenticated},
			0,
			"control: the server offers mode authenticated+mixed, which needs a key: give -key-file",
		},
		{
			"no mode", twamp.SymmetricalSize, withKey(twamp.Unauthenticated), 0,
			"control: the server offers no mode: it does not want to talk to this host, or not now",
		},
		{
			"extension not offered", twamp.Unauthenticated | twamp.ReflectOctets,
			control.Config{Extensions: twamp.ReflectOctets | twamp.SymmetricalSize},
			0,
			"control: the server does not offer symmetrical-size (RFC 6038), which the test asks for: leave it out",
		},
		{
			"extension", all, control.Config{Extensions: twamp.SymmetricalSize}, twamp.Unauthenticated | twamp.SymmetricalSize, "",
		},
		{
			"another passphrase", all,
			control.Config{KeyID: "joe", Passphrase: "close sesame", Rand: rand.Reader},
			0,
			`control: the server refuses the connection: failure (1): it may not know key id "joe", or have another passphrase for it`,
		},
		{
			"another key id", all,
			control.Config{KeyID: "ann", Passphrase: "open sesame", Rand: rand.Reader},
			0,
			`control: the server refuses the connection: failure (1): it may not know key id "ann", or have another passphrase for it`,
		},
	} {
		s := newServer(tt.offered)
		c, err := connect(t, s, tt.cfg)
		if tt.says != "" {
			if err == nil || err.Error() != tt.says {
				t.Errorf("%s: %v, want %s", tt.name, err, tt.says)
			}
			continue
		}
		if err != nil || c.Mode() != tt.mode {
			t.Errorf("%s: %v, %v; want %v", tt.name, c, err, tt.mode)
		}
	}
}

// reset is a connection that the other end resets.
type reset struct{ net.Conn }

func (r reset) Read([]byte) (int, error) {
	from := &net.TCPAddr{IP: net.IPv6loopback, Port: 43210}
	return 0, &net.OpError{Op: "read", Net: "tcp", Source: from, Addr: from, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// An error names no own port: it is another one at each attempt, of which the log
// is to tell only once.
func TestErrorIsTheSameEachTime(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	_, err := control.Connect(reset{here}, withKey(twamp.Encrypted))
	if want := "control: its greeting did not come: read: connection reset by peer"; err == nil || err.Error() != want || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A count of rounds that makes a passphrase cheap to guess, or takes minutes, is
// not served.
func TestCountIsBounded(t *testing.T) {
	for _, count := range []uint32{1, twamp.MinCount - 1, twamp.MaxCount + 1, 1 << 31} {
		s := newServer(twamp.Encrypted)
		s.Count = count
		if _, err := connect(t, s, withKey(twamp.Encrypted)); err == nil || !strings.Contains(err.Error(), "rounds of key derivation") {
			t.Errorf("%d rounds: %v", count, err)
		}
		if len(s.SetUps()) > 0 {
			t.Errorf("%d rounds: a token was sent", count)
		}
	}
}

// A refused session leaves the others, and a stop counts those that were
// accepted.
func TestSessions(t *testing.T) {
	for _, mode := range []twamp.Mode{twamp.Unauthenticated, twamp.Mixed, twamp.Authenticated, twamp.Encrypted} {
		s := newServer(mode)
		s.Answer = func(i int, x *controltest.Session) twamp.AcceptSession {
			switch i {
			case 1:
				return twamp.AcceptSession{Accept: twamp.TemporarilyExhausted}
			case 3:
				return twamp.AcceptSession{Accept: twamp.OK}
			}
			a := controltest.Grant(x)
			a.Port = 20000 + uint16(i)
			return a
		}
		done := make(chan struct{})
		s.Ended = func() { close(done) }
		c, err := connect(t, s, withKey(mode))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			x, err := c.Request(control.Request{IPVersion: 6, Port: 1000, Padding: 27, Timeout: time.Second, DSCP: 46})
			refused, ok := errors.AsType[*control.Refused](err)
			switch {
			case i == 1 && (!ok || refused.Error() != "control: the server refuses the session: temporary resource limitation"):
				t.Errorf("%v: session 1: %v", mode, err)
			case i == 3 && (err == nil || !strings.Contains(err.Error(), "names no port")):
				t.Errorf("%v: session 3: %v", mode, err)
			case i%2 == 0 && (err != nil || x.Port != 20000+uint16(i) || (x.Cipher != nil) != mode.ProtectsTest()):
				t.Errorf("%v: session %d: %+v, %v", mode, i, x, err)
			}
		}
		if err := errors.Join(c.Start(), c.Stop()); err != nil {
			t.Error(err)
		}
		<-done
		all := s.Sessions()
		r := all[0].RequestSession
		if r.IPVersion != 6 || r.SenderPort != 1000 || r.ReceiverPort != 1000 || r.Padding != 27 || r.Timeout != time.Second ||
			r.TypeP != 46<<24 || r.Sender.IsValid() || r.Receiver.IsValid() || !all[0].Started || all[1].Started {
			t.Errorf("%v: the server was asked for %+v", mode, r)
		}
		if stops := s.Stops(); len(stops) != 1 || stops[0] != (twamp.StopSessions{Number: 2}) {
			t.Errorf("%v: stops are %+v", mode, stops)
		}
	}
}

// A server that says nothing is given up, at each step.
func TestSilence(t *testing.T) {
	for _, tt := range []struct {
		after int // octets of the recorded server
		says  string
	}{
		{0, "its greeting did not come within 10s"},
		{twamp.GreetingSize, "an answer to the set-up did not come within 10s"},
		{twamp.GreetingSize + twamp.ServerStartSize, "an answer to the request for a session did not come within 10s"},
		{twamp.GreetingSize + twamp.ServerStartSize + twamp.AcceptSessionSize, "an answer to Start-Sessions did not come within 10s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := twamptest.Read(t, "open.pcap")
			here, there := net.Pipe()
			go func() {
				_, _ = there.Write(c.Server[:tt.after])
			}()
			go func() {
				b := make([]byte, 1000)
				for {
					if _, err := there.Read(b); err != nil {
						return
					}
				}
			}()
			begun := time.Now()
			err := talk(here, control.Config{})
			if err == nil || !strings.Contains(err.Error(), tt.says) || time.Since(begun) != 10*time.Second {
				t.Errorf("after %v: %v, want %q", time.Since(begun), err, tt.says)
			}
			here.Close()
			there.Close()
		})
	}
}
