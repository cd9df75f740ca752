package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report writes the figures: tables for people, lines of JSON for programs.
type report struct {
	text io.Writer // nil: no tables
	json io.Writer // nil: no JSON
	err  error     // the first of writing
}

// figure is one column of a table.
type figure struct {
	key  string               // in JSON; ends in the unit
	head string               // in the table
	show func(float64) string // in the table
}

// row is a case that was measured, and its figures in the order of the columns.
type row struct {
	name    string
	values  []float64
	missing notRun // why there are none
}

// table writes a part.
func (r *report) table(part, title string, figures []figure, rows []row) {
	r.print("\n%s: %s\n%s", part, title, lines(figures, rows))
	for _, row := range rows {
		if row.missing != "" {
			r.notRun(part, row.name, row.missing)
			continue
		}
		line := map[string]any{"part": part, "case": row.name}
		for i, v := range row.values {
			line[figures[i].key] = v
		}
		r.line(line)
	}
}

// lines lays out what was measured.
func lines(figures []figure, rows []row) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := 0
	for _, row := range rows {
		width = max(width, len(row.name))
	}
	fmt.Fprint(w, "\t")
	for _, f := range figures {
		fmt.Fprint(w, f.head, "\t")
	}
	fmt.Fprintln(w)
	for _, row := range rows {
		if row.missing != "" {
			continue
		}
		fmt.Fprintf(w, "%-*s\t", width, row.name) // names to the left, figures to the right
		for i, v := range row.values {
			fmt.Fprint(w, figures[i].show(v), "\t")
		}
		fmt.Fprintln(w)
	}
	w.Flush() // never fails: a Builder takes everything
	return text.String()
}

func (r *report) notRun(part, name string, reason notRun) {
	r.line(map[string]any{"part": part, "case": name, "not_run": string(reason)})
	r.print("%s\n", strings.Join(strings.Fields(part+" "+name), " ")+": "+reason.Error())
}

// machine says where the figures are from.
func (r *report) machine(cpus int, short bool) {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // empty elsewhere than on Linux
	load, _ := os.ReadFile("/proc/loadavg")
	release := strings.TrimSpace(string(kernel))
	before, _, _ := strings.Cut(string(load), " ")
	r.line(map[string]any{
		"part": "machine", "time": time.Now().UTC().Format(time.RFC3339), "system": runtime.GOOS + "/" + runtime.GOARCH,
		"kernel": release, "cpus": cpus, "load_before": before, "go": runtime.Version(), "short": short,
	})
	r.print("%s/%s %s, %d CPUs, load average before %s, %s\n", runtime.GOOS, runtime.GOARCH, release, cpus, before, runtime.Version())
	if short {
		r.print("a short run: it shows that all works, but no figures to rely on\n")
	}
}

func (r *report) line(v map[string]any) {
	if r.json == nil {
		return
	}
	b, err := json.Marshal(v)
	r.keep(err)
	_, err = r.json.Write(append(b, '\n'))
	r.keep(err)
}

func (r *report) print(format string, args ...any) {
	if r.text != nil {
		_, err := fmt.Fprintf(r.text, format, args...)
		r.keep(err)
	}
}

func (r *report) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

// quantile is by nearest rank: the smallest value that at least q of all are
// not above.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(q * float64(len(sorted)))
	if float64(rank) < q*float64(len(sorted)) {
		rank++
	}
	return sorted[max(rank, 1)-1]
}

// median of an even number of values is the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func showCount(v float64) string   { return strconv.FormatFloat(v, 'f', 0, 64) }
func showRatio(v float64) string   { return strconv.FormatFloat(v, 'f', 3, 64) }
func showPercent(v float64) string { return strconv.FormatFloat(100*v, 'f', 0, 64) + " %" }
func showSeconds(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + " s" }

// showNs shows nanoseconds with three significant digits or more, and a unit.
func showNs(v float64) string {
	unit := "ns"
	for _, u := range []string{"µs", "ms", "s"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, u
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + unit
}
