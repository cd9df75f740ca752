// Command prober tests reflectors with STAMP and TWAMP Light: the TWAMP client.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/services/prober/internal/view"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// deliverTimeout is how long the last events may take when the test has ended.
const deliverTimeout = 5 * time.Second

var program = service.Program{
	Name:     "prober",
	Synopsis: "[flag]... target...",
	Args:     true,
	About: "Tests each target with STAMP (RFC 8762) or TWAMP Light (RFC 5357) packets, prints round-trip time, one-way delays, " +
		"loss and jitter, and publishes them to NATS.",
	Examples: []string{
		"prober 192.0.2.1",
		"prober -count 100 -interval 20ms -dscp EF [2001:db8::1]:862 reflector.example",
		"prober -json -count 20 -interval 10ms [::1]:18620",
		"prober -mode light -size 100 -padding zero router.example:862",
		"prober -continuous -report-interval 1m -nats-url nats://nats:4222 -targets a.example,b.example",
	},
}

func main() { service.Main(run) }

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	var cfg Config
	rest, exit, ok := program.Parse(&cfg, args, environ, stdout, stderr)
	if !ok {
		return exit
	}
	targets, err := cfg.targets(rest)
	if err != nil {
		fmt.Fprintf(stderr, "prober: %v\nprober -h shows all settings.\n", err)
		return service.ExitUsage
	}
	log := service.NewLogger(stderr, cfg.Common)
	out, lost, err := test(ctx, &cfg, targets, log, stdout)
	if err != nil {
		log.Error("prober ended", "err", err)
		return service.ExitInternal
	}
	return exitCode(ctx, &cfg, out, lost)
}

// exitCode is the first that applies, in the order of what a caller must know
// first.
func exitCode(ctx context.Context, cfg *Config, out prober.Outcome, lost uint64) int {
	if signal, ok := service.Signal(ctx); ok && !cfg.Continuous {
		return service.SignalExit(signal)
	}
	switch {
	case out.Answered == 0:
		return service.ExitNoReply
	case lost > 0:
		return service.ExitUndelivered
	}
	return service.ExitOK
}

// test runs the test with its output, its admin HTTP and its way to the bus. It
// returns how many events were lost.
func test(ctx context.Context, cfg *Config, targets []prober.Target, log *slog.Logger, stdout io.Writer) (out prober.Outcome, lost uint64, err error) {
	o, err := openOutput(cfg, log, stdout)
	if err != nil {
		return out, 0, err
	}
	defer o.close()
	health := service.NewHealth()
	admin, err := service.ListenAdmin(cfg.Common, health, prometheus.NewRegistry())
	if err != nil {
		return out, 0, err
	}
	pc := prober.Config{
		Name: cfg.Common.Name, Targets: targets,
		Count: cfg.Count, Continuous: cfg.Continuous, ReportInterval: cfg.ReportInterval,
		Interval: cfg.Interval, Schedule: cfg.Schedule, Spin: cfg.Spin, Realtime: cfg.Realtime, Timeout: cfg.Timeout, Source: cfg.Source.AddrPort,
		DSCP: uint8(cfg.DSCP), SSID: cfg.SSID, Mode: cfg.Mode, Format: cfg.Timestamp.Format,
		Size: cfg.Size, TLVs: cfg.TLV, Padding: cfg.Padding, Message: cfg.Message,
		Listen: prober.Listen, Report: o.report, Begun: o.begun, Seen: o.view.Seen(), Log: log,
	}
	running, finish := context.WithCancel(ctx)
	err = service.Run(running,
		service.Task{Name: "admin", Run: admin.Serve},
		service.Task{Name: "view", Run: o.view.Run},
		service.Task{Name: "test", Run: func(context.Context) error {
			defer finish()
			var err error
			out, err = prober.New(pc).Run(ctx)
			return err
		}})
	finish()
	return out, o.client.Close(deliverTimeout), err
}

// output is where results go: terminal, readable log, bus.
type output struct {
	view     *view.View
	readable *service.Readable // nil: no log file
	client   *bus.Client       // nil: no bus
}

func openOutput(cfg *Config, log *slog.Logger, stdout io.Writer) (*output, error) {
	o := &output{view: view.New(stdout, view.Options{
		JSON: cfg.JSON, Quiet: cfg.Quiet, Continuous: cfg.Continuous, Terminal: service.IsTerminal(stdout),
	})}
	var err error
	if cfg.Common.LogFile != "" {
		if o.readable, err = service.OpenReadable(cfg.Common, stdout); err != nil {
			return nil, err
		}
	}
	o.client, err = bus.Open(cfg.Bus, "prober", cfg.Common.Name, log)
	return o, err
}

func (o *output) close() {
	if o.readable != nil {
		o.readable.Close()
	}
}

func (o *output) begun(e *events.RTT) {
	o.view.Begun(e)
	o.record(events.SessionOpened, e, "")
}

func (o *output) report(e *events.RTT, last bool) {
	now := time.Now()
	o.view.Report(e)
	o.client.Emit(now, e)
	if o.readable != nil {
		for _, text := range e.Texts() {
			o.readable.Line(now, "rtt", text)
		}
	}
	if last {
		why := "test complete"
		if e.Report.Cut {
			why = "stopped by a signal"
		}
		o.record(events.SessionEnded, e, why)
	}
}

// record notes a session's beginning or end in the test log.
func (o *output) record(kind events.RecordKind, e *events.RTT, why string) {
	r := events.Record{
		Time: time.Now().UTC(), Kind: kind, Peer: e.Target.Address, Local: e.Session.Source, SSID: e.Session.SSID,
		Reason: why, Count: e.Sent,
	}
	o.client.Emit(r.Time, &events.Log{Service: "prober", Records: []events.Record{r}})
	if o.readable != nil {
		o.readable.Line(r.Time, string(kind), r.Text())
	}
}
