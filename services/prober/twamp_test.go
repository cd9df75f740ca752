package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tinytwamp/services/prober/internal/control/controltest"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
)

// server is a TWAMP server on a loopback address, with its reflectors.
type server struct {
	*testing.T
	*controltest.Server
	at       string
	requests chan struct{} // has one for each request; what does not fit is left out
	closed   chan struct{} // has one for each control connection that has ended

	running sync.WaitGroup
	mu      sync.Mutex
	sockets []*udp.Conn
}

// serve runs one for as long as the test.
func serve(t *testing.T, host string, modes twamp.Mode) *server {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{T: t, at: l.Addr().String(), requests: make(chan struct{}, 10_000), closed: make(chan struct{}, 100)}
	s.Server = &controltest.Server{Modes: modes, Passphrases: map[string]string{"joe": "open sesame"}, Answer: func(_ int, x *controltest.Session) twamp.AcceptSession {
		return s.grant(host, x)
	}, Ended: func() { s.closed <- struct{}{} }}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.Serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.Cut()
		s.mu.Lock()
		for _, c := range s.sockets {
			c.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	return s
}

// grant sets a reflector up on any port.
func (s *server) grant(host string, x *controltest.Session) (a twamp.AcceptSession) {
	c, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(host), 0)})
	if err != nil {
		s.Error(err)
		a.Accept = twamp.InternalError
		return a
	}
	s.mu.Lock()
	s.sockets = append(s.sockets, c)
	s.mu.Unlock()
	x.Accept = controltest.Grant(x)
	x.Accept.Port = c.LocalAddr().Port()
	r := controltest.NewReflector(*x)
	s.running.Go(func() { s.reflect(c, r) })
	return x.Accept
}

func (s *server) reflect(c *udp.Conn, r *controltest.Reflector) {
	ms := []udp.Message{{Buf: make([]byte, 2048)}}
	for {
		n, _, err := c.Read(ms, nil)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.Error(err)
			}
			return
		}
		if n == 0 {
			continue
		}
		m := &ms[0]
		t2 := stamp.NewTimestamp(m.Time, stamp.NTP)
		b := r.Reply(s, m.Buf[:m.N], t2, stamp.NewTimestamp(time.Now().UnixNano(), stamp.NTP), uint8(m.TTL))
		if _, err := c.Write([]udp.Message{{Buf: b, N: len(b), Peer: m.Peer, Local: m.Local, IfIndex: m.IfIndex}}); err != nil {
			s.Error(err)
		}
		select {
		case s.requests <- struct{}{}:
		default:
		}
	}
}

// request waits for the next test packet.
func (s *server) request() {
	s.Helper()
	select {
	case <-s.requests:
	case <-time.After(deadline):
		s.Fatal("waited in vain for a test packet")
	}
}

// stops are the Stop-Sessions of a control connection, once it has ended.
func (s *server) stops() []twamp.StopSessions {
	s.Helper()
	select {
	case <-s.closed:
	case <-time.After(deadline):
		s.Fatal("waited in vain for the end of a control connection")
	}
	return s.Stops()
}

