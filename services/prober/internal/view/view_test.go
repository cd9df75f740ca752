package view

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew)\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

// narrow finds lines that a terminal would break.
func narrow(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("this line is %d columns wide: %s", n, line)
		}
	}
}

// show lets a view report, and returns what it wrote.
func show(opt Options, all ...*events.RTT) string {
	var b bytes.Buffer
	v := New(&b, opt)
	v.Begun(all[0])
	for _, e := range all {
		v.Report(e)
	}
	return b.String()
}

// burst is a result without anything special.
func burst() *events.RTT {
	end := time.Date(2026, 2, 3, 14, 5, 6, 0, time.Local)
	return &events.RTT{
		Prober:  "p1",
		Target:  events.Target{Name: "reflector.example", Host: "reflector.example", Address: netip.MustParseAddrPort("[2001:db8::1]:862")},
		Session: events.Session{SSID: 7, Mode: "stamp", IntervalNs: 100_000_000, TimeoutNs: 2_000_000_000, Size: 67, Schedule: "periodic", Timestamp: "ntp"},
		Report:  events.Report{Kind: events.ReportRun, Start: end.Add(-time.Second), End: end},
		Planned: 10, Sent: 10, Received: 10,
		RTT:     delay(9_980_000, 10_310_000),
		Forward: &events.OneWay{Delay: *delay(5_010_000, 5_120_000), Valid: true}, Backward: &events.OneWay{Delay: *delay(4_970_000, 5_200_000), Valid: true},
		Processing:  delay(12_340, 1_234_567),
		HopsForward: &events.Hops{Min: 5, Max: 5, Last: 5}, HopsBackward: &events.Hops{Min: 6, Max: 6, Last: 6},
		ICMP: []events.ICMP{}, Health: events.Health{Reasons: []string{}},
	}
}

func delay(least, most int64) *events.Delay {
	mean := least + (most-least)/2
	return &events.Delay{
		Distribution:    events.Distribution{MinNs: least, MeanNs: mean, P50Ns: mean, P99Ns: most, MaxNs: most, N: 10},
		JitterRFC3550Ns: 41_210,
	}
}

// lossy has losses in both directions.
func lossy() *events.RTT {
	e := burst()
	e.Received, e.Lost = 7, 3
	e.LostForward, e.LostBackward, e.LostUnresolved = new(uint64(2)), new(uint64(1)), new(uint64(0))
	return e
}

// silent is a target that does not answer, but a router does.
func silent() *events.RTT {
	e := burst()
	e.Target = events.Target{Name: "192.0.2.1:862", Host: "192.0.2.1", Address: netip.MustParseAddrPort("192.0.2.1:862")}
	e.Session.Mode = "light"
	e.Received, e.Lost = 0, 10
	e.RTT, e.Forward, e.Backward, e.Processing, e.HopsForward, e.HopsBackward = nil, nil, nil, nil, nil, nil
	e.ICMP = []events.ICMP{{From: netip.MustParseAddr("198.51.100.1"), Type: 3, Code: 1, Text: "host unreachable", Count: 10}}
	return e
}

// wide has all that a summary can say, and says it at length: names and
// addresses as long as they come, a reflector's clock that was never set.
func wide() *events.RTT {
	e := lossy()
	e.Target.Name = strings.Repeat("röhre-", 40) + ".example"
	e.Target.Address = netip.MustParseAddrPort("[2001:db8:1234:5678:9abc:def0:1234:5678]:18620")
	e.Session.IntervalNs, e.Session.Size = 123_456_789, 65_507
	e.Planned, e.Sent, e.Received, e.Late, e.Lost = 42_000_000, 36_000_000, 34_999_997, 1_000_000, 3
	e.Duplicates, e.Reordered, e.Unexpected, e.Implausible, e.SendErrors = 2, 3_000_000, 4, 5, 6_000_000
	e.Forward = &events.OneWay{Delay: *delay(-1_798_761_600_123_456_789, -1_798_761_600_000_000_000)}
	e.Backward = &events.OneWay{Delay: *delay(12_345_000_000_000, 1_798_761_600_123_456_789)}
	e.Processing = delay(-999_960, 999_960_000_000)
	e.Marking = events.Marking{SentDSCP: 46, ReturnedDSCP: new(uint8(0)), Remarked: 34_999_997}
	e.ICMP = []events.ICMP{{
		From: netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:9999"), Type: 1, Code: 6, Text: "reject route to destination", Count: 1_234_567,
	}}
	e.Health = events.Health{Suspect: true, Reasons: []string{
		"packets were sent late, in the 99th percentile by 12.345678ms",
		"this process was denied the CPU for 1h12m34.123456789s by its cgroup, and then again and again",
	}}
	return e
}

func TestSummary(t *testing.T) {
	for name, e := range map[string]*events.RTT{"loss": lossy(), "silent": silent(), "wide": wide()} {
		got := show(Options{}, e)
		golden(t, name+".txt", got)
		narrow(t, got)
	}
}

func TestContinuous(t *testing.T) {
	got := show(Options{Continuous: true}, burst(), lossy(), silent(), wide())
	golden(t, "continuous.txt", got)
	narrow(t, got)
}

