// Package control is the Server of TWAMP (RFC 5357 section 3): it negotiates
// test sessions over control connections, and has a [Reflector] reflect their
// packets.
package control

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"tinytwamp/services/reflector/internal/seldom"
	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// Config is what a server is made from.
type Config struct {
	Listen    []netip.AddrPort
	Named     bool         // a user named the addresses: each must work
	Advertise []netip.Addr // addresses that clients see, behind NAT

	Modes       twamp.Mode            // security modes that are offered
	Passphrases *twamp.Passphrases    // of the protected modes; nil: there are none
	Allow       []netip.Prefix        // clients and senders; empty: all
	AllowOpen   func(netip.Addr) bool // who may do without authentication

	ServWait  time.Duration // that a client may be silent, RFC 5357 section 3.1
	StopGrace time.Duration // how long sessions may go on when the server ends
	Limits    Limits

	Reflector Reflector
	Record    func(events.Record) // takes a record for the test log; must not wait
	Random    io.Reader           // nil: the system's
	Log       *slog.Logger
}

// Server is the Server of TWAMP. It is made by [Listen].
type Server struct {
	// set once
	cfg         Config
	listeners   []net.Listener
	rounds      uint32                            // of key derivation
	started     stamp.Timestamp                   // Start-Time of all connections
	passphrases atomic.Pointer[twamp.Passphrases] // nil: there are none
	nobody      string                            // passphrase of key ids that there are not
	deriving    chan struct{}                     // has room for those that may derive a key
	connections *quota[netip.Prefix]              // by source
	sessions    *quota[netip.Prefix]              // by source
	ofKey       *quota[string]                    // sessions by key id
	counters    counters
	warned      struct{ authentication, count, accept, open seldom.Warning }

	mu     sync.Mutex
	open   map[*connection]struct{} // guarded by mu
	ending bool                     // guarded by mu
	served sync.WaitGroup           // connections
}

// derivations bounds how many keys are derived at a time: whoever asks makes
// this host compute for some milliseconds, and packets need the other CPUs.
func derivations() int { return max(1, runtime.NumCPU()/2) }

// newServer makes a server that does not listen yet.
func newServer(cfg Config) *Server {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	s := &Server{
		cfg: cfg, rounds: rounds, nobody: rand.Text(), started: stamp.NewTimestamp(time.Now().UnixNano(), stamp.NTP),
		deriving:    make(chan struct{}, derivations()),
		connections: newQuota[netip.Prefix](cfg.Limits.Connections, cfg.Limits.ConnectionsPerSource),
		sessions:    newQuota[netip.Prefix](cfg.Limits.Sessions, cfg.Limits.SessionsPerSource),
		ofKey:       newQuota[string](0, cfg.Limits.SessionsPerKey),
		open:        make(map[*connection]struct{}),
	}
	s.passphrases.Store(cfg.Passphrases)
	return s
}

// SetPassphrases changes the passphrases. Connections that are set up stay.
func (s *Server) SetPassphrases(p twamp.Passphrases) { s.passphrases.Store(&p) }

// Addresses are those that the server listens on.
func (s *Server) Addresses() []netip.AddrPort {
	var a []netip.AddrPort
	for _, l := range s.listeners {
		a = append(a, addrPort(l.Addr()))
	}
	return a
}

// Run serves until ctx ends, and then those connections whose sessions are
// running, until they have stopped or the grace is over.
func (s *Server) Run(ctx context.Context) error {
	var accepting sync.WaitGroup
	for _, l := range s.listeners {
		accepting.Go(func() { s.accept(l) })
	}
	<-ctx.Done()
	s.end()
	accepting.Wait()
	grace := time.AfterFunc(s.cfg.StopGrace, s.closeAll)
	defer grace.Stop()
	s.served.Wait()
	return nil
}

// end takes no connections any more, and closes those that are not testing.
func (s *Server) end() {
	for _, l := range s.listeners {
		l.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	for c := range s.open {
		c.closeUnlessTesting()
	}
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.net.Close()
	}
}

func (s *Server) isEnding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// acceptPause is how long a listener rests that has no file descriptor left
// for a connection.
const acceptPause = 100 * time.Millisecond

// accept takes connections until the listener is closed.
func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if s.warned.accept.Due(time.Now()) {
				s.cfg.Log.Warn("a control connection cannot be taken", "address", addrPort(l.Addr()), "err", err)
			}
			time.Sleep(acceptPause)
			continue
		}
		answerAsAsked(conn)
		s.take(conn)
	}
}

// take serves a connection, if there is a place for it.
func (s *Server) take(conn net.Conn) {
	c := &connection{server: s, net: conn, wire: twamp.NewConn(conn), peer: addrPort(conn.RemoteAddr()), local: addrPort(conn.LocalAddr())}
	if len(s.cfg.Allow) > 0 && !within(s.cfg.Allow, c.peer.Addr()) {
		c.refused(notAllowed)
		conn.Close()
		return
	}
	if over := s.connections.take(source(c.peer.Addr())); over != nil {
		c.refused(map[error]reason{errAll: tooMany, errEach: tooManyOfSource}[over])
		c.turnAway()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		s.connections.give(source(c.peer.Addr()))
		conn.Close()
		return
	}
	s.open[c] = struct{}{}
	s.counters.connections.Add(1)
	s.served.Go(func() {
		c.serve()
		s.connections.give(source(c.peer.Addr()))
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	})
}

// random fills b.
func (s *Server) random(b []byte) error {
	_, err := io.ReadFull(s.cfg.Random, b)
	return err
}
