// Command prober tests reflectors with STAMP, TWAMP Light and TWAMP: the TWAMP client.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/services/prober/internal/targets"
	"tinytwamp/services/prober/internal/threshold"
	"tinytwamp/services/prober/internal/view"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
	"tinytwamp/shared/service"
)

// deliverTimeout is how long the last events may take when the test has ended.
const deliverTimeout = 5 * time.Second

var program = service.Program{
	Name:     "prober",
	Synopsis: "[flag]... target...",
	Args:     true,
	About: "Tests each target with STAMP (RFC 8762), TWAMP Light or TWAMP (RFC 5357), prints round-trip time, one-way delays, " +
		"loss and jitter, and publishes them to NATS.",
	Examples: []string{
		"# with a reflector here: reflector -listen '[::1]:18620,127.0.0.1:18620'",
		"prober localhost:18620",
		"prober -count 200 -interval 5ms -dscp EF -tlv cos,follow-up,location 127.0.0.1:18620",
		"prober -json -mode light -size 100 -padding zero localhost:18620 >result.json",
		"prober -mode twamp localhost:18620",
		"prober -quiet -fail-on 'loss>1%,rtt_p99>50ms' localhost:18620 && echo fine",
		`echo 'targets: [{name: voice, address: "localhost:18620", dscp: EF},
  {name: rest, address: "localhost:18620"}]' >targets.yaml
prober -check targets.yaml && prober -continuous -targets-file targets.yaml`,
	},
	Sections: []service.Section{targets.Help, exitCodes},
}

var exitCodes = service.Section{Title: "Exit codes", Text: `    0         measured, and every event delivered; -continuous ended by a signal
    1         a report crossed a limit of -fail-on
    64        bad settings
    69        no target answered, or a control connection was lost before its test was complete
    70        internal error
    75        measured, but events could not be delivered: kept in -outbox, or lost
    130, 143  cut short by SIGINT or SIGTERM, after reporting what there is`}

// heapGrowth is by how many percent the heap may grow between two collections:
// less than the runtime's default, since thousands of sessions live long and
// leave little behind.
const heapGrowth = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	service.Main(run)
}

func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	var cfg Config
	_, exit, ok := program.Parse(&cfg, args, environ, stdout, stderr)
	if !ok {
		return exit
	}
	if cfg.CheckFile != "" {
		return checkFile(cfg.CheckFile, cfg.Test, stdout, stderr)
	}
	v := view.New(stdout, view.Options{
		JSON: cfg.JSON, Quiet: cfg.Quiet, Continuous: cfg.Continuous, Every: cfg.ReportInterval,
		Terminal: service.IsTerminal(stdout), Colour: service.WantsColour(stdout),
	})
	if service.IsTerminal(stdout) && service.IsTerminal(stderr) {
		stderr = v.Beside(stderr) // most likely the same one
	}
	log := service.NewLogger(stderr, cfg.Common)
	res, err := test(ctx, &cfg, cfg.found, log, v)
	if err != nil {
		log.Error("prober ended", "err", err)
		if errors.Is(err, bus.ErrSettings) {
			return service.ExitUsage
		}
		return service.ExitInternal
	}
	return exitCode(ctx, &cfg, res)
}

// result is how a test went.
type result struct {
	prober.Outcome
	undelivered bool // events are kept in the outbox, or lost
	crossed     bool // a report crossed a limit of -fail-on
}

// exitCode is the first that applies, in the order of what a caller must know
// first.
func exitCode(ctx context.Context, cfg *Config, res result) int {
	signal, ended := service.Signal(ctx)
	switch {
	case ended && !cfg.Continuous:
		return service.SignalExit(signal)
	case !ended && (res.Answered == 0 || res.Cut > 0): // a continuous test has reported it all along
		return service.ExitNoReply
	case res.undelivered:
		return service.ExitUndelivered
	case res.crossed && !cfg.Continuous:
		return service.ExitThreshold
	}
	return service.ExitOK
}

