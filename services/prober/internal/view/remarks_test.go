package view

import (
	"strings"
	"testing"

	"tinytwamp/shared/events"
)

// Each remark comes of what it is about, and of nothing else: all begin with a
// report that has none.
func TestRemarks(t *testing.T) {
	if got := remarks(burst()); len(got) != 0 {
		t.Fatalf("of nothing: %v", got)
	}
	for _, c := range []struct {
		change func(*events.RTT)
		short  string
		words  string
	}{
		{func(e *events.RTT) { e.Received, e.Lost = 0, 10 }, "no answer", "firewalls let UDP port 862 through"},
		{func(e *events.RTT) {
			e.Received, e.Lost, e.Session.Mode, e.Session.Port = 0, 10, "twamp", 18760
			e.LostForward, e.LostBackward = new(uint64(0)), new(uint64(0))
		}, "no answer", "agreed to the test: do firewalls let UDP port 18760 through"},
		{func(e *events.RTT) {
			e.Session.Mode, e.Report = "twamp", events.Report{Cut: true, Why: "its control connection was lost"}
		}, "cut", "ended early: its control connection was lost"},
		{func(e *events.RTT) { e.Unreflected = 2 }, "unreflected", "2 replies without the octets"},
		{func(e *events.RTT) { e.ICMP = []events.ICMP{{Text: "packet too big", MTU: 1400, Count: 1}} }, "packet too big", "(1 time); the way takes packets of 1,400 octets"},
		{func(e *events.RTT) { e.ICMP = []events.ICMP{{Text: "port unreachable", Count: 2}} }, "port unreachable", "no reflector listens there"},
		{func(e *events.RTT) { e.HMACFailed = 3 }, "bad HMAC", "3 replies with a wrong HMAC"},
		{func(e *events.RTT) { e.Extensions = &events.Extensions{IntegrityFailed: 1} }, "TLVs not trusted", "1 reply with TLVs"},
		{func(e *events.RTT) { e.Extensions = &events.Extensions{Malformed: []string{"access_report"}} }, "TLV malformed", "malformed: access report"},
		{func(e *events.RTT) { e.Extensions = &events.Extensions{Unrecognized: []string{"location"}} }, "", "does not answer: location"},
		{func(e *events.RTT) { e.Extensions = &events.Extensions{DSCPRefused: true} }, "", "policy does not let replies"},
		{func(e *events.RTT) { e.Extensions = &events.Extensions{Location: &events.Location{Translated: true}} }, "", "an address translator (NAT)"},
		{func(e *events.RTT) { e.Unexpected = 1 }, "unexpected", "1 datagram from the target"},
		{func(e *events.RTT) { e.Implausible = 2 }, "implausible", "2 replies with times"},
		{func(e *events.RTT) { e.Health.Reasons = []string{"this host's clock stepped"} }, "suspect", "suspect: this host's clock stepped"},
		{func(e *events.RTT) { e.LossPeriods = &events.LossPeriods{Count: 2, Longest: 3} }, "loss burst", "3 packets, at one every 100ms; 2 such periods"},
		{func(e *events.RTT) { e.Lost, e.LostForward = 2, new(uint64(2)) }, "lost forward", "on the way there"},
		{func(e *events.RTT) {
			e.Lost, e.LostForward, e.LostBackward = 2, new(uint64(0)), new(uint64(2))
		}, "lost backward", "on the way back"},
		{func(e *events.RTT) { e.Lost = 1 }, "", "on which way packets were lost is unknown"},
		{func(e *events.RTT) { e.Late = 1 }, "late replies", "the timeout of 2s"},
		{func(e *events.RTT) { e.LateAfterReport = 1 }, "late replies", "an earlier report"},
		{func(e *events.RTT) { e.Duplicates = 1 }, "duplicates", "1 reply came more than once"},
		{func(e *events.RTT) {
			e.Duplicates, e.DuplicatesForward, e.DuplicatesBackward = 3, new(uint64(1)), new(uint64(2))
		}, "duplicates", "1 doubled on the way there, 2 on the way back"},
		{func(e *events.RTT) { e.Reordered = 4 }, "reordering", "4 replies of 10"},
		{func(e *events.RTT) { e.HopsForward = &events.Hops{Min: 3, Max: 9, Last: 4, Changes: 2} }, "path changed", "there changed 2 times: between 3 and 9 hops, now 4"},
		{func(e *events.RTT) { e.HopsBackward = &events.Hops{Min: 3, Max: 9, Last: 4, Changes: 1} }, "path changed", "back changed 1 time:"},
		{func(e *events.RTT) { e.HopsBackward = &events.Hops{Min: 195, Max: 195, Last: 195} }, "", "TTL 60"},
		{func(e *events.RTT) { e.Forward.MinNs = -5_000_000 }, "clocks disagree", "below 0"},
		{func(e *events.RTT) { e.Backward.MinNs = 20_000 }, "", "no more exact than the clocks, to 1.65 ms"},
		{func(e *events.RTT) { e.Processing = &events.Delay{} }, "", "one time for arrival and sending"},
	} {
		e := burst()
		c.change(e)
		got := remarks(e)
		if len(got) != 1 || got[0].short != c.short || !strings.Contains(got[0].text, c.words) {
			t.Errorf("want %q with %q, got %q", c.short, c.words, got)
		}
	}
}

