package metrics

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// group is a part of the table.
type group struct {
	title    string
	prefixes []string // of its metrics
}

// groups are all parts; a metric is of the first that fits.
var groups = []group{
	{"Every service", []string{"twamp_build_info", "twamp_ready"}},
	{"Every service with -nats-url", []string{"twamp_bus_", "twamp_outbox_"}},
	{"Paths: logger, and prober with -continuous", []string{"twamp_path"}},
	{"Reflector", []string{"twamp_reflector_"}},
	{"Prober", []string{"twamp_prober_"}},
	{"Logger", []string{"twamp_logger_"}},
}

// free are labels whose values are not ours to list.
var free = []string{"prober", "target", "address", "service", "version", "goversion"}

// own tells whether a metric is of this project.
func own(name string) bool { return strings.HasPrefix(name, "twamp_") }

// table lists metrics in Markdown, and those that belong to no group.
func table(all map[string]*dto.MetricFamily) (text string, homeless []string) {
	of := make([][]string, len(groups))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		i := slices.IndexFunc(groups, func(g group) bool {
			return slices.ContainsFunc(g.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		})
		switch {
		case i >= 0:
			of[i] = append(of[i], name)
		case own(name):
			homeless = append(homeless, name)
		}
	}
	var b strings.Builder
	for i, g := range groups {
		fmt.Fprintf(&b, "### %s\n\n| Metric | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n", g.title)
		for _, name := range of[i] {
			f := all[name]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, kind(f), unit(name), labels(f), f.GetHelp())
		}
		b.WriteByte('\n')
	}
	return b.String(), homeless
}

func kind(f *dto.MetricFamily) string {
	if f.GetType() == dto.MetricType_HISTOGRAM && f.GetMetric()[0].GetHistogram().Schema != nil {
		return "native histogram"
	}
	return strings.ToLower(f.GetType().String())
}

// unit reads it from the name, which Prometheus wants it to be in.
func unit(name string) string {
	name = strings.TrimSuffix(name, "_total")
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix time"
	case strings.HasSuffix(name, "_seconds"):
		return "seconds"
	case strings.HasSuffix(name, "_bytes"), strings.Contains(name, "_bytes_"):
		return "octets"
	}
	return ""
}

// labels are those of a metric, with their values where these are few.
func labels(f *dto.MetricFamily) string {
	values := map[string][]string{}
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			n := l.GetName()
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
			if !slices.Contains(values[n], l.GetValue()) {
				values[n] = append(values[n], l.GetValue())
			}
		}
	}
	for i, n := range names {
		names[i] = "`" + n + "`"
		if !slices.Contains(free, n) {
			slices.Sort(values[n])
			names[i] += ": " + strings.Join(values[n], ", ")
		}
	}
	return strings.Join(names, "; ")
}
