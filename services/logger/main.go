// Command logger takes the events of a fleet of probers and reflectors from
// NATS JetStream and keeps them: in files for machines, and as lines for
// people.
package main

import (
	"context"
	"errors"
	"io"

	"tinytwamp/services/logger/internal/embedded"
	"tinytwamp/services/logger/internal/page"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/service"
)

var program = service.Program{
	Name: "logger",
	About: `Takes the results and test logs of all probers and reflectors from NATS JetStream, writes each
event once to files of JSON lines (-data), and prints the readable log.

Without a NATS server of your own, -nats-embedded runs one inside. With one, let logger -init make
the stream and the consumer first.

With -page it shows paths, their history and the readable log in a browser.

logger export prints the events in the files, as JSON or CSV: logger export -h says which it can.`,
	Examples: []string{
		"logger -nats-embedded store",
		"logger -init -nats-url nats://nats:4222",
		"logger -nats-url nats://nats:4222 -data /var/lib/twamp -log-file /var/log/twamp.log",
		"logger -nats-embedded store -page 127.0.0.1:8620",
		"logger export -data /var/lib/twamp -format csv -from 24h",
	},
}

func main() { service.Main(run) }

// run is the program: it returns its exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "export" {
		return exportEvents(ctx, args[1:], environ, stdout, stderr)
	}
	var cfg Config
	if _, exit, ok := program.Parse(&cfg, args, environ, stdout, stderr); !ok {
		return exit
	}
	log := service.NewLogger(stderr, cfg.Common)
	work := serve
	if cfg.Init {
		work = initialise
	}
	err := work(ctx, cfg, log, stdout)
	if err != nil {
		log.Error("cannot go on", "err", err)
	}
	signal, signalled := service.Signal(ctx)
	switch {
	case err == nil:
		return service.ExitOK
	case errors.Is(err, embedded.ErrAuthFile), errors.Is(err, bus.ErrDiffers), errors.Is(err, errBus), errors.Is(err, page.ErrToken):
		return service.ExitUsage
	case cfg.Init && signalled:
		return service.SignalExit(signal)
	}
	return service.ExitInternal
}