// Where packets change their DSCP is told as well as both ends tell it.
func TestDSCPRemarks(t *testing.T) {
	none := uint8(99)
	for _, c := range []struct {
		mode                        string
		sent, arrived, back, repeat uint8 // 99: unknown
		words                       string
	}{
		{"stamp", 46, none, 46, 0, ""},
		{"stamp", 46, none, 0, 10, "come back with DSCP 0 (CS0) instead of 46 (EF): the reflector, or something on the way there or back, rewrites it (-tlv cos tells more)"},
		{"light", 46, none, 0, 10, "or something on the way there or back, rewrites it"},
		{"stamp", 46, 46, 0, 10, "it reaches the reflector unchanged, so the reflector or something on the way back"},
		{"stamp", 46, 8, 8, 10, "come back with DSCP 8 (CS1) instead of 46 (EF): something on the way there"},
		{"stamp", 46, 8, 0, 10, "on the way there, to 8 (CS1), and again"},
		{"stamp", 46, 8, 46, 0, "packets arrive at the reflector with DSCP 8 (CS1) instead of 46 (EF)"},
		{"stamp", 46, 46, 0, 3, "3 of 10 came back with another DSCP than 46 (EF), the last with 0 (CS0)"},
		{"stamp", 46, 46, 46, 1, "1 reply came back with another DSCP than 46 (EF): it reaches the reflector unchanged"},
	} {
		e := burst()
		e.Session.Mode = c.mode
		e.Marking = events.Marking{SentDSCP: c.sent, ReturnedDSCP: &c.back, Remarked: uint64(c.repeat)}
		if c.arrived != none {
			e.Marking.ReflectorDSCP = &c.arrived
		}
		switch got := remarks(e); {
		case c.words == "" && len(got) == 0:
		case len(got) != 1 || got[0].short != "DSCP rewritten" || !strings.Contains(got[0].text, c.words):
			t.Errorf("%+v: got %q", c, got)
		case c.mode == "light" && strings.Contains(got[0].text, "-tlv"):
			t.Errorf("TWAMP Light has no extensions: %q", got)
		}
	}
}

func TestECNRemarks(t *testing.T) {
	for _, c := range []struct {
		sent          uint8
		arrived, back *uint8
		short, words  string
	}{
		{0, new(uint8(3)), nil, "congestion", "a queue on the way there"},
		{1, new(uint8(0)), nil, "ECN rewritten", "with ECN 0 instead of 1"},
		{1, new(uint8(1)), new(uint8(3)), "congestion", "a queue on the way back"},
	} {
		e := burst()
		e.Marking.SentECN, e.Marking.ReflectorECN, e.Marking.ReturnedECN = c.sent, c.arrived, c.back
		if got := remarks(e); len(got) != 1 || got[0].short != c.short || !strings.Contains(got[0].text, c.words) {
			t.Errorf("%+v: got %q", c, got)
		}
	}
	e := burst() // the reflector sends with ECN 0
	e.Marking.SentECN, e.Marking.ReflectorECN, e.Marking.ReturnedECN = 1, new(uint8(1)), new(uint8(0))
	if got := remarks(e); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
