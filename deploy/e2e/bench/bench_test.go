package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tinytwamp/shared/events"
)

func TestParseCPUs(t *testing.T) {
	for text, want := range map[string][]int{"0": {0}, "0-2,5": {0, 1, 2, 5}, "1,3": {1, 3}, "": nil, "x": nil, "1-": nil} {
		got, err := parseCPUs(text)
		if !slices.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	if got := list([]int{0, 2, 13}); got != "0,2,13" {
		t.Errorf("list is %q", got)
	}
}

func TestQuantiles(t *testing.T) {
	var values []float64
	for n := 100; n >= 1; n-- {
		values = append(values, float64(n))
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 0.991: 100, 1: 100} {
		if got := quantile(values, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := median(values); got != 50.5 {
		t.Errorf("median is %v, want 50.5", got)
	}
	if got := median(values[:3]); got != 99 {
		t.Errorf("median of three is %v, want 99", got)
	}
}

func TestLatenessOfAll(t *testing.T) {
	var l lateness
	l.add(nil)
	l.add(&events.Distribution{P50Ns: 1, P90Ns: 2, P95Ns: 3, P99Ns: 4, P999Ns: 5, MaxNs: 6, N: 100})
	l.add(&events.Distribution{P50Ns: 10, P90Ns: 20, P95Ns: 30, P99Ns: 40, P999Ns: 50, MaxNs: 60, N: 100})
	for q, want := range map[float64]float64{0.25: 1, 0.5: 6, 0.75: 10, 0.95: 20, 0.99: 40, 1: 60} {
		if got := l.atMost(q); got != want {
			t.Errorf("quantile %v is at most %v, want %v", q, got, want)
		}
	}
}

func TestLoopRows(t *testing.T) {
	rows, err := loopRows(`goos: linux
pkg: tinytwamp/shared/stamp
BenchmarkTimestamp/ntp-2         	 1657984	         7.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkTimestamp/ntp-2         	 1657984	         9 ns/op	       2 B/op	       1 allocs/op
BenchmarkTimestamp/ntp-2         	 1657984	         7 ns/op	       0 B/op	       0 allocs/op
pkg: tinytwamp/shared/udp
BenchmarkListen 	     216	     54630 ns/op	    5681 B/op	      21 allocs/op
PASS
`)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v; want two rows", rows, err)
	}
	if r := rows[0]; r.name != "stamp Timestamp/ntp" || !slices.Equal(r.values, []float64{7.5, 7, 9, 2, 1}) {
		t.Errorf("first row is %v", r)
	}
	if r := rows[1]; r.name != "udp Listen" || !slices.Equal(r.values, []float64{54630, 54630, 54630, 5681, 21}) {
		t.Errorf("second row is %v", r)
	}
	if _, err := loopRows("PASS\n"); err == nil {
		t.Error("no benchmark is no error")
	}
}

func TestIrttValues(t *testing.T) {
	packet := func(lost, sent, rtt string) string {
		return `{"lost":"` + lost + `","timestamps":{"client":{"send":{"wall":1,"monotonic":` + sent + `}}},"delay":{"rtt":` + rtt + `}}`
	}
	// Packets 10 ms apart: the second is the earliest, the others 5 and 7 ns late.
	got, err := irttValues([]byte(`{"round_trips":[` + strings.Join([]string{
		packet("false", "1005", "300"), packet("false", "10001000", "100"), packet("true", "20001007", "0"),
	}, ",") + `]}`))
	if want := []float64{100, 300, 300, 5, 7, 7, 3, 2}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := irttValues([]byte(`{"round_trips":[]}`)); err == nil {
		t.Error("no reply is no error")
	}
}

// A part that cannot run, or fails, keeps no other from running.
func TestAll(t *testing.T) {
	var text, lines bytes.Buffer
	b := &bench{cpus: []int{0}, rep: &report{text: &text, json: &lines}}
	measured := func(b *bench, _ context.Context) error {
		b.rep.table("good", "title", []figure{{"x_ns", "x", showNs}}, []row{
			{name: "a", values: []float64{1500}}, {name: "b", missing: "no b"},
		})
		return nil
	}
	err := b.all(t.Context(), []part{
		{"throughput", (*bench).throughput},
		{"bad", func(*bench, context.Context) error { return context.DeadlineExceeded }},
		{"good", measured},
	})
	if err == nil || !strings.HasPrefix(err.Error(), "bad: ") {
		t.Errorf("error is %v, want that of the bad part", err)
	}
	for _, want := range []string{"throughput: NOT RUN: needs two CPUs", "good: title\n          x\n  a  1.5 µs\n", "good b: NOT RUN: no b\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &text)
		}
	}
	var got []string
	for line := range strings.Lines(lines.String()) {
		v := map[string]any{}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		if v["part"] != "machine" {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if len(got) != 3 || got[1] != `{"case":"a","part":"good","x_ns":1500}` || got[2] != `{"case":"b","not_run":"no b","part":"good"}` {
		t.Errorf("JSON is %q", got)
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose([]string{"loops", "rate"}); err != nil || len(got) != 2 || got[0].name != "rate" {
		t.Errorf("%v, %v; want rate and loops, in their order", got, err)
	}
	if _, err := choose([]string{"nothing"}); err == nil {
		t.Error("a part that is not there is no error")
	}
}
