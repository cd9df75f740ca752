package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// A crossed limit is the exit code of a test that is fine else, and stderr says
// which one it was.
func TestFailOn(t *testing.T) {
	t.Parallel()
	r := respond(t, "::1")
	for limits, want := range map[string]int{
		"loss>1%,rtt_p99>50s,duplicates>0,hops_backward_max>12,lost_forward>=3": service.ExitOK,
		"loss>1%,rtt_p99>0s,received>=5":                                        service.ExitThreshold,
	} {
		exit, stdout, stderr := once(t, []string{"TWAMP_FAIL_ON=" + limits}, "-json", "-count", "5", "-interval", "1ms", "-log-format", "json", r.at.String())
		if exit != want || len(reports(t, stdout)) != 1 {
			t.Errorf("%s: exit %d, want %d: %s", limits, exit, want, stdout)
		}
		var crossed []string
		for line := range strings.Lines(stderr) {
			if c := crossedLimit(t, line); c.Figure != "" {
				crossed = append(crossed, c.Figure+c.Limit)
				if c.Level != "WARN" || c.Value == "" || c.Target != r.at.String() {
					t.Errorf("%s: %s", limits, line)
				}
			}
		}
		if got := strings.Join(crossed, " "); (want == service.ExitOK && got != "") || (want != service.ExitOK && got != "rtt_p99>0s received>=5") {
			t.Errorf("%s: crossed %q", limits, got)
		}
	}
}

// crossed is what stderr says of a limit.
type crossed struct{ Level, Figure, Value, Limit, Target string }

func crossedLimit(t *testing.T, line string) (c crossed) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return c
}

// Before a limit comes that nobody answered at all; but one target that does
// not answer is a crossed limit if another one does.
func TestFailOnWithoutReplies(t *testing.T) {
	t.Parallel()
	silent := occupied(t, "[::1]:0")
	args := []string{"-fail-on", "loss>=100%", "-count", "2", "-interval", "1ms", "-timeout", "50ms", silent}
	if exit, _, stderr := once(t, nil, args...); exit != service.ExitNoReply || !strings.Contains(stderr, "loss") {
		t.Errorf("one target: exit %d, %s", exit, stderr)
	}
	if exit, _, stderr := once(t, nil, append(args, respond(t, "::1").at.String())...); exit != service.ExitThreshold {
		t.Errorf("two targets: exit %d, %s", exit, stderr)
	}
}

// A continuous test says so for each report, and goes on; its end by a signal
// is a good one.
func TestFailOnContinuous(t *testing.T) {
	t.Parallel()
	r := respond(t, "::1")
	i := launch(t, "-continuous", "-json", "-report-interval", "1s", "-interval", "100ms", "-timeout", "100ms", "-fail-on", "loss<1%", r.at.String())
	i.line(i.stdout)
	i.signalled(syscall.SIGTERM, service.ExitOK)
	n := 0
	for line := range i.stderr {
		if c := crossedLimit(t, line); c.Figure == "loss" && c.Value == "0%" {
			n++
		}
	}
	if n < 1 {
		t.Error("nothing is said of the limit")
	}
}

func TestLimitsAndSamplesAreChecked(t *testing.T) {
	t.Parallel()
	exit, _, stderr := once(t, nil, "-fail-on", "los>1%,rtt_p99>50", "-samples", "3001", "[::1]:862")
	for _, want := range []string{"TWAMP_FAIL_ON (-fail-on) ", `"los"`, "duplicates", "rtt_p99 needs a time", "TWAMP_SAMPLES (-samples) must be from 0 to 3000"} {
		if exit != service.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("exit %d, and stderr lacks %q: %s", exit, want, stderr)
		}
	}
}

// The first packets are listed one by one, and those beyond are counted.
func TestSamples(t *testing.T) {
	t.Parallel()
	r := respond(t, "::1")
	_, stdout, _ := once(t, nil, "-json", "-count", "5", "-interval", "1ms", "-samples", "3", r.at.String())
	e := reports(t, stdout)[0]
	if len(e.Samples) != 3 || e.SamplesCut != 2 {
		t.Fatalf("%d samples, %d cut: %s", len(e.Samples), e.SamplesCut, stdout)
	}
	for n, x := range e.Samples {
		if x.Sequence != uint32(n) || x.State != events.SampleReceived || x.TTL == nil || x.SenderTTL == nil || x.Sent.Before(e.Report.Start) ||
			x.RTTNs == nil || *x.RTTNs != *x.ForwardNs+*x.BackwardNs || *x.RTTNs < e.RTT.MinNs || *x.RTTNs > e.RTT.MaxNs {
			t.Errorf("sample %d: %+v", n, x)
		}
	}
	if _, stdout, _ = once(t, nil, "-json", "-count", "1", r.at.String()); strings.Contains(stdout, "samples") {
		t.Errorf("nobody asked for samples: %s", stdout)
	}
}
