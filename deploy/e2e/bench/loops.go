package main

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// loopPackages have the inner loops: what is done for each packet.
var loopPackages = []string{
	"./services/reflector/internal/reflector",
	"./services/prober/internal/prober",
	"./services/prober/internal/stats",
	"./shared/stamp",
	"./shared/udp",
}

// loops runs the micro-benchmarks.
func (b *bench) loops(ctx context.Context) error {
	args := append([]string{
		"test", "-run", "^$", "-bench", ".", "-benchmem",
		"-count", strconv.Itoa(b.scaled(5, 1)), "-benchtime", strconv.Itoa(b.scaled(100, 10)) + "ms",
	}, loopPackages...)
	out, _, err := output(ctx, nil, "go", args...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	rows, err := loopRows(string(out))
	if err != nil {
		return err
	}
	b.rep.table("loops", "Go benchmarks of what is done for each packet", []figure{
		{"ns_per_op", "median", showNs},
		{"least_ns_per_op", "least", showNs},
		{"most_ns_per_op", "most", showNs},
		{"bytes_per_op", "B/op", showCount},
		{"allocs_per_op", "allocs/op", showCount},
	}, rows)
	return nil
}

var benchLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op\s+(\d+) B/op\s+(\d+) allocs/op$`)

// loopRows sums up what go test -bench -count printed.
func loopRows(out string) ([]row, error) {
	var names []string
	type runs struct{ ns, bytes, allocs []float64 }
	of := map[string]*runs{}
	pkg := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if p, ok := strings.CutPrefix(line, "pkg: "); ok {
			pkg = path.Base(p)
			continue
		}
		m := benchLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := pkg + " " + m[1]
		if of[name] == nil {
			of[name] = new(runs)
			names = append(names, name)
		}
		for i, to := range []*[]float64{&of[name].ns, &of[name].bytes, &of[name].allocs} {
			v, err := strconv.ParseFloat(m[2+i], 64)
			if err != nil {
				return nil, fmt.Errorf("benchmark %q: %w", line, err)
			}
			*to = append(*to, v)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no benchmark in: %s", out)
	}
	var rows []row
	for _, name := range names {
		r := of[name]
		rows = append(rows, row{name: name, values: []float64{
			median(r.ns), slices.Min(r.ns), slices.Max(r.ns), slices.Max(r.bytes), slices.Max(r.allocs),
		}})
	}
	return rows, nil
}
