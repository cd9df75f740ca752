package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/export"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

const exportUsage = `Usage: logger export [flag]...

Prints the events in the files of a logger on stdout, in the order in which they
were written. It only reads, and may run beside the logger that writes them.

Examples:
  logger export -data /var/lib/tinytwamp/events -from 24h -type rtt
  logger export -format csv -target core.example -from 2026-03-01 -to 2026-04-01

  -data FOLDER    folder of the event files. Default: TWAMP_DATA, else data
  -from TIME      the first instant, by the events' own time: RFC 3339, a date
                  (UTC), or so long ago, such as 90m
  -to TIME        the end, which is not in it any more. Default: none
  -type TYPES     of rtt (reports), log (test logs) and dlq (what could not be
                  read), with commas between them. Default: all; csv: rtt
  -prober NAME    events of this instance only: the -name of a prober, or of a
                  reflector for its test log
  -target NAME    reports on this target only: its name, host or address
  -format FORMAT  ndjson: each event as it came, a CloudEvent in JSON a line;
                  csv: the columns below. Default: ndjson

Lines that are no events are left out, and counted on stderr. A file that cannot
be read is named there, and the exit code is 70.

Columns of csv, all in packets or in what their name ends in. What was not
measured is empty. Columns are only ever added, at the end:
`

// exportEvents is the subcommand export: it returns its exit code.
func exportEvents(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	o, err := parseExport(args, environ, time.Now())
	if errors.Is(err, flag.ErrHelp) {
		io.WriteString(stdout, exportUsage)
		for _, c := range export.Columns {
			fmt.Fprintf(stdout, "  %-22s %s\n", c.Name, c.Help)
		}
		return service.ExitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "logger export: %v\nRun \"logger export -h\" to see all flags.\n", err)
		return service.ExitUsage
	}
	out := bufio.NewWriterSize(stdout, 64<<10)
	result, err := export.Run(ctx, o.data, o.query, o.format, out)
	err = errors.Join(err, out.Flush())
	if result.Damaged > 0 {
		fmt.Fprintf(stderr, "logger export: left out what is no event: %d times, the last: %v\n", result.Damaged, result.Fault)
	}
	if signal, signalled := service.Signal(ctx); signalled {
		return service.SignalExit(signal)
	}
	if result.Unread != nil {
		err = errors.Join(err, fmt.Errorf("the output is not whole, files could not be read: %w", result.Unread))
	}
	if err != nil {
		fmt.Fprintf(stderr, "logger export: %v\n", err)
		return service.ExitInternal
	}
	return service.ExitOK
}

// exportOptions are the flags of the subcommand.
type exportOptions struct {
	data, format string
	query        export.Query
}

func parseExport(args, environ []string, now time.Time) (o exportOptions, err error) {
	data := "data"
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, "TWAMP_DATA="); ok && value != "" {
			data = value
		}
	}
	var from, to, types string
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.data, "data", data, "")
	flags.StringVar(&from, "from", "", "")
	flags.StringVar(&to, "to", "", "")
	flags.StringVar(&types, "type", "", "")
	flags.StringVar(&o.query.Name, "prober", "", "")
	flags.StringVar(&o.query.Target, "target", "", "")
	flags.StringVar(&o.format, "format", export.NDJSON, "")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("takes flags only, but got %q", flags.Args())
	}
	var problems [4]error
	o.query.From, problems[0] = parseInstant("from", from, now)
	o.query.To, problems[1] = parseInstant("to", to, now)
	o.query.Types, problems[2] = parseTypes(types)
	problems[3] = o.check()
	return o, errors.Join(problems[:]...)
}

// check finds what does not go together.
func (o *exportOptions) check() error {
	onlyReports := len(o.query.Types) == 0 || len(o.query.Types) == 1 && o.query.Types[0] == events.TypeRTT
	switch {
	case o.format != export.NDJSON && o.format != export.CSV:
		return fmt.Errorf("-format must be %s or %s, not %q", export.NDJSON, export.CSV, o.format)
	case o.format == export.CSV && !onlyReports:
		return errors.New("-format csv is for reports only: leave -type out, or use -format ndjson")
	case o.query.Target != "" && !onlyReports:
		return errors.New("-target is for reports only: leave -type out, or make it rtt")
	case !o.query.To.IsZero() && !o.query.From.Before(o.query.To):
		return errors.New("-from must be before -to")
	}
	if info, err := os.Stat(o.data); err != nil || !info.IsDir() {
		return fmt.Errorf("-data must be the folder of a logger's event files, which %q is not", o.data)
	}
	return nil
}

// parseInstant takes an instant, a date, or a time before now. Empty is zero.
func parseInstant(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("-%s must be an instant such as 2026-03-29T14:09:01Z, a date such as 2026-03-29, or so long ago as 90m, not %q", name, text)
}

func parseTypes(text string) (types []string, err error) {
	if text == "" {
		return nil, nil
	}
	known := map[string]string{"rtt": events.TypeRTT, "log": events.TypeLog, "dlq": events.TypeDeadLetter}
	for name := range strings.SplitSeq(text, ",") {
		t, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("-type must be of rtt, log and dlq, with commas between them, not %q", text)
		}
		types = append(types, t)
	}
	return types, nil
}
