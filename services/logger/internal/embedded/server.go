// Package embedded runs a NATS server with JetStream inside the logger, for
// those who have no other.
package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tinytwamp/services/logger/internal/folder"
	"tinytwamp/shared/service"
)

// readyTimeout is for the moment between listening and answering: streams are
// recovered before.
const readyTimeout = 10 * time.Second

// Options describe the server.
type Options struct {
	Name     string // of the server
	Store    string // folder of JetStream, made if it is not there
	Listen   netip.AddrPort
	AuthFile string // authorization in the form of nats-server's configuration; empty: none, and only loopback
}

// Server is a running server.
type Server struct {
	server  *server.Server
	user    *url.Userinfo // nil: none is needed
	release func() error
}

// Start runs a server. An error of [Options.AuthFile] is [ErrAuthFile], one of
// a store that another server has is [folder.ErrTaken].
func Start(o Options, log *slog.Logger) (*Server, error) {
	if o.AuthFile == "" && !o.Listen.Addr().IsLoopback() {
		return nil, fmt.Errorf("embedded: listening on %s, beyond this host, needs an authorization file", o.Listen)
	}
	if err := checkFree(o.Listen); err != nil {
		return nil, err
	}
	release, err := folder.Claim(o.Store)
	if err != nil {
		return nil, fmt.Errorf("embedded: store: %w", err)
	}
	s := &Server{release: release}
	if err := s.start(o, log); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) start(o Options, log *slog.Logger) error {
	options := &server.Options{}
	if o.AuthFile != "" {
		var err error
		if s.user, err = authorize(options, o.AuthFile, log); err != nil {
			return err
		}
	}
	options.ServerName = o.Name
	options.Host = o.Listen.Addr().String()
	options.Port = int(o.Listen.Port())
	if options.Port == 0 {
		options.Port = server.RANDOM_PORT
	}
	options.JetStream = true
	options.StoreDir = o.Store
	options.SyncAlways = true // what a publisher was told is stored outlives a power failure
	options.NoSigs = true     // signals are ours

	said := &serverLog{log: log}
	srv, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	s.server = srv
	srv.SetLoggerV2(said, false, false, false)
	srv.Start()
	if err := said.failure(); err != nil {
		return fmt.Errorf("embedded: the NATS server does not start: %w", err)
	}
	if !srv.ReadyForConnections(readyTimeout) {
		return errors.New("embedded: the NATS server does not answer")
	}
	log.Info("nats server is running", "address", srv.Addr().String(), "store", o.Store, "authorization", o.AuthFile != "")
	return nil
}

// checkFree says why an address cannot be listened on, in words for a person:
// the server only has its own.
func checkFree(at netip.AddrPort) error {
	l, err := net.Listen("tcp", at.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("embedded: %s is in use, perhaps by another NATS server: end that one, or choose another address with -nats-url: %w", at, err)
	case err != nil:
		return fmt.Errorf("embedded: cannot listen on %s, choose another address with -nats-url: %w", at, err)
	}
	return l.Close()
}

// URL returns where the logger itself connects. It may hold a password.
func (s *Server) URL() service.URL {
	u := url.URL{Scheme: "nats", Host: clientHost(s.server.Addr()), User: s.user}
	return service.URL(u.String())
}

// Stop ends the server, with all that it acknowledged on disk.
func (s *Server) Stop() error {
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
	return s.release()
}
