// Package bustest runs a real NATS server with JetStream inside a test, which
// can be stopped and started again on the same port and store.
package bustest

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout is far above the 30 ms that a server takes to start, for
// machines that have much else to do.
const startTimeout = 20 * time.Second

// Server is a NATS server on a loopback port of its own.
type Server struct {
	t       testing.TB
	options server.Options
	running *server.Server
}

// NewServer starts a server that ends with the test. configure changes its
// options before it starts, for instance to add users.
func NewServer(t testing.TB, configure ...func(*server.Options)) *Server {
	t.Helper()
	s := newServer(t, configure...)
	s.Restart()
	return s
}

// newServer returns a server that was not started yet.
func newServer(t testing.TB, configure ...func(*server.Options)) *Server {
	t.Helper()
	s := &Server{t: t, options: server.Options{
		Host:      "127.0.0.1",
		Port:      server.RANDOM_PORT,
		JetStream: true,
		StoreDir:  t.TempDir(),
		NoLog:     true,
		NoSigs:    true,
	}}
	for _, c := range configure {
		c(&s.options)
	}
	t.Cleanup(s.Stop)
	return s
}

// URL returns the server's URL, which stays the same when it starts again.
func (s *Server) URL() string {
	return fmt.Sprintf("nats://%s:%d", s.options.Host, s.options.Port)
}

// Stop ends the server; what it stored stays. Stopping it twice does nothing.
func (s *Server) Stop() {
	if s.running == nil {
		return
	}
	s.running.Shutdown()
	s.running.WaitForShutdown()
}

// Restart starts the server again, having stopped it if it runs.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.begin()
	s.ready()
}

// begin starts the server, and ready waits until it answers.
func (s *Server) begin() {
	s.t.Helper()
	options := s.options // the server keeps what it is given
	running, err := server.NewServer(&options)
	if err != nil {
		s.t.Fatalf("bustest: %v", err)
	}
	s.running = running
	go running.Start()
}

func (s *Server) ready() {
	s.t.Helper()
	if !s.running.ReadyForConnections(startTimeout) {
		s.t.Fatalf("bustest: server not ready after %v", startTimeout)
	}
	s.options.Port = s.running.Addr().(*net.TCPAddr).Port
}
