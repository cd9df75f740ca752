package events

import (
	"net/netip"
	"strings"
	"testing"
)

func TestSubjects(t *testing.T) {
	v6, v4 := netip.MustParseAddrPort("[2001:db8::7]:862"), netip.MustParseAddrPort("192.0.2.9:4862")
	for _, c := range []struct{ got, want string }{
		{RTTSubject("probe-1", "core.lab", v6), "twamp.v1.rtt.probe-1.core-lab.20010db8000000000000000000000007-862"},
		{RTTSubject("probe-1", "", v4), "twamp.v1.rtt.probe-1.unnamed.00000000000000000000ffffc0000209-4862"},
		{ResultSubject(v6), "twamp.v1.rtt.*.*.20010db8000000000000000000000007-862"},
		{LogSubject("reflector_a"), "twamp.v1.log.reflector_a"},
		{DeadLetterSubject("logger"), "twamp.v1.dlq.logger"},
		{AddressToken(netip.MustParseAddrPort("[::ffff:192.0.2.9]:1")), AddressToken(netip.MustParseAddrPort("192.0.2.9:1"))},
		{AddressToken(netip.MustParseAddrPort("[fe80::1%et.h0>*]:1")), AddressToken(netip.MustParseAddrPort("[fe80::1]:1"))},
		{AddressToken(netip.AddrPort{}), strings.Repeat("0", 32) + "-0"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// Where a report is sent is where the reflector listens for it.
func TestResultSubjectMatchesReport(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.9:862")
	report, pattern := strings.Split(RTTSubject("a", "b", addr), "."), strings.Split(ResultSubject(addr), ".")
	if len(report) != len(pattern) {
		t.Fatalf("%d tokens and %d", len(report), len(pattern))
	}
	for i, p := range pattern {
		if p != "*" && p != report[i] {
			t.Errorf("token %d is %s, not %s", i, report[i], p)
		}
	}
}

func TestFitName(t *testing.T) {
	long := strings.Repeat("x", 64)
	for in, want := range map[string]string{
		"":                "unnamed",
		"Router_1-a":      "Router_1-a",
		"core.lab":        "core-lab",
		"a b\tc\n*>/\x00": "a-b-c-----",
		"Zürich":          "Z-rich",
		"\xff\xfe":        "--",
		long:              long[:63],
	} {
		if got := FitName(in); got != want {
			t.Errorf("FitName(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestSubjectName(t *testing.T) {
	token := AddressToken(netip.MustParseAddrPort("192.0.2.9:862"))
	for subject, want := range map[string]string{
		"twamp.v1.rtt.probe.target." + token: "probe",
		"twamp.v1.log.reflector":             "reflector",
		"twamp.v1.dlq.logger":                "logger",
		"twamp.v1.rtt.probe.target":          "",
		"twamp.v1.rtt.probe":                 "",
		"twamp.v1.log.a.b":                   "",
		"twamp.v1.log.":                      "",
		"twamp.v1.log":                       "",
		"twamp.v2.log.a":                     "",
		"twamp.v1.log.*":                     "",
		"twamp.v1.log.a b":                   "",
		"":                                   "",
	} {
		got, ok := SubjectName(subject)
		if got != want || ok != (want != "") {
			t.Errorf("SubjectName(%q) is %q, %v; want %q", subject, got, ok, want)
		}
	}
}

// Whatever a name holds, it stays one token of a subject, and a name that was
// made fit fits.
func FuzzNamesStayTokens(f *testing.F) {
	for _, s := range []string{"", "core.lab", "a b", "*", ">", "\xff", "é", strings.Repeat("ü.", 90)} {
		f.Add(s, s)
	}
	addr := netip.MustParseAddrPort("192.0.2.9:862")
	f.Fuzz(func(t *testing.T, prober, target string) {
		for _, subject := range []string{RTTSubject(prober, target, addr), LogSubject(prober), DeadLetterSubject(prober)} {
			want := 4
			if strings.HasPrefix(subject, TypeRTT) {
				want = 6
			}
			tokens := strings.Split(subject, ".")
			if len(tokens) != want || strings.ContainsAny(subject, "*> \t\r\n\x00") {
				t.Errorf("subject %q of %q, %q", subject, prober, target)
			}
			for _, token := range tokens {
				if token == "" || len(token) > 63 {
					t.Errorf("token %q in %q", token, subject)
				}
			}
			if name, ok := SubjectName(subject); !ok || name != FitName(prober) || FitName(name) != name {
				t.Errorf("name of %q is %q, %v", subject, name, ok)
			}
		}
	})
}
