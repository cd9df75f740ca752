package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/services/prober/internal/targets"
	"tinytwamp/shared/service"
)

// targets are those of the arguments, of the setting, and of the file, which is
// read anew each time.
func (c *Config) targets() ([]prober.Target, []service.Problem) {
	var list []prober.Target
	var problems []service.Problem
	for i, a := range slices.Concat(c.args, c.Targets) {
		t, err := prober.ParseTarget(a)
		switch {
		case err == nil:
			t.Test = c.Test
			list = append(list, t)
		case i < len(c.args):
			problems = append(problems, service.Problem{Msg: "target " + err.Error()})
		default:
			problems = append(problems, service.Problem{Var: "TARGETS", Msg: err.Error()})
		}
	}
	if c.TargetsFile != "" {
		more, faults := targets.Load(c.TargetsFile, c.Test)
		for _, f := range faults {
			problems = append(problems, service.Problem{Msg: f})
		}
		list = append(list, more...)
	} else if len(list)+len(problems) == 0 {
		problems = append(problems, service.Problem{Msg: "no target: name at least one, as an argument, with -targets or in a -targets-file"})
	}
	return list, append(problems, twice(list)...)
}

// twice finds names that several targets have.
func twice(list []prober.Target) []service.Problem {
	var problems []service.Problem
	count := make(map[string]int)
	for _, t := range list {
		if count[t.Name]++; count[t.Name] == 2 {
			problems = append(problems, service.Problem{Msg: fmt.Sprintf("target %q is named twice: leave one out, or give it a name of its own in a targets file", t.Name)})
		}
	}
	return problems
}

// load reads the targets again, as they are now, and the keys. It fails if any
// is wrong, with a line for each problem.
func (c *Config) load() ([]prober.Target, error) {
	c.Test.Forget()
	problems := c.Test.Check()
	list, more := c.targets()
	var errs []error
	for _, p := range append(problems, more...) {
		errs = append(errs, errors.New(p.String()))
	}
	return list, errors.Join(errs...)
}

// reload gives a prober the targets as they are now.
func (c *Config) reload(p *prober.Prober) {
	list, err := c.load()
	if err != nil {
		p.Refuse(err)
		return
	}
	p.Reload(list)
}

// following are the tasks by which a continuous test follows its files: the
// targets as they change, and all at SIGHUP.
func (c *Config) following(p *prober.Prober, reopen func() error, log *slog.Logger) []service.Task {
	var tasks []service.Task
	reload := c.Continuous && (c.TargetsFile != "" || c.Test.KeyFile != "")
	hangups := make(chan struct{}, 1)
	if reload || c.Common.LogFile != "" {
		tasks = append(tasks, service.OnHangup(func() {
			if err := reopen(); err != nil {
				log.Error("log file not reopened, lines go on to the old one", "err", err)
			}
			select {
			case hangups <- struct{}{}:
			default: // one is waiting
			}
		}))
	}
	if !reload {
		return tasks
	}
	w := &c.watch
	w.Hangup, w.Changed = hangups, func() { c.reload(p) }
	w.Gone = func(err error) { log.Error("targets file is gone, the test goes on as before", "err", err) }
	return append(tasks, service.Task{Name: "targets file", Run: w.Run})
}

// checkFile is what -check does.
func checkFile(path string, base prober.Test, stdout, stderr io.Writer) int {
	list, faults := targets.Load(path, base)
	if len(faults) > 0 {
		fmt.Fprintln(stderr, strings.Join(faults, "\n"))
		return service.ExitUsage
	}
	fmt.Fprintf(stdout, "%s is good: %s\n", path, amount(list))
	return service.ExitOK
}

// amount sums targets up. A name counts as one address.
func amount(list []prober.Target) string {
	sessions, rate, names := 0, 0.0, ""
	for _, t := range list {
		n := max(1, len(t.Test.SourcePorts))
		sessions += n
		rate += float64(n) / t.Test.Interval.Seconds()
		if _, err := netip.ParseAddr(t.Host); err != nil {
			names = " and more"
		}
	}
	if rate >= 1 {
		rate = math.Round(rate*10) / 10
	}
	return fmt.Sprintf("%s, %s%s, %s packets/s", plural(len(list), "target"), plural(sessions, "session"), names,
		strconv.FormatFloat(rate, 'f', -1, 64))
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
