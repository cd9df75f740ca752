package service

import (
	"flag"
	"io"
	"strings"
)

// flagText is the flag of a setting. It checks nothing: its text goes over the
// environment, and is parsed with it.
type flagText struct {
	setting setting
	texts   map[string]string // of all flags, by variable
}

// Set takes the flag's value. A list may be given in several flags.
func (f flagText) Set(text string) error {
	if before, again := f.texts[f.setting.variable]; again && f.setting.isList() {
		text = before + "," + text
	}
	f.texts[f.setting.variable] = text
	return nil
}

// String is only asked for the default, which -h takes from the setting.
func (f flagText) String() string { return "" }

// IsBoolFlag tells package flag whether the flag can stand without a value.
func (f flagText) IsBoolFlag() bool { return f.setting.isBool() }

// commandLine is what the arguments of a program say.
type commandLine struct {
	texts         map[string]string // values of flags, by variable
	rest          []string          // positional arguments
	help, version bool
	problems      []Problem // flags that do not exist or lack their value
}

// parseFlags reads the arguments. Flags and positional arguments may come in
// any order; -- ends the flags.
func parseFlags(list []setting, args []string) commandLine {
	line := commandLine{texts: map[string]string{}}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.BoolVar(&line.help, "h", false, "")
	set.BoolVar(&line.help, "help", false, "")
	set.BoolVar(&line.version, "version", false, "")
	for _, s := range list {
		set.Var(flagText{s, line.texts}, s.flag, "")
	}
	for len(args) > 0 {
		err := set.Parse(args)
		read, left := args[:len(args)-set.NArg()], set.Args()
		switch {
		case err != nil && strings.HasPrefix(err.Error(), "bad flag syntax"): // the only fault that leaves the argument unread
			line.problems = append(line.problems, Problem{Flag: left[0], Msg: "is not a flag; behind -- it is an argument"})
			left = left[1:]
		case err != nil:
			line.problems = append(line.problems, badFlag(set, read[len(read)-1]))
		case len(read) > 0 && read[len(read)-1] == "--":
			line.rest = append(line.rest, left...)
			return line
		case len(left) > 0:
			line.rest = append(line.rest, left[0])
			left = left[1:]
		}
		args = left
	}
	return line
}

// badFlag says why package flag refused an argument.
func badFlag(set *flag.FlagSet, arg string) Problem {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	if set.Lookup(name) == nil {
		return Problem{Flag: "-" + name, Msg: "there is no such flag"}
	}
	return Problem{Flag: "-" + name, Msg: "needs a value"}
}
