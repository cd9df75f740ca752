package control

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// fake is a reflector that only takes note, and whose sessions end as real ones
// do, but for the lack of packets.
type fake struct {
	mu       sync.Mutex
	sessions []*fakeSession
	refuse   error
}

type fakeSession struct {
	terms Terms
	port  uint16
	ended func()

	mu        sync.Mutex
	started   bool
	stopped   bool
	over      bool
	notBefore time.Time
}

func (f *fake) Open(t Terms, ended func()) (Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return nil, f.refuse
	}
	s := &fakeSession{terms: t, port: t.Receiver.Port(), ended: ended}
	f.sessions = append(f.sessions, s)
	return s, nil
}

func (f *fake) all() []*fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sessions)
}

// left counts the sessions that have not ended.
func (f *fake) left() (n int) {
	for _, s := range f.all() {
		if _, _, over := s.state(); !over {
			n++
		}
	}
	return n
}

func (s *fakeSession) Port() uint16 { return s.port }

func (s *fakeSession) Start(notBefore time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started, s.notBefore = true, notBefore
}

func (s *fakeSession) Stop() {
	s.mu.Lock()
	s.stopped = true
	started := s.started
	s.mu.Unlock()
	if !started {
		s.end()
		return
	}
	time.AfterFunc(s.terms.Timeout, s.end)
}

func (s *fakeSession) end() {
	s.mu.Lock()
	before := s.over
	s.over = true
	s.mu.Unlock()
	if !before {
		s.ended()
	}
}

func (s *fakeSession) state() (started, stopped, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started, s.stopped, s.over
}

// rig is a server in a synctest bubble.
type rig struct {
	*testing.T
	*Server
	reflector *fake
	log       bytes.Buffer

	mu      sync.Mutex
	records []events.Record
}

var (
	clientAddr = netip.MustParseAddrPort("192.0.2.1:40000")
	serverAddr = netip.MustParseAddrPort("192.0.2.2:862")
)

const passphrase = "open sesame" // of key id joe

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	g := &rig{T: t, reflector: &fake{}}
	passphrases, err := twamp.ParsePassphrases([]byte("joe " + passphrase + "\njim another one\n"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Modes: twamp.Unauthenticated | twamp.Authenticated | twamp.Encrypted | twamp.Mixed, Passphrases: &passphrases,
		AllowOpen: func(netip.Addr) bool { return true },
		ServWait:  900 * time.Second, StopGrace: 5 * time.Second,
		Reflector: g.reflector,
		Record: func(r events.Record) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.records = append(g.records, r)
		},
		Log: slog.New(slog.NewTextHandler(&g.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	g.Server = newServer(cfg)
	g.rounds = twamp.MinCount // which is quick
	return g
}

// told are the reasons of the records of a kind.
func (g *rig) told(kind events.RecordKind) (reasons []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.records {
		if r.Kind == kind {
			reasons = append(reasons, r.Reason)
		}
	}
	return reasons
}

// ends checks that all connections have ended, and gives the last one's end.
func (g *rig) ends(want reason) {
	g.Helper()
	synctest.Wait()
	if n := g.connections.len(); n > 0 {
		g.Errorf("%d connections are left", n)
	}
	kind := events.ControlClosed
	if want <= lastRefusal {
		kind = events.ControlRefused
	}
	told := g.told(kind)
	if len(told) == 0 || told[len(told)-1] != want.String() || g.counters.by[want].Load() == 0 {
		g.Errorf("connections ended by %q, counted %d; want %v", told, g.counters.by[want].Load(), want)
	}
}

// end is one end of a connection in memory, with addresses.
type end struct {
	net.Conn
	local, remote netip.AddrPort
}

func (e end) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(e.local) }
func (e end) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(e.remote) }

// connect makes a connection to the server, and closes it at the end.
func (g *rig) connect(from netip.AddrPort) net.Conn {
	ours, theirs := net.Pipe()
	g.Cleanup(func() { ours.Close() })
	to := serverAddr
	if from.Addr().Is6() {
		to = netip.MustParseAddrPort("[2001:db8::2]:862")
	}
	go g.take(end{theirs, to, from}) // a server that has no place writes, which waits for the reader
	return ours
}

