package main

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// twampClient is a Control-Client and Session-Sender.
type twampClient struct {
	*testing.T
	net.Conn
	wire *twamp.Conn
	keys *twamp.Keys
	mode twamp.Mode
}

// dialControl connects to a server and does the set-up in a mode.
func dialControl(t *testing.T, to netip.AddrPort, mode twamp.Mode, passphrase string) (*twampClient, twamp.Accept) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", to.String(), deadline)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	c := &twampClient{T: t, Conn: conn, wire: twamp.NewConn(conn), mode: mode}
	var g twamp.Greeting
	c.receive(twamp.GreetingSize, &g)
	r := twamp.SetUpResponse{Mode: mode, KeyID: "joe"}
	if mode.ProtectsControl() {
		c.keys = &twamp.Keys{AES: [16]byte{1}, HMAC: [32]byte{2}}
		r.Token = twamp.SealToken(twamp.DeriveKey(passphrase, &g), g.Challenge, c.keys)
	}
	if err := c.wire.Send(r); err != nil {
		t.Fatal(err)
	}
	start, err := c.wire.ReceiveStart(c.keys, r.ClientIV)
	if err != nil {
		t.Fatal(err)
	}
	return c, start.Accept
}

func (c *twampClient) receive(size int, into interface{ UnmarshalBinary([]byte) error }) {
	c.Helper()
	b, err := c.wire.Receive(size)
	if err == nil {
		err = into.UnmarshalBinary(b)
	}
	if err != nil {
		c.Fatal(err)
	}
}

// test opens a session, starts it, sends one packet and gives the reply; the
// session is left running.
func (c *twampClient) test() (p stamp.ReflectorPacket, port int) {
	c.Helper()
	local := c.LocalAddr().(*net.TCPAddr).IP
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: local})
	if err != nil {
		c.Fatal(err)
	}
	defer udp.Close()
	r := twamp.RequestSession{IPVersion: 4, SenderPort: uint16(udp.LocalAddr().(*net.UDPAddr).Port), Padding: 64, TypeP: twamp.NewTypeP(46)}
	if local.To4() == nil {
		r.IPVersion = 6
	}
	if err := c.wire.Send(r); err != nil {
		c.Fatal(err)
	}
	var a twamp.AcceptSession
	c.receive(twamp.AcceptSessionSize, &a)
	if err := c.wire.Send(twamp.StartSessions{}); err != nil {
		c.Fatal(err)
	}
	var ack twamp.StartAck
	c.receive(twamp.StartAckSize, &ack)
	if a.Accept != twamp.OK || ack.Accept != twamp.OK {
		c.Fatalf("the answers are %+v and %+v", a, ack)
	}
	return c.exchange(udp, int(a.Port), a.SID), int(a.Port)
}

func (c *twampClient) exchange(udp *net.UDPConn, port int, sid twamp.SID) (p stamp.ReflectorPacket) {
	c.Helper()
	pkt, _ := stamp.SenderPacket{Sequence: 7, Timestamp: 1, ErrorEstimate: 1}.AppendBinary(nil)
	pkt = append(pkt[:twamp.SenderSize], make([]byte, 64)...)
	var cipher *twamp.TestCipher
	if c.mode.ProtectsTest() {
		cipher = twamp.NewTestCipher(c.mode, c.keys, sid)
		pkt = append(twamp.AppendSender(nil, stamp.SenderPacket{Sequence: 7, Timestamp: 1, ErrorEstimate: 1}), make([]byte, 64)...)
		cipher.SealSender(pkt)
	}
	if err := udp.SetDeadline(time.Now().Add(deadline)); err != nil {
		c.Fatal(err)
	}
	if _, err := udp.WriteToUDP(pkt, &net.UDPAddr{IP: c.RemoteAddr().(*net.TCPAddr).IP, Port: port}); err != nil {
		c.Fatal(err)
	}
	b := make([]byte, 2048)
	n, err := udp.Read(b)
	if err != nil {
		c.Fatalf("no reply: %v", err)
	}
	switch {
	case cipher == nil:
		err = p.UnmarshalBinary(b[:n])
	case !cipher.OpenReflector(b[:n]):
		c.Fatal("the reply does not verify")
	default:
		err = p.UnmarshalAuthenticated(b[:n])
	}
	if err != nil {
		c.Fatal(err)
	}
	return p
}

