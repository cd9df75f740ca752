package metrics

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const (
	rulesFile  = root + "/deploy/prometheus/rules.yml"
	dashboards = root + "/deploy/grafana/dashboards"
)

// query is one that a file holds.
type query struct {
	where, text string
	spoken      string // what is said of its result, which may name labels
}

// rules are the queries of the rules file, and the names that it records.
func rules(t *testing.T) (list []query, recorded []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Record, Alert, Expr string
				Annotations         map[string]string
			}
		}
	}
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			list = append(list, query{"rule " + r.Record + r.Alert, r.Expr, strings.Join(slices.Collect(maps.Values(r.Annotations)), " ")})
			if r.Record != "" {
				recorded = append(recorded, r.Record)
			}
		}
	}
	return list, recorded
}

// variable matches what Grafana puts in: durations, and chosen values.
var variable = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "5m", "$__range", "1h")

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// panels are the queries of a dashboard.
func panels(t *testing.T, file string) (list []query) {
	t.Helper()
	var board struct {
		UID        string
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || len(board.Panels) == 0 {
		t.Errorf("%s: no uid, or no panels", file)
	}
	for _, v := range board.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("%s: variable %s asks for %q", file, v.Name, v.Definition)
			continue
		}
		list = append(list, query{file + " variable " + v.Name, fmt.Sprintf("count by (%s) (%s)", m[2], m[1]), ""})
	}
	for _, p := range board.Panels {
		for _, x := range p.Targets {
			list = append(list, query{file + " " + p.Title, x.Expr, x.LegendFormat})
		}
	}
	return list
}

// known is what there is to ask for: the labels of each metric.
type known struct {
	labels map[string][]string
	native map[string]bool
}

// always are the labels that Prometheus puts on each metric.
var always = []string{"job", "instance"}

func knownTo(t *testing.T, recorded []string) known {
	t.Helper()
	k := known{labels: map[string][]string{"up": always}, native: map[string]bool{}}
	for name, f := range together(t) {
		k.labels[name] = slices.Clone(always)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				k.labels[name] = append(k.labels[name], l.GetName())
			}
		}
		k.native[name] = kind(f) == "native histogram"
	}
	for _, name := range recorded {
		k.labels[name] = []string{"prober", "target", "address"}
	}
	return k
}

// faults says what is wrong with a query.
func (k known) faults(q query) (list []string) {
	p := parser.NewParser(parser.Options{})
	expr, err := p.ParseExpr(variable.Replace(q.text))
	if err != nil {
		return []string{err.Error()}
	}
	fault := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	asked := k.asked(expr, fault)
	carries := func(what string, names []string) {
		for _, n := range names {
			if !slices.Contains(asked, n) {
				fault("%s names the label %s, which none of its metrics has", what, n)
			}
		}
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			carries("by", n.Grouping)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				carries("on", n.VectorMatching.MatchingLabels)
			}
		case *parser.Call:
			if n.Func.Name == "histogram_quantile" && !k.holdsNative(n) {
				fault("histogram_quantile of what is no native histogram")
			}
		}
		return nil
	})
	for _, m := range regexp.MustCompile(`\$labels\.(\w+)|\{\{(\w+)\}\}`).FindAllStringSubmatch(q.spoken, -1) {
		carries("its text", []string{m[1] + m[2]})
	}
	return list
}

// asked are the labels of the metrics that an expression asks for.
func (k known) asked(expr parser.Expr, fault func(string, ...any)) (names []string) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		has, ok := k.labels[s.Name]
		if !ok {
			fault("there is no metric %s", s.Name)
			return nil
		}
		for _, m := range s.LabelMatchers {
			if m.Name != model.MetricNameLabel && !slices.Contains(has, m.Name) {
				fault("%s has no label %s", s.Name, m.Name)
			}
		}
		names = append(names, has...)
		return nil
	})
	return names
}

// holdsNative tells whether an expression asks for native histograms alone.
func (k known) holdsNative(expr parser.Expr) bool {
	all := true
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			all = all && k.native[s.Name]
		}
		return nil
	})
	return all
}

// Rules and dashboards ask for nothing that there is not.
func TestQueriesNameWhatThereIs(t *testing.T) {
	list, recorded := rules(t)
	files, err := filepath.Glob(dashboards + "/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("dashboards %v (%v)", files, err)
	}
	for _, f := range files {
		list = append(list, panels(t, f)...)
	}
	k := knownTo(t, recorded)
	for _, q := range list {
		for _, f := range k.faults(q) {
			t.Errorf("%s: %s\n\t%s", q.where, f, q.text)
		}
	}
}

// The test above finds what it is there for.
func TestFaultsAreFound(t *testing.T) {
	k := knownTo(t, nil)
	for text, want := range map[string]string{
		"twamp_ready ==":                                    "parse error",
		"rate(twamp_no_such_total[5m])":                     "no metric twamp_no_such_total",
		`twamp_path_hops{colour="red"}`:                     "has no label colour",
		"sum by (reason) (twamp_ready)":                     "label reason",
		"twamp_ready * on (target) twamp_ready":             "label target",
		"histogram_quantile(0.5, twamp_path_reports_total)": "no native histogram",
	} {
		if got := strings.Join(k.faults(query{text: text}), "; "); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := k.faults(query{text: "twamp_ready == 0", spoken: "{{ $labels.target }}"}); len(got) != 1 {
		t.Errorf("a text that names no label of its metric: %q", got)
	}
}