// JSON is a line for each report, and nothing else: no announcement, no
// replies.
func TestJSON(t *testing.T) {
	e := wide()
	e.Report.Start, e.Report.End = time.Date(2026, 2, 3, 14, 5, 5, 1, time.UTC), time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC)
	for _, continuous := range []bool{false, true} {
		got := show(Options{JSON: true, Terminal: true, Continuous: continuous}, e, e)
		one, two, _ := strings.Cut(got, "\n")
		if two != one+"\n" {
			t.Errorf("these are not two equal lines:\n%s", got)
		}
		golden(t, "report.json", one+"\n")
		var back events.RTT
		if err := json.Unmarshal([]byte(one), &back); err != nil || !reflect.DeepEqual(&back, e) {
			t.Errorf("read back (%v):\n%+v", err, back)
		}
	}
}

func replies() []prober.Reply {
	near, far := &burst().Target, &wide().Target
	return []prober.Reply{
		{Target: near, Number: 0, Size: 67, RTT: 9_980_000, Known: true, Hops: 5},
		{Target: near, Number: 1, Size: 67, RTT: 1_234_567_890, Known: true, Hops: -1},
		{Target: near, Number: 1, Size: 67, RTT: 10_000_000, Known: true, Hops: 5, Duplicate: true},
		{Target: near, Number: 2, Size: 44, Hops: 5},
		{Target: near, Number: 3, Size: 67, RTT: 2_100_000_000, Known: true, Hops: 5, Late: true},
		{Target: far, Number: 9, Size: 67, RTT: 12_340_000, Known: true, Hops: 12},
		{Target: far, Number: 1<<64 - 1, Size: 65_507, RTT: 12_340_000, Known: true, Hops: 255, Late: true, Duplicate: true},
	}
}

// Replies stand before the summary, in their order, whether Run has written
// them or not.
func TestReplies(t *testing.T) {
	var b bytes.Buffer
	v := New(&b, Options{Terminal: true})
	e := burst()
	v.Begun(e)
	seen, all := v.Seen(), replies()
	ctx, end := context.WithCancel(t.Context())
	end()
	for i, r := range all {
		if seen(r); i == 2 { // Run writes what it has when it ends
			if err := v.Run(ctx); err != nil {
				t.Error(err)
			}
			if got := strings.Count(b.String(), "seq="); got != 3 {
				t.Errorf("Run ends with %d of 3 replies written", got)
			}
		}
	}
	v.Report(e)
	golden(t, "replies.txt", b.String())
	narrow(t, b.String())
}

// Run writes a reply when it comes.
func TestRun(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	lines := make(lines)
	v := New(lines, Options{Terminal: true})
	ended := make(chan error)
	go func() { ended <- v.Run(ctx) }()
	for _, r := range replies()[:2] {
		v.Seen()(r)
		if got, want := <-lines, replyLine(&r, 0); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestNobodyWatches(t *testing.T) {
	for _, opt := range []Options{{}, {Terminal: true, JSON: true}, {Terminal: true, Quiet: true}, {Terminal: true, Continuous: true}} {
		if New(nil, opt).Seen() != nil {
			t.Errorf("%+v takes replies", opt)
		}
	}
}

// A terminal that does not read must not hold up the packets.
func TestSeenDoesNotWait(t *testing.T) {
	seen := New(nil, Options{Terminal: true}).Seen()
	for range linesPending + 1 {
		seen(prober.Reply{})
	}
}

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0 ns", -999: "-999 ns", 1000: "1 µs", 12_344: "12.34 µs", 999_960: "1000 µs", -1_234_567: "-1.235 ms", 86_399_000_000_000: "86399 s",
		86_400_000_000_000: "1 d", -1 << 63: "-106752 d", 1<<63 - 1: "106752 d",
	} {
		if got := duration(ns); got != want || utf8.RuneCountInString(got) > 9 {
			t.Errorf("%d is %q, want %q", ns, got, want)
		}
	}
}

// A name is cut only where a line would be too wide for it.
func TestWhere(t *testing.T) {
	for cut, room := 0, whereWidth-len(" ([2001:db8::1]:862)"); cut < 2; cut++ {
		target := burst().Target
		target.Name = strings.Repeat("ö", room+cut)
		got := where(&target)
		if n := utf8.RuneCountInString(got); n != whereWidth || strings.Contains(got, "…") != (cut > 0) {
			t.Errorf("%d columns: %s", n, got)
		}
	}
}

func TestFold(t *testing.T) {
	long, exact := strings.Repeat("x", 90), strings.Repeat("ä", 80)
	for text, want := range map[string]string{
		"":                                      "",
		"a\n\nb\n":                              "a\n\nb\n",
		exact + "\n":                            exact + "\n",
		exact[2:] + " b\n":                      exact[2:] + "\n  b\n",
		exact + " b\n":                          exact + "\n  b\n",
		long + "\n":                             long + "\n", // one word
		"a " + long + "\n":                      "a " + long + "\n",
		"abc " + long + "\n":                    "abc\n  " + long + "\n",
		exact[:100] + ", c " + exact:            exact[:100] + ",\n  c\n  " + exact,
		strings.Repeat("word ", 40):             strings.Repeat("word ", 15) + "word\n  " + strings.Repeat("word ", 14) + "word\n  " + strings.Repeat("word ", 9),
		"a: " + strings.Repeat("b ", 40) + "\n": "a: " + strings.TrimSpace(strings.Repeat("b ", 39)) + "\n  b \n",
	} {
		if got := fold(text); got != want {
			t.Errorf("%q is folded to\n%s\nand not to\n%s", text, got, want)
		}
	}
}
