package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/services/reflector/internal/reflector"
	"tinytwamp/shared/service"
	"tinytwamp/shared/twamp"
)

// ControlMode is a mode that clients may choose.
type ControlMode struct{ twamp.Mode }

// UnmarshalText reads the name of a mode.
func (m *ControlMode) UnmarshalText(text []byte) error {
	if m.Mode.UnmarshalText(text) != nil {
		return errors.New("must be of none, authenticated, encrypted and mixed")
	}
	return nil
}

// checkControl finds settings of TWAMP-Control that cannot work, and completes
// what depends on others.
func (c *Config) checkControl() []service.Problem {
	var problems []service.Problem
	bad := func(variable, msg string) { problems = append(problems, service.Problem{Var: variable, Msg: msg}) }
	for i, a := range c.ControlListen {
		if slices.Contains(c.ControlListen[:i], a) {
			bad("CONTROL_LISTEN", fmt.Sprintf("must name each address once, not %v twice", a))
		}
	}
	if _, err := readPassphrases(c.PassphraseFile, slog.New(slog.DiscardHandler)); err != nil { // whose warnings come at the start
		bad("PASSPHRASE_FILE", fmt.Sprintf("must name a file of passphrases that can be used: %v", err))
	}
	if c.PassphraseFile == "" && c.offered().ProtectsControl() {
		bad("CONTROL_MODES", "must be none without a -passphrase-file: the others need passphrases")
	}
	for _, bound := range []struct {
		variable string
		n        int
	}{
		{"CONTROL_CONNECTIONS", c.ControlConnections},
		{"CONTROL_CONNECTIONS_PER_ADDRESS", c.ControlConnectionsPerAddress},
		{"TEST_SESSIONS", c.TestSessions},
		{"TEST_SESSIONS_PER_ADDRESS", c.TestSessionsPerAddress},
		{"TEST_SESSIONS_PER_KEY", c.TestSessionsPerKey},
	} {
		if bound.n < 1 || bound.n > maxControl {
			bad(bound.variable, fmt.Sprintf("must be between 1 and %d", maxControl))
		}
	}
	if c.ServWait < time.Second || c.ServWait > 24*time.Hour {
		bad("SERVWAIT", "must be between 1s and 24h")
	}
	if c.RefWait < time.Second || c.RefWait > 24*time.Hour {
		bad("REFWAIT", "must be between 1s and 24h")
	}
	if c.StopGrace < 0 || c.StopGrace > time.Hour {
		bad("STOP_GRACE", "must be between 0s and 1h")
	}
	return problems
}

// maxControl is more than a host has threads for.
const maxControl = 8192

// offered are the modes that clients may choose from.
func (c *Config) offered() (m twamp.Mode) {
	for _, mode := range c.ControlModes {
		m |= mode.Mode
	}
	switch {
	case m != 0:
		return m
	case c.PassphraseFile != "":
		return twamp.Authenticated | twamp.Encrypted | twamp.Mixed
	}
	return twamp.Unauthenticated
}

// controlListen is where to listen for control connections, and whether the
// user named it: with nothing but -listen, at the same addresses.
func (c *Config) controlListen() (at []netip.AddrPort, named bool) {
	if slices.Equal(c.ControlListen, defaultListen) {
		return plain(c.Listen), c.listenNamed()
	}
	return plain(c.ControlListen), true
}

// readPassphrases reads a passphrase file, if one is named: else there are none,
// nil.
func readPassphrases(path string, log *slog.Logger) (*twamp.Passphrases, error) {
	if path == "" {
		return nil, nil
	}
	text, err := service.ReadSecretFile(path, log)
	if err != nil {
		return nil, err
	}
	passphrases, err := twamp.ParsePassphrases(text)
	if err != nil {
		return nil, err
	}
	return &passphrases, nil
}

// listenControl opens the server of TWAMP-Control.
func listenControl(cfg *Config, r *reflector.Reflector, log *slog.Logger) (*control.Server, error) {
	passphrases, err := readPassphrases(cfg.PassphraseFile, log)
	if err != nil {
		return nil, err
	}
	listen, named := cfg.controlListen()
	var advertise []netip.Addr
	for _, a := range cfg.Advertise {
		advertise = append(advertise, a.Addr())
	}
	return control.Listen(control.Config{
		Listen: listen, Named: named, Advertise: advertise,
		Modes: cfg.offered(), Passphrases: passphrases, Allow: cfg.Allow, AllowOpen: r.AllowsOpen,
		ServWait: cfg.ServWait, StopGrace: cfg.StopGrace,
		Limits: control.Limits{
			Connections: cfg.ControlConnections, ConnectionsPerSource: cfg.ControlConnectionsPerAddress,
			Sessions: cfg.TestSessions, SessionsPerSource: cfg.TestSessionsPerAddress, SessionsPerKey: cfg.TestSessionsPerKey,
		},
		Reflector: r, Record: r.Record, Log: log,
	})
}