// TWAMP from the connection to the end of its test, in each mode and over both
// families: what a client gets, and what a person reads. With nothing but
// -listen, control connections are taken at the same address.
func TestTWAMP(t *testing.T) {
	t.Parallel()
	at6 := freeUDP(t)
	at4 := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at6.Port())
	admin := freeTCP(t)
	i := launch(t, "-listen", at6.String()+","+at4.String(), "-passphrase-file", secretFile(t, "joe open sesame\n"),
		"-control-modes", "none,authenticated,encrypted,mixed", "-admin", admin)
	i.line(i.stderr, "taking control connections")
	for _, at := range []netip.AddrPort{at6, at4} {
		for _, mode := range []twamp.Mode{twamp.Unauthenticated, twamp.Authenticated, twamp.Encrypted, twamp.Mixed} {
			c, accept := dialControl(t, at, mode, "open sesame")
			if accept != twamp.OK {
				t.Fatalf("%v: the set-up is answered with %v", mode, accept)
			}
			p, port := c.test()
			if p.Sequence != 0 || p.SenderSequence != 7 || port < 18760 || port > 19960 {
				t.Errorf("%v: from port %d comes %+v", mode, port, p)
			}
			from := "[" + at.Addr().String() + "]"
			i.line(i.stdout, "Control connection from "+from+", mode "+mode.String())
			i.line(i.stdout, "Session opened with "+from+", mode "+mode.String())
			i.line(i.stdout, "Sent response to "+from)
			if err := c.wire.Send(twamp.StopSessions{Number: 1}); err != nil {
				t.Fatal(err)
			}
			i.line(i.stdout, "Session with "+from+" ended: stopped (1 packet)")
			c.Close()
			i.line(i.stdout, "Control connection from "+from+" ended: closed_by_client")
		}
	}
	if _, accept := dialControl(t, at4, twamp.Encrypted, "open sesam"); accept != twamp.Failure {
		t.Errorf("a wrong passphrase is answered with %v", accept)
	}
	i.line(i.stdout, `Control connection from [127.0.0.1] refused: authentication_failed, key id "joe"`)
	metrics := get(t, "http://"+admin+"/metrics")
	for _, want := range []string{
		"twamp_reflector_control_connections_total 9", "twamp_reflector_control_authentication_failures_total 1",
		"twamp_reflector_test_sessions_opened_total 8", "twamp_reflector_test_sessions 0",
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %q", want)
		}
	}
	i.terminate(service.ExitOK)
}

// A client that tests when the reflector is told to end is reflected until it
// stops; the reflector then ends without waiting for the grace.
func TestEndWithSessions(t *testing.T) {
	t.Parallel()
	at := freeUDP(t)
	i := launch(t, "-listen", at.String(), "-stop-grace", "1h")
	i.line(i.stderr, "taking control connections")
	c, _ := dialControl(t, at, twamp.Unauthenticated, "")
	_, port := c.test()
	i.end(syscall.SIGTERM)
	for dialed := true; dialed; { // until it takes no connections any more
		conn, err := net.DialTimeout("tcp", at.String(), deadline)
		if dialed = err == nil; dialed {
			conn.Close()
		}
	}
	if port == 0 || len(i.exit) > 0 {
		t.Error("it ends before the test")
	}
	if err := c.wire.Send(twamp.StopSessions{Number: 1}); err != nil {
		t.Fatal(err)
	}
	i.exits(service.ExitOK)
	i.line(i.stdout, "Session with [::1] ended: stopped (1 packet)")
}

// SIGHUP reads the passphrases anew; a file that cannot be used changes nothing.
func TestPassphrasesAreReadAnew(t *testing.T) {
	at, file := freeUDP(t), secretFile(t, "joe open sesame\n")
	i := launch(t, "-listen", at.String(), "-passphrase-file", file)
	i.line(i.stderr, "taking control connections")
	hangUp := func(said string) {
		t.Helper()
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		i.line(i.stderr, said)
	}
	check := func(passphrase string, want twamp.Accept) {
		t.Helper()
		if _, got := dialControl(t, at, twamp.Mixed, passphrase); got != want {
			t.Errorf("%q is answered with %v, want %v", passphrase, got, want)
		}
	}
	check("open sesame", twamp.OK)
	rewrite(t, file, "joe\n")
	hangUp("the passphrases stay as they were")
	check("open sesame", twamp.OK)
	rewrite(t, file, "joe close sesame\n")
	hangUp("passphrases read anew")
	check("open sesame", twamp.Failure)
	check("close sesame", twamp.OK)
	i.terminate(service.ExitOK)
}

// What is offered, and where.
func TestControlSettings(t *testing.T) {
	t.Parallel()
	file := secretFile(t, "joe open sesame\n")
	for _, tt := range []struct {
		args   []string
		modes  twamp.Mode
		listen string
		named  bool
	}{
		{nil, twamp.Unauthenticated, "[::]:862,0.0.0.0:862", false},
		{[]string{"-passphrase-file", file}, twamp.Authenticated | twamp.Encrypted | twamp.Mixed, "[::]:862,0.0.0.0:862", false},
		{[]string{"-passphrase-file", file, "-control-modes", "none,mixed"}, twamp.Unauthenticated | twamp.Mixed, "[::]:862,0.0.0.0:862", false},
		{[]string{"-listen", "127.0.0.1:18620"}, twamp.Unauthenticated, "127.0.0.1:18620", true},
		{[]string{"-listen", "127.0.0.1:18620", "-control-listen", "::1"}, twamp.Unauthenticated, "[::1]:862", true},
		{[]string{"-listen", "127.0.0.1:18620", "-control-listen", ""}, twamp.Unauthenticated, "", true},
	} {
		var cfg Config
		var stderr bytes.Buffer
		if _, _, ok := program.Parse(&cfg, tt.args, nil, &stderr, &stderr); !ok {
			t.Fatalf("%q: %s", tt.args, &stderr)
		}
		var at []string
		listen, named := cfg.controlListen()
		for _, a := range listen {
			at = append(at, a.String())
		}
		if got := cfg.offered(); got != tt.modes || strings.Join(at, ",") != tt.listen || named != tt.named {
			t.Errorf("%q: %v at %v, named is %v", tt.args, got, at, named)
		}
	}
	for _, args := range [][]string{
		{"-control-modes", "encrypted"},
		{"-control-modes", "none,mixed"},
		{"-control-listen", "::1,[::1]:862"},
	} {
		if exit, _, stderr := once(t, nil, args...); exit != service.ExitUsage || !strings.Contains(stderr, "(-control-") {
			t.Errorf("%q: exit %d, %s", args, exit, stderr)
		}
	}
}
