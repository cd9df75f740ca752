package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// notInteger finds members of JSON that are numbers with a fraction or an
// exponent.
var notInteger = regexp.MustCompile(`"[a-z0-9_]+":-?[0-9]+[.eE]`)

// A burst in each address family: all is answered, and one line of JSON says
// so.
//
// RFC 8762 4-1
func TestBurst(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"::1", "127.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			r := respond(t, host)
			exit, stdout, stderr := once(t, nil, "-json", "-count", "20", "-interval", "2ms", "-ssid", "65535", "-name", "p1", r.at.String())
			if exit != service.ExitOK || strings.Contains(stderr, "ERR") {
				t.Fatalf("exit %d, stderr %s", exit, stderr)
			}
			if strings.Count(stdout, "\n") != 1 || !strings.HasSuffix(stdout, "\n") || notInteger.MatchString(stdout) {
				t.Errorf("this is not one line of integers:\n%s", stdout)
			}
			e := reports(t, stdout)[0]
			if e.Prober != "p1" || e.Target.Address != r.at || e.Session.SSID != 65535 || e.Session.IntervalNs != 2_000_000 || e.Report.Cut {
				t.Errorf("the report is of %+v, %+v, %+v", e.Target, e.Session, e.Report)
			}
			if e.Planned != 20 || e.Sent != 20 || e.Received != 20 || e.Lost+e.Late+e.Duplicates+e.Unexpected+e.Implausible != 0 {
				t.Errorf("%d sent, %d received: %s", e.Sent, e.Received, stdout)
			}
			if d := e.RTT; d == nil || d.N != 20 || d.MinNs <= 0 || d.MinNs > d.P50Ns || d.P50Ns > d.MaxNs {
				t.Errorf("the round-trip time is %+v", d)
			}
			if e.Forward == nil || e.Backward == nil || e.Processing == nil || e.HopsForward == nil || e.HopsForward.Last != 0 {
				t.Errorf("directions are missing in %s", stdout)
			}
		})
	}
}

// Both families in one run: a report for each target, and a summary for a
// person.
func TestSummaries(t *testing.T) {
	t.Parallel()
	v6, v4 := respond(t, "::1"), respond(t, "127.0.0.1")
	exit, stdout, _ := once(t, []string{"TWAMP_TARGETS=" + v4.at.String()}, "-count", "2", "-interval", "1ms", v6.at.String())
	if exit != service.ExitOK {
		t.Errorf("exit %d", exit)
	}
	for _, at := range []netip.AddrPort{v6.at, v4.at} {
		want := fmt.Sprintf("\n--- %v ---\n2 sent, 2 received, 0 lost (0 %%)\n", at)
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

func TestTargetDoesNotAnswer(t *testing.T) {
	t.Parallel()
	exit, stdout, _ := once(t, nil, "-json", "-count", "3", "-interval", "1ms", "-timeout", "50ms", occupied(t, "[::1]:0"))
	if exit != service.ExitNoReply {
		t.Errorf("exit %d", exit)
	}
	for _, want := range []string{`"rtt":null`, `"forward":null`, `"backward":null`, `"processing":null`, `"lost_forward":null`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %s in %s", want, stdout)
		}
	}
	if e := reports(t, stdout)[0]; e.Sent != 3 || e.Lost != 3 || e.Received != 0 {
		t.Errorf("%d sent, %d lost, %d received", e.Sent, e.Lost, e.Received)
	}
}

func TestBadSettingsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"COUNT": "0", "INTERVAL": "1us", "TIMEOUT": "0", "REPORT_INTERVAL": "1ms", "SCHEDULE": "never", "MODE": "owamp",
		"SIZE": "43", "PADDING": "ones", "MESSAGE": strings.Repeat("x", 257), "DSCP": "64", "TIMESTAMP": "unix", "SSID": "65536",
		"SOURCE": "eth0", "TARGETS": "a b", "TLV": "nothing", "NAME": "a b", "NATS_URL": "nowhere", "ADMIN": "nowhere",
	}
	var environ, args []string
	for variable, value := range bad { // half of them by each way, in any order
		if flag := strings.ToLower(strings.ReplaceAll(variable, "_", "-")); len(args) < len(environ) {
			args = append(args, "-"+flag+"="+value)
		} else {
			environ = append(environ, "TWAMP_"+variable+"="+value)
		}
	}
	exit, stdout, stderr := once(t, environ, append(args, "::1", "host:http")...)
	if exit != service.ExitUsage || stdout != "" {
		t.Errorf("exit %d, stdout %q", exit, stdout)
	}
	if !strings.Contains(stderr, `"host:http": the port must be `) {
		t.Errorf("no line with the target in\n%s", stderr)
	}
	for variable := range bad {
		flag := strings.ToLower(strings.ReplaceAll(variable, "_", "-"))
		if want := regexp.MustCompile(fmt.Sprintf(`TWAMP_%s \(-%s\) .*must `, variable, flag)); !want.MatchString(stderr) {
			t.Errorf("no line with %q in\n%s", want, stderr)
		}
	}
}

