package threshold

import (
	"encoding/json"
	"strings"
	"testing"

	"tinytwamp/shared/events"
)

// report is one of 200 packets, of which some were lost and one was late.
func report() *events.RTT {
	delay := func(ms int64) events.Delay {
		spread := func(ms int64) events.Distribution {
			return events.Distribution{MinNs: ms * 1e6, MeanNs: ms*1e6 + 1, StddevNs: 5, P50Ns: 6, P90Ns: 7, P95Ns: 8, P99Ns: ms * 3e6, P999Ns: 9, MaxNs: ms * 4e6}
		}
		ipdv, pdv := spread(-ms), spread(2*ms)
		return events.Delay{Distribution: spread(ms), IPDV: &ipdv, PDV: &pdv, JitterRFC3550Ns: 1500, P95P50Ns: 2}
	}
	rtt, processing := delay(20), delay(1)
	return &events.RTT{
		Planned: 201, Sent: 200, Received: 196, Late: 1, Lost: 3, SendErrors: 1,
		LostForward: new(uint64(2)), LostBackward: new(uint64(0)),
		Duplicates: 2, Marking: events.Marking{Remarked: 50},
		RTT: &rtt, Processing: &processing, Forward: &events.OneWay{Delay: delay(-5)},
		HopsBackward: &events.Hops{Min: 11, Max: 13, Last: 12, Changes: 2},
		ICMP:         []events.ICMP{{Count: 2}, {Count: 3}},
		Clock:        events.Clock{ReflectorErrorNs: new(int64(1000))},
	}
}

func TestCrossed(t *testing.T) {
	tests := []struct {
		rule, value string
		want        bool
	}{
		{"loss>1%", "2%", true},
		{"loss>2%", "2%", false},
		{"loss >= 2 %", "2%", true},
		{"loss>=4", "4", true},
		{"loss>4", "4", false},
		{"lost=3", "3", true},
		{"lost>=1.5%", "1.5%", true},
		{"late<=0.5%", "0.5%", true},
		{"loss_forward>0.9%", "1%", true},
		{"lost_forward>=3", "2", false},
		{"lost_backward>0", "0", false},
		{"received<98%", "98%", false},
		{"received<98.1%", "98%", true},
		{"duplicates>0", "2", true},
		{"reordered>0%", "0%", false},
		{"remarked>=25%", "25%", true},
		{"send_errors>0", "1", true},
		{"icmp=5", "5", true},
		{"rtt_p99>50ms", "60ms", true},
		{"rtt_p99>60ms", "60ms", false},
		{"rtt_p99>=60ms", "60ms", true},
		{"rtt_mean>20ms", "20.000001ms", true},
		{"rtt_ipdv_min<-19ms", "-20ms", true},
		{"rtt_pdv_max>159ms", "160ms", true},
		{"rtt_jitter>1us", "1.5µs", true},
		{"rtt_p95_p50>0", "2ns", true},
		{"processing_max>4ms", "4ms", false},
		{"forward_min<0s", "-5ms", true},
		{"hops_backward_max>12", "13", true},
		{"hops_backward_last=12", "12", true},
		{"hops_backward_changes>1", "2", true},
		{"reflector_error>1us", "1µs", false},
	}
	for _, tt := range tests {
		rules, err := Parse(tt.rule)
		if err != nil || len(rules) != 1 {
			t.Errorf("%s: %v, %v", tt.rule, rules, err)
			continue
		}
		if value, crossed := rules[0].Crossed(report()); value != tt.value || crossed != tt.want {
			t.Errorf("%s: %v with %q, want %v with %q", tt.rule, crossed, value, tt.want, tt.value)
		}
	}
}

// What a report does not know crosses no limit, however it is put; but that
// nothing came back in time is loss.
func TestUnknownCrossesNothing(t *testing.T) {
	reports := map[string]*events.RTT{
		"no reply":     {Planned: 10, Sent: 10, Lost: 10},
		"all late":     {Planned: 10, Sent: 10, Late: 10},
		"nothing sent": {Planned: 10, SendErrors: 10},
		"no packet":    {}, // an interval shorter than the time between packets
	}
	for name, e := range reports {
		for _, figure := range []string{"rtt_p50", "forward_max", "backward_ipdv_min", "processing_jitter", "rtt_p95_p50", "lateness_p99", "reflector_error"} {
			checkNull(t, name, e, figure, "0s")
		}
		for _, figure := range []string{"lost_forward", "loss_backward", "lost_unresolved", "duplicates_forward", "hops_forward_min", "hops_backward_changes"} {
			checkNull(t, name, e, figure, "0")
		}
		rules, err := Parse("loss>=100%")
		if err != nil {
			t.Fatal(err)
		}
		if value, crossed := rules[0].Crossed(e); crossed != (e.Planned > 0) {
			t.Errorf("%s: loss is %q", name, value)
		}
	}
	checkNull(t, "nothing sent", reports["nothing sent"], "received", "0%")
}

