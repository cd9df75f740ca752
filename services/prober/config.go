package main

import (
	"fmt"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/services/prober/internal/targets"
	"tinytwamp/services/prober/internal/threshold"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/paths"
	"tinytwamp/shared/service"
)

// Config holds the prober's settings.
type Config struct {
	args  []string        // targets named as arguments
	found []prober.Target // by Check
	watch targets.Watcher // of the targets file, marked before Check read it

	Targets         []string      `env:"TARGETS" default:"none" arg:"TARGETS" group:"Targets" help:"Targets besides those named as arguments: host, host:port, address or [address]:port; port 862 where none is named. A name is tested at each of its addresses."`
	TargetsFile     string        `env:"TARGETS_FILE" default:"none" arg:"FILE" group:"Targets" help:"YAML file with further targets, each with settings of its own (below). A continuous test takes a changed file over while it runs, at the latest on SIGHUP."`
	CheckFile       string        `env:"CHECK" default:"none" arg:"FILE" group:"Targets" help:"Say whether a targets file is good, and end."`
	ResolveInterval time.Duration `env:"RESOLVE_INTERVAL" envDefault:"30s" arg:"TIME" group:"Targets" help:"Time after which a continuous test looks a name up again, at least 1s. Addresses come and go; while the name server does not answer the last known ones stay."`

	Continuous     bool          `env:"CONTINUOUS" envDefault:"false" group:"Test" help:"Go on until ended by a signal, with a report for each report interval."`
	ReportInterval time.Duration `env:"REPORT_INTERVAL" envDefault:"10s" arg:"TIME" group:"Test" help:"Time that each report of a continuous test covers."`
	Test           prober.Test
	Spin           bool   `env:"SPIN" envDefault:"true" group:"Test" help:"Spin for the last 20us before each packet where the interval is below 5ms, so that it leaves more exactly in time: at most 20us of CPU time a packet."`
	Realtime       bool   `env:"REALTIME" envDefault:"false" group:"Test" help:"Ask for real-time priority (SCHED_FIFO) for the threads that send and receive packets."`
	FailOn         FailOn `env:"FAIL_ON" default:"none" arg:"RULES" group:"Output" help:"Limits that no report may cross, for instance loss>1%,rtt_p99>50ms: else exit with 1, in a continuous test a warning. A wrong name lists all figures."`
	JSON           bool   `env:"JSON" envDefault:"false" group:"Output" help:"Print each report as one line of JSON instead of text."`
	Quiet          bool   `env:"QUIET" envDefault:"false" group:"Output" help:"Print no line for each reply."`

	Bus    bus.Settings
	Common service.Settings
	Paths  paths.Settings
}

// Bounds of settings.
const (
	minReport, maxReport   = time.Second, 24 * time.Hour
	minResolve, maxResolve = time.Second, 24 * time.Hour
)

// Check finds settings that cannot work.
func (c *Config) Check() []service.Problem {
	problems := c.Bus.CheckOutbox()
	between := func(variable string, d, least, most time.Duration) {
		if d < least || d > most {
			problems = append(problems, service.Problem{Var: variable, Msg: fmt.Sprintf("must be between %v and %v", least, most)})
		}
	}
	between("REPORT_INTERVAL", c.ReportInterval, minReport, maxReport)
	between("RESOLVE_INTERVAL", c.ResolveInterval, minResolve, maxResolve)
	if c.CheckFile != "" {
		return problems
	}
	c.watch.Path = c.TargetsFile
	c.watch.Mark()
	var wrong []service.Problem
	c.found, wrong = c.targets()
	return append(problems, wrong...)
}

// TakeArgs takes the targets that are named as arguments.
func (c *Config) TakeArgs(args []string) { c.args = args }

// FailOn are limits that no report may cross.
type FailOn []threshold.Rule

// UnmarshalText reads the setting.
func (f *FailOn) UnmarshalText(b []byte) error {
	rules, err := threshold.Parse(string(b))
	*f = rules
	return err
}