// client is a Control-Client.
type client struct {
	*rig
	net.Conn
	wire     *twamp.Conn
	greeting twamp.Greeting
	start    twamp.ServerStart
	keys     *twamp.Keys
}

func (g *rig) dial(from netip.AddrPort) *client {
	g.Helper()
	conn := g.connect(from)
	c := &client{rig: g, Conn: conn, wire: twamp.NewConn(conn)}
	b, err := c.wire.Receive(twamp.GreetingSize)
	if err == nil {
		err = c.greeting.UnmarshalBinary(b)
	}
	if err != nil {
		g.Fatalf("no greeting: %v", err)
	}
	return c
}

// setUp does the set-up in a mode, and gives the server's answer.
func (c *client) setUp(mode twamp.Mode, keyID, passphrase string) twamp.Accept {
	c.Helper()
	r := twamp.SetUpResponse{Mode: mode}
	if mode.ProtectsControl() {
		c.keys = &twamp.Keys{AES: [16]byte{1}, HMAC: [32]byte{2}}
		r.KeyID, r.ClientIV = keyID, [16]byte{3}
		r.Token = twamp.SealToken(twamp.DeriveKey(passphrase, &c.greeting), c.greeting.Challenge, c.keys)
	}
	if err := c.wire.Send(r); err != nil {
		c.Fatal(err)
	}
	start, err := c.wire.ReceiveStart(c.keys, r.ClientIV)
	if err != nil {
		c.Fatalf("no answer to the set-up: %v", err)
	}
	c.start = start
	return start.Accept
}

// client is a client that is set up.
func (g *rig) client(mode twamp.Mode) *client {
	g.Helper()
	return g.clientFrom(clientAddr, mode)
}

func (g *rig) clientFrom(from netip.AddrPort, mode twamp.Mode) *client {
	g.Helper()
	c := g.dial(from)
	if got := c.setUp(mode, "joe", passphrase); got != twamp.OK {
		g.Fatalf("the set-up is answered with %v", got)
	}
	return c
}

// wanted is a request that is in order.
func wanted() twamp.RequestSession {
	return twamp.RequestSession{IPVersion: 4, SenderPort: 40001, ReceiverPort: 40002, Timeout: 2 * time.Second}
}

func (c *client) request(r twamp.RequestSession) (a twamp.AcceptSession) {
	c.Helper()
	c.exchange(r, twamp.AcceptSessionSize, &a)
	return a
}

// opened requests a session that is to be accepted, and gives the reflector's
// end of it.
func (c *client) opened(r twamp.RequestSession) *fakeSession {
	c.Helper()
	if a := c.request(r); a.Accept != twamp.OK || a.Port == 0 {
		c.Fatalf("the request is answered with %+v", a)
	}
	all := c.reflector.all()
	return all[len(all)-1]
}

func (c *client) begin() twamp.Accept {
	c.Helper()
	var a twamp.StartAck
	c.exchange(twamp.StartSessions{}, twamp.StartAckSize, &a)
	return a.Accept
}

func (c *client) stopAll(n uint32) {
	c.Helper()
	if err := c.wire.Send(twamp.StopSessions{Number: n}); err != nil {
		c.Fatal(err)
	}
	synctest.Wait()
}

func (c *client) exchange(m interface{ AppendBinary([]byte) ([]byte, error) }, size int, answer interface{ UnmarshalBinary([]byte) error }) {
	c.Helper()
	if err := c.wire.Send(m); err != nil {
		c.Fatal(err)
	}
	b, err := c.wire.Receive(size)
	if err == nil {
		err = answer.UnmarshalBinary(b)
	}
	if err != nil {
		c.Fatalf("no answer to %T: %v", m, err)
	}
}

func ntp(t time.Time) stamp.Timestamp { return stamp.NewTimestamp(t.UnixNano(), stamp.NTP) }