func checkNull(t *testing.T, name string, e *events.RTT, figure, limit string) {
	t.Helper()
	rules, err := Parse(figure + ">=" + limit + "," + figure + "<=" + limit)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if value, crossed := r.Crossed(e); crossed || value != "" {
			t.Errorf("%s: %v is crossed with %q", name, r, value)
		}
	}
}

func TestParse(t *testing.T) {
	rules, err := Parse(" loss > 1%, rtt_p99>=50ms ,, duplicates=0,")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rules {
		got = append(got, r.String())
	}
	if s := strings.Join(got, " "); s != "loss>1% rtt_p99>=50ms duplicates=0" {
		t.Errorf("read %q", s)
	}
	if rules, err := Parse(""); rules != nil || err != nil {
		t.Errorf("nothing is %v, %v", rules, err)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"loss":                  "no operator",
		">1%":                   `unknown figure ""`,
		"rtt>50ms":              `unknown figure "rtt"; figures are loss, `,
		"rtt_p98>50ms":          "rtt_, forward_, backward_, processing_ with min, mean",
		"loss>":                 "loss needs a number of packets, or percent",
		"loss>>1":               `not ">1"`,
		"loss=>1":               `not ">1"`,
		"loss!=1":               `unknown figure "loss!"`,
		"loss>-1":               "percent of those sent",
		"loss>-1%":              "percent of those sent",
		"loss>NaN%":             "percent of those sent",
		"loss>inf%":             "percent of those sent",
		"loss>1.5":              "percent of those sent",
		"loss>50ms":             "percent of those sent",
		"rtt_p99>50":            "rtt_p99 needs a time, such as 500us or 50ms, not \"50\"",
		"rtt_p99>1%":            "rtt_p99 needs a time",
		"hops_backward_max>10%": "hops_backward_max needs a whole number",
		"unexpected>1ms":        "unexpected needs a whole number",
		"x>1,rtt_p99>1":         `unknown figure "x"; rtt_p99 needs`,
	} {
		if rules, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || rules != nil {
			t.Errorf("%s: %v, %v, want an error with %q", text, rules, err, want)
		}
	}
}

// Each figure has a name of its own, and one that an error lists.
func TestFiguresAreListed(t *testing.T) {
	seen := make(map[string]bool)
	list := known()
	for _, f := range figures {
		if seen[f.name] {
			t.Errorf("%s is there twice", f.name)
		}
		seen[f.name] = true
		way, rest, _ := strings.Cut(f.name, "_")
		if !strings.Contains(list, f.name+",") && !strings.Contains(list, f.name+";") &&
			(!strings.Contains(list, way+"_") || !strings.Contains(list, rest[strings.LastIndex(rest, "_")+1:])) {
			t.Errorf("%s is not listed in %q", f.name, list)
		}
	}
}

// Each figure of a report can be named as in its JSON, without _ns and with _
// between the parts.
func TestDelaysAreNamedAsInJSON(t *testing.T) {
	b, err := json.Marshal(report())
	if err != nil {
		t.Fatal(err)
	}
	var data map[string]any
	if err := json.Unmarshal(b, &data); err != nil {
		t.Fatal(err)
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				if k != "histogram" {
					walk(name+"_"+k, x)
				}
			}
		case float64:
			name = strings.Replace(strings.TrimSuffix(name, "_ns"), "jitter_rfc3550", "jitter", 1)
			if strings.HasSuffix(name, "_n") {
				return // the number of packets is no delay
			}
			f := find(name)
			if f == nil {
				t.Errorf("%s is no figure", name)
				return
			}
			if n, ok := f.of(report()); !ok || float64(n) != v {
				t.Errorf("%s is %v, want %v", name, n, v)
			}
		}
	}
	for _, name := range []string{"rtt", "forward", "backward", "processing", "lateness", "hops_backward"} {
		walk(name, data[name])
	}
	for _, name := range []string{"planned", "sent", "received", "late", "lost", "lost_forward", "lost_backward", "duplicates", "send_errors"} {
		walk(name, data[name])
	}
}

// Whatever is accepted can be written and read again, and is true of no report
// together with its opposite.
func FuzzParse(f *testing.F) {
	f.Add("loss>1%,rtt_p99>50ms,duplicates>0,hops_backward_max>12,lost_forward>=3")
	f.Add("loss >= 0x1p-2 %, rtt_ipdv_min<-1h2m,sent=007")
	f.Add("x=,=,<,loss>1e400%")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Parse(text)
		if err != nil {
			return
		}
		for _, r := range rules {
			again, err := Parse(r.String())
			if err != nil || len(again) != 1 || again[0] != r {
				t.Errorf("%q is read as %v, %v", r.String(), again, err)
			}
			opposite := r
			opposite.operator = map[string]string{">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": ">"}[r.operator]
			_, a := r.Crossed(report())
			if _, b := opposite.Crossed(report()); a && b {
				t.Errorf("%v and %v are both crossed", r, opposite)
			}
		}
	})
}