func passphrases(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrases")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const allModes = twamp.Unauthenticated | twamp.Authenticated | twamp.Encrypted | twamp.Mixed

// A burst over real sockets in each mode, by both families.
func TestTWAMP(t *testing.T) {
	t.Parallel()
	file := passphrases(t, "joe open sesame\n")
	for _, auth := range []string{"none", "mixed", "authenticated", "encrypted"} {
		for _, host := range []string{"::1", "127.0.0.1"} {
			var mode twamp.Mode
			_ = mode.UnmarshalText([]byte(auth))
			s := serve(t, host, mode)
			args := []string{"-mode", "twamp", "-json", "-count", "5", "-interval", "2ms", "-auth", auth, s.at}
			if auth != "none" {
				args = append(args, "-key-file", file)
			}
			exit, stdout, stderr := once(t, nil, args...)
			if exit != service.ExitOK {
				t.Fatalf("%s over %s: exit %d, %s", auth, host, exit, stderr)
			}
			e := reports(t, stdout)[0]
			if e.Received != 5 || e.Session.Mode != "twamp" || e.Session.Auth != auth || e.Target.Address.String() != s.at ||
				e.LostForward == nil || e.Unexpected+e.HMACFailed != 0 {
				t.Errorf("%s over %s: %+v", auth, host, e)
			}
			if stops := s.stops(); len(stops) != 1 || stops[0].Number != 1 {
				t.Errorf("%s over %s: stops %+v", auth, host, stops)
			}
		}
	}
}

// A target without a session is told of on stderr, has no line of JSON, and the
// exit code says that nobody answered, unless somebody did.
func TestTWAMPNoSession(t *testing.T) {
	t.Parallel()
	open, protected := serve(t, "::1", twamp.Unauthenticated), serve(t, "::1", allModes)
	joe := passphrases(t, "joe open sesame\n")
	for _, tt := range []struct {
		name    string
		args    []string
		exit    int
		says    string
		reports int
	}{
		{"passphrase", []string{"-key-file", passphrases(t, "joe close sesame\n"), protected.at}, service.ExitNoReply, "passphrase", 0},
		{"weaker", []string{"-key-file", joe, "-auth", "encrypted", open.at}, service.ExitNoReply, "offers mode none", 0},
		{"one of two", []string{"-key-file", joe, "-auth", "mixed", open.at, protected.at}, service.ExitOK, "offers mode none", 1},
		{"nobody", []string{closedPort(t)}, service.ExitNoReply, "refused", 0},
	} {
		exit, stdout, stderr := once(t, nil, append(tt.args, "-mode", "twamp", "-json", "-count", "2", "-interval", "1ms")...)
		if exit != tt.exit || len(reports(t, stdout)) != tt.reports || strings.Count(stderr, "target left out") != 1 || !strings.Contains(stderr, tt.says) {
			t.Errorf("%s: exit %d, stdout %q, stderr %s", tt.name, exit, stdout, stderr)
		}
	}
}

// closedPort is the address of a TCP port where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A control connection that is lost in the middle ends the burst with what there
// is, and an exit code of its own; a signal stops the sessions first.
func TestTWAMPEndsEarly(t *testing.T) {
	t.Parallel()
	args := []string{"-mode", "twamp", "-json", "-count", "1000000", "-interval", "1ms", "-timeout", "100ms"}
	s := serve(t, "::1", twamp.Unauthenticated)
	i := launch(t, append(args, s.at)...)
	for range 5 {
		s.request()
	}
	s.Cut()
	e := reports(t, i.line(i.stdout))[0]
	if !e.Report.Cut || e.Report.Why != "its control connection was lost" || e.Received < 5 || len(s.stops()) != 0 {
		t.Errorf("received %d, report %+v, stops %v", e.Received, e.Report, s.Stops())
	}
	select {
	case exit := <-i.exit:
		if exit != service.ExitNoReply {
			t.Errorf("exit %d", exit)
		}
	case <-time.After(deadline):
		t.Fatal("does not end")
	}

	s = serve(t, "::1", twamp.Unauthenticated)
	i = launch(t, append(args, s.at)...)
	for range 5 {
		s.request()
	}
	i.signalled(syscall.SIGINT, 130)
	if e := reports(t, i.line(i.stdout))[0]; !e.Report.Cut || e.Received < 5 {
		t.Errorf("received %d, report %+v", e.Received, e.Report)
	}
	if stops := s.stops(); len(stops) != 1 || stops[0].Number != 1 {
		t.Errorf("stops %+v", stops)
	}
}

// Settings that twamp mode does not know are told at once.
func TestTWAMPSettings(t *testing.T) {
	t.Parallel()
	exit, _, stderr := once(t, nil, "-mode", "twamp", "-ssid", "7", "-tlv", "location", "-timestamp", "ptp", "-auth", "mixed", "-size", "13", "::1")
	if exit != service.ExitUsage {
		t.Errorf("exit %d", exit)
	}
	for _, flag := range []string{"ssid", "tlv", "timestamp", "key-file", "size"} {
		if !strings.Contains(stderr, "(-"+flag+") must ") {
			t.Errorf("nothing of -%s in\n%s", flag, stderr)
		}
	}
}
