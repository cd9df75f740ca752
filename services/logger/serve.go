package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/embedded"
	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/services/logger/internal/logger"
	"tinytwamp/services/logger/internal/page"
	"tinytwamp/services/logger/internal/tail"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
	"tinytwamp/shared/service"
)

const (
	// initTimeout is how long -init waits for the server: in a stack that is
	// started as a whole, NATS may come up after it.
	initTimeout = time.Minute
	// closeTimeout is how long the last dead letters may take.
	closeTimeout = 2 * time.Second
	// retryWait is how long the first pause after a failed write is.
	retryWait = time.Second
)

// errBus marks settings of the bus that can never work.
var errBus = errors.New("bad NATS settings")

// initialise makes the stream and the consumer, and says so.
func initialise(ctx context.Context, cfg Config, log *slog.Logger, stdout io.Writer) error {
	client, err := connect(cfg, log)
	if err != nil {
		return err
	}
	defer client.Close(0)
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	stream, consumer := cfg.stream()
	if err := client.Init(ctx, stream, consumer); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Stream %s and consumer %s are there.\n", events.StreamName, consumer.Durable)
	return nil
}

func connect(cfg Config, log *slog.Logger) (*bus.Client, error) {
	client, err := bus.Open(cfg.Bus, program.Name, cfg.Common.Name, log)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBus, err)
	}
	return client, nil
}

// serve runs the logger until ctx ends. What it starts ends in reverse order:
// the server inside comes last, so that others get their last events in.
func serve(ctx context.Context, cfg Config, log *slog.Logger, stdout io.Writer) (err error) {
	closing := func(end func() error) { err = errors.Join(err, end()) }

	readable, err := service.OpenReadable(cfg.Common, stdout)
	if err != nil {
		return err
	}
	defer closing(readable.Close)
	files, err := journal.Open(cfg.journal(), log)
	if err != nil {
		return err
	}
	defer closing(files.Close)
	health := service.NewHealth(logger.CheckBus, logger.CheckJournal)
	registry := service.NewMetrics(program.Name, health)
	admin, err := service.ListenAdmin(cfg.Common, health, registry)
	if err != nil {
		return err
	}
	if admin.Addr() != "" {
		log.Info("admin http is listening", "address", admin.Addr())
	}
	if cfg.NATSEmbedded != "" {
		server, err := startServer(&cfg, log)
		if err != nil {
			return err
		}
		defer closing(server.Stop)
	}
	client, err := connect(cfg, log)
	if err != nil {
		return err
	}
	defer client.Close(closeTimeout)
	client.Register(registry, health)

	options := logger.Options{
		Consumer:  cfg.Consumer,
		Bus:       client,
		Journal:   files,
		Readable:  readable,
		Health:    health,
		Metrics:   registry,
		RetryWait: retryWait,
	}
	stream, consumer := cfg.stream()
	options.Prepare = func(ctx context.Context) error { return client.Check(ctx, consumer) }
	if admin.Addr() != "" { // else nobody asks for them
		options.Paths = paths.New(cfg.Paths, registry, log)
	}
	if cfg.NATSEmbedded != "" {
		options.Prepare = func(ctx context.Context) error { return client.Init(ctx, stream, consumer) }
	}
	tasks := append(reopening(cfg.Common, readable, log), service.Task{Name: "admin", Run: admin.Serve})
	if cfg.Page != "" { // else nobody asks for the history, which is made of the files when there is a page
		store, err := history.Open(filepath.Join(cfg.Data, "history"), history.Options{Journal: files, Keep: cfg.History, Metrics: registry}, log)
		if err != nil {
			return err
		}
		defer closing(store.Close)
		options.Tail = tail.New()
		shown, err := listenPage(cfg, store, options.Tail, registry, log)
		if err != nil {
			return err
		}
		tasks = append(tasks, service.Task{Name: "history", Run: store.Run}, service.Task{Name: "page", Run: shown.Serve})
	}
	tasks = append(tasks, service.Task{Name: "logger", Run: logger.New(options, log).Run})
	return service.Run(ctx, tasks...)
}

// listenPage begins to listen for the page's readers, and says where.
func listenPage(cfg Config, store page.Store, lines *tail.Tail, metrics prometheus.Registerer, log *slog.Logger) (*page.Page, error) {
	options := page.Options{
		Name:    cfg.Common.Name,
		Store:   store,
		Tail:    lines,
		Trusted: cfg.PageTrustedProxy,
		Zone:    time.Local,
		Metrics: metrics,
	}
	if cfg.PageTokenFile != "" {
		token, err := page.ReadToken(cfg.PageTokenFile, log)
		if err != nil {
			return nil, err
		}
		options.Token = token
	}
	p, err := page.Listen(cfg.Page, options, log)
	if err != nil {
		return nil, err
	}
	log.Info("page is served", "address", p.Addr(), "url", p.URL())
	return p, nil
}

// startServer runs the NATS server inside, and points the settings at it.
func startServer(cfg *Config, log *slog.Logger) (*embedded.Server, error) {
	listen, err := cfg.listen()
	if err != nil {
		return nil, err
	}
	server, err := embedded.Start(embedded.Options{
		Name:     cfg.Common.Name,
		Store:    cfg.NATSEmbedded,
		Listen:   listen,
		AuthFile: cfg.NATSAuthFile,
	}, log)
	if err != nil {
		return nil, err
	}
	cfg.Bus.URL = server.URL()
	return server, nil
}