func TestExtensionsNeedSTAMP(t *testing.T) {
	t.Parallel()
	exit, _, stderr := once(t, nil, "-mode", "light", "-tlv", "follow-up", "::1")
	if exit != service.ExitUsage || !strings.Contains(stderr, "TWAMP_TLV (-tlv) must be empty") {
		t.Errorf("exit %d, stderr %s", exit, stderr)
	}
}

func TestTargetsThatAreNone(t *testing.T) {
	t.Parallel()
	exit, stdout, stderr := once(t, nil, "a b", "[::1]:0", "::1", "host:http")
	if exit != service.ExitUsage || stdout != "" || strings.Contains(stderr, `"::1"`) {
		t.Errorf("exit %d, stdout %q, stderr %s", exit, stdout, stderr)
	}
	for _, target := range []string{`"a b" must be `, `"[::1]:0": the port must be `, `"host:http": the port must be `} {
		if !strings.Contains(stderr, target) {
			t.Errorf("no %s in %s", target, stderr)
		}
	}
	exit, _, stderr = once(t, nil)
	if exit != service.ExitUsage || !strings.Contains(stderr, "no target: name at least one") {
		t.Errorf("without a target: exit %d, stderr %s", exit, stderr)
	}
}

// A name without an address keeps the others from nothing. This one breaks the
// rules for names, so that no name server need be asked.
func TestUnknownHost(t *testing.T) {
	t.Parallel()
	const unknown = "no-such-host..example"
	r := respond(t, "::1")
	exit, stdout, stderr := once(t, nil, "-json", "-count", "2", "-interval", "1ms", unknown, r.at.String())
	if all := reports(t, stdout); exit != service.ExitOK || len(all) != 1 || all[0].Received != 2 {
		t.Errorf("exit %d, stdout %s", exit, stdout)
	}
	if !strings.Contains(stderr, unknown+" is not a known host name") {
		t.Errorf("stderr %s", stderr)
	}
	exit, stdout, stderr = once(t, nil, unknown)
	if exit != service.ExitNoReply || stdout != "" || !strings.Contains(stderr, unknown+" is not a known host name") {
		t.Errorf("alone: exit %d, stdout %q, stderr %s", exit, stdout, stderr)
	}
}

func TestSourcesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	taken := occupied(t, "[::1]:0")
	for _, c := range []struct{ source, target, want string }{
		{taken, "[::1]:18620", "another process holds it; stop that process or choose another port"},
		{"203.0.113.9", "127.0.0.1:18620", "no interface of this host has it; choose an address of this host or a wildcard"},
		{"::1", "127.0.0.1:18620", "the source address ::1 is of another family than a target: leave one of them out"},
	} {
		exit, stdout, stderr := once(t, nil, "-source", c.source, c.target)
		if exit != service.ExitInternal || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %s", c.source, exit, stdout, stderr)
		}
	}
}