// test runs the test with its output, its admin HTTP and its way to the bus.
func test(ctx context.Context, cfg *Config, targets []prober.Target, log *slog.Logger, v *view.View) (res result, err error) {
	o, err := openOutput(cfg, log, v)
	if err != nil {
		return res, err
	}
	defer o.close()
	health := service.NewHealth()
	metrics := service.NewMetrics(program.Name, health)
	admin, err := service.ListenAdmin(cfg.Common, health, metrics)
	if err != nil {
		o.client.Close(0)
		return res, err
	}
	pc := prober.Config{
		Name: cfg.Common.Name, Targets: targets, Continuous: cfg.Continuous, ReportInterval: cfg.ReportInterval,
		ResolveInterval: cfg.ResolveInterval, Spin: cfg.Spin, Realtime: cfg.Realtime,
		Resolve: net.DefaultResolver.LookupNetIP, Listen: prober.Listen, Dial: prober.Dial, Rand: rand.Reader, Report: o.report, Begun: o.begun, Seen: o.view.Seen(), Log: log,
	}
	p := prober.New(pc)
	p.Register(metrics)
	o.client.Register(metrics, health)
	if cfg.Continuous && admin.Addr() != "" { // else nobody asks for them
		o.paths = paths.New(cfg.Paths, metrics, log)
	}
	v.Follow(p.Progress)
	running, finish := context.WithCancel(ctx)
	tasks := append(cfg.following(p, o.reopen, log),
		service.Task{Name: "admin", Run: admin.Serve},
		service.Task{Name: "view", Run: o.view.Run},
		service.Task{Name: "test", Run: func(ctx context.Context) error {
			defer finish()
			var err error
			res.Outcome, err = p.Run(ctx)
			return err
		}})
	err = service.Run(running, tasks...)
	finish()
	o.view.Close()
	kept, lost := o.client.Close(deliverTimeout)
	res.undelivered, res.crossed = kept > 0 || lost > 0, o.crossed
	return res, err
}

// output is where results go: terminal, readable log, bus; and limits.
type output struct {
	view     *view.View
	readable *service.Readable // nil: no log file
	client   *bus.Client       // nil: no bus
	name     string            // of this instance
	paths    *paths.Metrics    // nil: none
	log      *slog.Logger
	limits   []threshold.Rule
	crossed  bool // one of the limits; the reporter's
}

func openOutput(cfg *Config, log *slog.Logger, v *view.View) (*output, error) {
	o := &output{name: cfg.Common.Name, log: log, limits: cfg.FailOn, view: v}
	var err error
	if cfg.Common.LogFile != "" {
		if o.readable, err = service.OpenReadable(cfg.Common, nil); err != nil {
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

// reopen opens the log file anew, after logrotate has moved it away.
func (o *output) reopen() error {
	if o.readable == nil {
		return nil
	}
	return o.readable.Reopen()
}

func (o *output) begun(e *events.RTT) {
	o.view.Begun(e)
	o.record(events.SessionOpened, e, "")
}

func (o *output) report(e *events.RTT, ended string) {
	now := time.Now()
	o.client.Emit(now, e) // before what a reader who does not read could hold up
	o.paths.Observe(o.name, e)
	o.check(e)
	o.view.Report(e, ended)
	if o.readable != nil {
		for _, text := range e.Texts() {
			o.readable.Line(now, "rtt", text)
		}
	}
	if ended != "" && len(e.Session.Paths) == 0 {
		o.record(events.SessionEnded, e, ended)
	}
}

// check says which limits a report crosses.
func (o *output) check(e *events.RTT) {
	for _, r := range o.limits {
		if value, crossed := r.Crossed(e); crossed {
			o.crossed = true
			o.log.Warn("limit crossed", "figure", r.Figure(), "value", value, "limit", r.Limit(),
				"target", e.Target.Name, "address", e.Target.Address, "report", e.Report.Index)
		}
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
