package service

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Program describes a program to its users.
type Program struct {
	Name     string    // of the binary
	Synopsis string    // the usage line behind the name; empty: [flag]...
	About    string    // what it does, in a few sentences; paragraphs with an empty line between them
	Examples []string  // command lines
	Sections []Section // what else -h explains, at its end
	Args     bool      // it takes positional arguments
}

// Section is a part of -h.
type Section struct {
	Title string
	Text  string // paragraphs with an empty line between them; one that begins with a space stays as it is
}

// Problem is a setting that is wrong.
type Problem struct {
	Var  string // variable, with or without its prefix; empty: only a flag
	Flag string // empty: the flag that belongs to Var
	Msg  string // what is allowed: "must be ..."
}

// Parse fills cfg, a pointer to a struct of settings, from the environment and
// from the flags in args, which win, and returns the positional arguments.
// Unknown variables are left alone: several services share one environment. A
// variable that is empty empties a text or a list, else it counts as not set.
//
// Each struct of settings may have a method Check() []Problem; it may complete
// what depends on other settings, too. If cfg has a method TakeArgs([]string),
// it gets the positional arguments before that, so that Check can judge them.
//
// When ok is false the program is to end with the code exit: it was asked for
// its help, its version or its health, or settings are wrong, which stderr
// then says of all of them.
func (p Program) Parse(cfg any, args, environ []string, stdout, stderr io.Writer) (rest []string, exit int, ok bool) {
	list := settings(cfg)
	asksHealth := len(args) > 0 && args[0] == "healthcheck"
	if asksHealth {
		args = args[1:]
	}
	line := parseFlags(list, args)
	switch {
	case line.help:
		io.WriteString(stdout, p.help(list))
		return nil, ExitOK, false
	case line.version:
		fmt.Fprintf(stdout, "%s %s %s %s/%s\n", p.Name, Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return nil, ExitOK, false
	}
	texts := env.ToMap(environ)
	maps.Copy(texts, line.texts)
	if asksHealth {
		return nil, p.askHealth(texts, line, stdout, stderr), false
	}
	problems := slices.Concat(line.problems, p.fill(cfg, list, texts, line))
	if len(problems) > 0 {
		io.WriteString(stderr, p.complain(problems))
		return nil, ExitUsage, false
	}
	return line.rest, ExitOK, true
}

// fill sets all settings and checks them together. A setting that is already
// known to be wrong is not complained about twice.
func (p Program) fill(cfg any, list []setting, texts map[string]string, line commandLine) []Problem {
	var problems []Problem
	wrong := map[string]bool{}
	for _, s := range list {
		_, byFlag := line.texts[s.variable]
		if err := s.fill(texts, byFlag); err != nil {
			wrong[s.variable] = true
			problems = append(problems, Problem{Var: s.variable, Msg: err.Error()}.complete())
		}
	}
	if t, ok := cfg.(interface{ TakeArgs(args []string) }); ok {
		t.TakeArgs(line.rest)
	}
	for _, c := range checkers(reflect.ValueOf(cfg).Elem()) {
		for _, problem := range c.Check() {
			problem = problem.complete()
			if !wrong[problem.Var] && !slices.Contains(problems, problem) {
				problems = append(problems, problem)
			}
		}
	}
	if !p.Args && len(line.rest) > 0 && len(line.problems) == 0 { // what follows an unknown flag may be its value
		problems = append(problems, Problem{Msg: fmt.Sprintf("%s takes no arguments, but got %q", p.Name, line.rest)})
	}
	return problems
}

// complete gives a problem the names in full.
func (q Problem) complete() Problem {
	if q.Var != "" && !strings.HasPrefix(q.Var, prefix) {
		q.Var = prefix + q.Var
	}
	if q.Var != "" && q.Flag == "" {
		q.Flag = flagName(q.Var)
	}
	if q.Flag != "" && !strings.HasPrefix(q.Flag, "-") {
		q.Flag = "-" + q.Flag
	}
	return q
}

// String names the setting and says what is wrong with it.
func (q Problem) String() string {
	switch {
	case q.Var != "":
		return q.Var + " (" + q.Flag + ") " + q.Msg
	case q.Flag != "":
		return q.Flag + ": " + q.Msg
	}
	return q.Msg
}

// complain lists what is wrong with the settings.
func (p Program) complain(problems []Problem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: cannot start with these settings:\n", p.Name)
	for _, problem := range problems {
		fmt.Fprintf(&b, "  %s\n", problem)
	}
	fmt.Fprintf(&b, "Run \"%s -h\" to see all settings.\n", p.Name)
	return b.String()
}

// askHealth is the healthcheck subcommand.
func (p Program) askHealth(texts map[string]string, line commandLine, stdout, stderr io.Writer) int {
	problems := line.problems
	admin := texts[prefix+"ADMIN"]
	if !isListenAddress(admin) {
		problems = append(problems, Problem{Var: "ADMIN", Msg: fmt.Sprintf("must be the admin address of the instance to ask, not %q", admin)}.complete())
	}
	if len(problems) > 0 {
		io.WriteString(stderr, p.complain(problems))
		return ExitUsage
	}
	if err := healthcheck(admin); err != nil {
		fmt.Fprintf(stderr, "%s: not ready: %v\n", p.Name, err)
		return ExitThreshold
	}
	fmt.Fprintln(stdout, "ready")
	return ExitOK
}
