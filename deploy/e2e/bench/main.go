// Bench measures TinyTwamp's own figures on this machine, over loopback:
// `make bench`, or `go run ./deploy/e2e/bench [flag]... [part]...` in the
// project's folder once `make build` was run.
//
// Absolute figures differ from machine to machine. What tells is the ratio to
// what is measured beside them: the floor, irtt, the same without an option.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// limit ends a run that hangs, on a machine that is busy beyond measure.
const limit = 5 * time.Minute

// bench is what the parts share.
type bench struct {
	short bool    // a tenth of the time, to see that it works
	cpus  []int   // that we may run on
	rep   *report // takes the figures
}

// part is one of the measurements.
type part struct {
	name string
	run  func(*bench, context.Context) error
}

var parts = []part{
	{"throughput", (*bench).throughput},
	{"accuracy", (*bench).accuracy},
	{"rate", (*bench).rate},
	{"sessions", (*bench).sessions},
	{"logger", (*bench).logger},
	{"loops", (*bench).loops},
}

// notRun says why a measurement cannot be made on this machine.
type notRun string

func (n notRun) Error() string { return "NOT RUN: " + string(n) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "print lines of JSON instead of tables")
	short := flags.Bool("short", false, "a tenth of the time: shows that it works, but no figures to rely on")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	wanted, err := choose(flags.Args())
	if err != nil {
		return err
	}
	cpus, err := allowedCPUs()
	if err != nil {
		return err
	}
	rep := &report{text: stdout}
	if *asJSON {
		rep.text, rep.json = nil, stdout
	}
	if path := os.Getenv("BENCH_JSON"); path != "" {
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		defer file.Close()
		rep.json = file
		if *asJSON {
			rep.json = io.MultiWriter(stdout, file)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	b := &bench{short: *short, cpus: cpus, rep: rep}
	return b.all(ctx, wanted)
}

// all runs the parts. One that fails does not keep the others from running.
func (b *bench) all(ctx context.Context, wanted []part) error {
	b.rep.machine(len(b.cpus), b.short)
	var failed []error
	for _, p := range wanted {
		err := p.run(b, ctx)
		var reason notRun
		switch {
		case ctx.Err() != nil:
			return errors.Join(append(failed, fmt.Errorf("%s: %w", p.name, context.Cause(ctx)))...)
		case errors.As(err, &reason):
			b.rep.notRun(p.name, "", reason)
		case err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	return errors.Join(append(failed, b.rep.err)...)
}

func choose(names []string) ([]part, error) {
	if len(names) == 0 {
		return parts, nil
	}
	var known []string
	for _, p := range parts {
		known = append(known, p.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no part %q: choose from %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(names, p.name) }), nil
}

// pair returns two CPUs, the furthest apart by number: neighbours are often two
// threads of one core.
func (b *bench) pair() (server, load int, err error) {
	if len(b.cpus) < 2 {
		return 0, 0, notRun(fmt.Sprintf("needs two CPUs, and may use %d of %d", len(b.cpus), runtime.NumCPU()))
	}
	return b.cpus[len(b.cpus)-1], b.cpus[0], nil
}

// scaled is n, or a tenth of it in a short run, but at least least.
func (b *bench) scaled(n, least int) int {
	if b.short {
		return max(n/10, least)
	}
	return n
}
