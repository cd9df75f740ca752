// Command reflector answers STAMP, TWAMP Light and TWAMP test packets: the TWAMP
// server.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"tinytwamp/services/reflector/internal/reflector"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// drainTimeout is how long the last events may take when the service ends.
const drainTimeout = 5 * time.Second

var program = service.Program{
	Name:  "reflector",
	About: "Answers STAMP (RFC 8762), TWAMP Light and TWAMP (RFC 5357) test packets, and publishes a test log to NATS.",
	Examples: []string{
		"reflector",
		"reflector -listen [::1]:18620,127.0.0.1:18620",
		"reflector -listen 192.0.2.1 -allow 192.0.2.0/24 -log-packets all",
		"reflector -keys-file /etc/tinytwamp/keys -allow-unauthenticated 192.0.2.0/24",
		"reflector -passphrase-file /etc/tinytwamp/passphrases -control-modes encrypted,mixed",
		"reflector -sessions 0x1234@192.0.2.0/24,4661 -rate-limit 100",
		"reflector -nats-url nats://nats:4222 -admin 127.0.0.1:9862",
		"reflector healthcheck -admin 127.0.0.1:9862",
	},
}

func main() { service.Main(run) }

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	var cfg Config
	_, exit, ok := program.Parse(&cfg, args, environ, stdout, stderr)
	if !ok {
		return exit
	}
	log := service.NewLogger(stderr, cfg.Common)
	if err := serve(ctx, &cfg, log, stdout); err != nil {
		log.Error("reflector ended", "err", err)
		if errors.Is(err, bus.ErrSettings) {
			return service.ExitUsage
		}
		return service.ExitInternal
	}
	return service.ExitOK
}

// serve runs the reflector, its admin HTTP and its way to the bus until ctx
// ends.
func serve(ctx context.Context, cfg *Config, log *slog.Logger, stdout io.Writer) error {
	readable, err := service.OpenReadable(cfg.Common, stdout)
	if err != nil {
		return err
	}
	defer readable.Close()
	client, err := bus.Open(cfg.Bus, "reflector", cfg.Common.Name, log)
	if err != nil {
		return err
	}
	defer client.Close(drainTimeout)
	keys, err := readKeys(cfg.KeysFile, log)
	if err != nil {
		return err
	}

	rc := reflector.Config{
		Listen: plain(cfg.Listen), Named: cfg.listenNamed(), Advertise: plain(cfg.Advertise),
		Allow: cfg.Allow, AllowSymmetric: cfg.AllowSymmetric, Sessions: cfg.Sessions, CoSAllow: cfg.CoSAllow,
		RateLimit: cfg.RateLimit, RateLimitTotal: cfg.RateLimitTotal,
		Keys: keys, AllowUnauthenticated: cfg.AllowUnauthenticated, ReplayWindow: cfg.ReplayWindow,
		TestPorts: cfg.TestPorts, RefWait: cfg.RefWait, StopGrace: cfg.StopGrace,
		Stateless: cfg.Stateless, SessionTable: cfg.SessionTable, Workers: cfg.Workers, Realtime: cfg.Realtime,
		Strict: cfg.Strict, HideLocation: cfg.HideLocation, Logging: cfg.LogPackets,
		Line: readable.Line, Publish: func(at time.Time, l *events.Log) { client.Emit(at, l) }, Log: log,
	}
	if client != nil {
		rc.Bus = client
	}
	health := service.NewHealth()
	rc.Ready = health.Set
	r, err := reflector.New(rc)
	if err != nil {
		return err
	}
	server, err := listenControl(cfg, r, log)
	if err != nil {
		return err
	}
	r.SetControl(server.Addresses())
	reloading := reload(cfg, readable, r, server, log)
	metrics := service.NewMetrics(program.Name, health)
	r.Register(metrics)
	client.Register(metrics, health)
	server.Register(metrics)
	admin, err := service.ListenAdmin(cfg.Common, health, metrics)
	if err != nil {
		return err
	}
	tasks := []service.Task{{Name: "admin", Run: admin.Serve}, {Name: "reflector", Run: r.Run}, {Name: "control", Run: server.Run}}
	return service.Run(ctx, append(tasks, reloading...)...)
}