// A burst that is cut short reports what it has.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	r := respond(t, "::1")
	i := launch(t, "-json", "-count", "1000000", "-interval", "1ms", "-timeout", "100ms", r.at.String())
	for range 5 {
		r.request()
	}
	i.signalled(syscall.SIGINT, 130)
	e := reports(t, i.line(i.stdout))[0]
	if !e.Report.Cut || e.Report.Kind != events.ReportRun || e.Received < 5 || e.Sent != e.Received+e.Late+e.Lost || e.Sent == 1_000_000 {
		t.Errorf("%d sent, %d received, %+v", e.Sent, e.Received, e.Report)
	}
	if more, ok := <-i.stdout; ok {
		t.Errorf("there is more: %s", more)
	}
}

// A continuous test ends well by a signal, and its last interval is reported
// as far as it got.
func TestContinuous(t *testing.T) {
	t.Parallel()
	r := respond(t, "::1")
	i := launch(t, "-continuous", "-json", "-report-interval", "1s", "-interval", "5ms", "-timeout", "100ms", r.at.String())
	first := reports(t, i.line(i.stdout))[0]
	i.signalled(syscall.SIGTERM, service.ExitOK)
	all := []*events.RTT{first}
	for l := range i.stdout {
		all = append(all, reports(t, l)...)
	}
	if len(all) < 2 {
		t.Fatal("the last interval is missing")
	}
	sent := uint64(0)
	for n, e := range all {
		last := n == len(all)-1
		if e.Report.Kind != events.ReportInterval || e.Report.Index != uint64(n) || e.Report.Cut != last || e.Sent != e.Received+e.Late+e.Lost {
			t.Errorf("report %d: %d sent, %d received, %+v", n, e.Sent, e.Received, e.Report)
		}
		if n > 0 && !e.Report.Start.Equal(all[n-1].Report.End) {
			t.Errorf("report %d begins at %v, and the one before ends at %v", n, e.Report.Start, all[n-1].Report.End)
		}
		sent += e.Sent
	}
	if first.Planned != 200 || sent <= first.Sent {
		t.Errorf("%d packets were planned for the first second; %d sent in it, %d in all", first.Planned, first.Sent, sent)
	}
}

func TestFlagsWinOverEnvironment(t *testing.T) {
	t.Parallel()
	r := respond(t, "127.0.0.1")
	environ := []string{"TWAMP_COUNT=7", "TWAMP_JSON=true", "TWAMP_INTERVAL=1ms", "TWAMP_MESSAGE=from outside", "TWAMP_TARGETS=" + r.at.String()}
	for args, want := range map[string]events.RTT{
		"":                   {Sent: 7, Session: events.Session{Message: "from outside"}},
		"-count=2 -message=": {Sent: 2},
	} {
		_, stdout, stderr := once(t, environ, strings.Fields(args)...)
		all := reports(t, stdout)
		if len(all) != 1 {
			t.Fatalf("%q: %s %s", args, stdout, stderr)
		}
		if e := all[0]; e.Sent != want.Sent || e.Session.Message != want.Session.Message || e.Session.IntervalNs != 1_000_000 {
			t.Errorf("%q: %d sent, %+v", args, e.Sent, e.Session)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	exit, stdout, stderr := once(t, nil, "-h")
	if exit != service.ExitOK || stderr != "" {
		t.Errorf("-h: exit %d, stderr %q", exit, stderr)
	}
	for _, want := range append([]string{"-count N", "TWAMP_COUNT", "-nats-url", "-continuous", "Targets file:", "source_ports", "    69 "}, program.Examples...) {
		if want = strings.ReplaceAll(want, "\n", "\n  "); !strings.Contains(stdout, want) {
			t.Errorf("-h lacks %q", want)
		}
	}
	if exit, stdout, _ := once(t, nil, "-version"); exit != service.ExitOK || !strings.HasPrefix(stdout, "prober ") {
		t.Errorf("-version: exit %d, stdout %q", exit, stdout)
	}
}
