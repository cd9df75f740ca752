package events

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile is text as an attacker would send it: line breaks, terminal escapes
// in both forms, a bidirectional override, a NUL, broken UTF-8.
const hostile = "a\r\n2025/03/29 14:09:01 forged\x1b[2J\u009b31m\u202e\x00\u2028\xff"

func checkPrintable(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			t.Errorf("%q holds %U", s, r)
		}
	}
}

func TestRecordTexts(t *testing.T) {
	peer := netip.MustParseAddrPort("[fd7a:115c:a1e0::1801:7746]:40001")
	rtt := new(int64(20_000_000))
	for _, c := range []struct {
		record Record
		want   string
	}{
		{Record{Kind: PacketReceived, Peer: peer, Message: "TWAMP test message"}, `Received test packet from [fd7a:115c:a1e0::1801:7746]: "TWAMP test message"`},
		{Record{Kind: PacketReceived, Peer: peer}, `Received test packet from [fd7a:115c:a1e0::1801:7746]`},
		{Record{Kind: PacketReceived, Peer: peer, Message: `say "hi"` + "\n"}, `Received test packet from [fd7a:115c:a1e0::1801:7746]: "say \"hi\"\n"`},
		{Record{Kind: ResponseSent, Peer: netip.MustParseAddrPort("192.0.2.9:1")}, `Sent response to [192.0.2.9]`},
		{Record{Kind: ResponseSent, Peer: netip.MustParseAddrPort("[::ffff:192.0.2.9]:1")}, `Sent response to [192.0.2.9]`},
		{Record{Kind: ResultReceived, Peer: peer, Result: &Result{RTTNs: rtt, Verified: true}}, `Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: Round-trip time: 20ms`},
		{Record{Kind: ResultReceived, Peer: peer, Result: &Result{RTTNs: rtt}}, `Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: Round-trip time: 20ms (unverified)`},
		{Record{Kind: ResultReceived, Peer: peer, Result: &Result{Verified: true}}, `Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: no reply`},
		{Record{Kind: ResultReceived, Peer: peer}, `Test result for client [fd7a:115c:a1e0::1801:7746]: Round-trip time received: no reply`},
		{Record{Kind: PacketDropped, Peer: peer, Count: 3, Reason: "rate limit"}, `Dropped 3 packets from [fd7a:115c:a1e0::1801:7746]: rate limit`},
		{Record{Kind: PacketDropped, Count: 1, Reason: "receive buffer full"}, `Dropped 1 packet: receive buffer full`},
		{Record{Kind: PacketDropped, Count: 1}, `Dropped 1 packet: no reason given`},
		{Record{Kind: SessionOpened, Peer: peer}, `Session opened with [fd7a:115c:a1e0::1801:7746]`},
		{Record{Kind: SessionEnded, Peer: peer, Reason: "idle", Count: 10}, `Session with [fd7a:115c:a1e0::1801:7746] ended: idle (10 packets)`},
		{Record{Kind: EventsLost, Reason: "outbox_full", Count: 2}, `Lost 2 events: outbox_full`},
		{Record{Kind: "from_the_future", Peer: peer}, `Record "from_the_future" of [fd7a:115c:a1e0::1801:7746]`},
		{Record{Kind: SessionOpened}, `Session opened with [unknown]`},
		{Record{Kind: SessionOpened, Peer: peer, Mode: "none", SID: "00"}, `Session opened with [fd7a:115c:a1e0::1801:7746], mode none`},
		{Record{Kind: ControlOpened, Peer: peer, Mode: "encrypted", KeyID: "jo\x1be"}, `Control connection from [fd7a:115c:a1e0::1801:7746], mode encrypted, key id "jo\x1be"`},
		{Record{Kind: ControlRefused, Peer: peer, Reason: "mode"}, `Control connection from [fd7a:115c:a1e0::1801:7746] refused: mode`},
		{Record{Kind: ControlRefused, Peer: peer, Reason: "authentication_failed", KeyID: "joe"}, `Control connection from [fd7a:115c:a1e0::1801:7746] refused: authentication_failed, key id "joe"`},
		{Record{Kind: ControlClosed, Peer: peer, Reason: "idle"}, `Control connection from [fd7a:115c:a1e0::1801:7746] ended: idle`},
		{Record{Kind: SessionRefused, Peer: peer, Reason: "timeout"}, `Session with [fd7a:115c:a1e0::1801:7746] refused: timeout`},
	} {
		if got := c.record.Text(); got != c.want {
			t.Errorf("text is\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestRTTTexts(t *testing.T) {
	r := &RTT{Prober: "probe-1", Target: Target{Name: "core.lab", Address: netip.MustParseAddrPort("[2001:db8::7]:862")}, Sent: 10, Received: 10}
	check := func(want ...string) {
		t.Helper()
		if got := r.Texts(); !slices.Equal(got, want) {
			t.Errorf("texts are %q, want %q", got, want)
		}
	}
	r.RTT = &Delay{Distribution: Distribution{P50Ns: 20_000_000}}
	check("Round-trip time: 20ms (p50 of 10 received, 10 sent, core.lab [2001:db8::7], from probe-1)", "Client logged round-trip time: 20ms")
	r.Session.Paths = []uint16{50000, 50001}
	check("Round-trip time: 20ms (p50 of 10 received, 10 sent on 2 paths, core.lab [2001:db8::7], from probe-1)", "Client logged round-trip time: 20ms")
	r.Session.Paths = nil
	r.RTT, r.Received = nil, 0
	check("Round-trip time: none (0 received, 10 sent, core.lab [2001:db8::7], from probe-1)", "Client logged no round-trip time")
	r.Target.Name, r.Prober = "core lab, [x]\x1b[2J", ""
	check(`Round-trip time: none (0 received, 10 sent, "core lab, [x]\x1b[2J" [2001:db8::7], from "")`, "Client logged no round-trip time")
}

func TestDuration(t *testing.T) {
	for ns, want := range map[int64]string{
		0:              "0s",
		7:              "7ns",
		1_234:          "1.234µs",
		20_000_000:     "20ms",
		20_004_900:     "20ms",
		10_031_234:     "10.03ms",
		123_456:        "123.5µs",
		999_996:        "1ms",
		1_234_567_890:  "1.235s",
		-12_345_678:    "-12.35ms",
		61_234_567_890: "1m1.23s",
		1<<63 - 1:      "2561944h26m40s",
		-1 << 63:       "-2561944h26m40s",
	} {
		if got := duration(ns); got != want {
			t.Errorf("duration(%d) is %s, want %s", ns, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	s := NewSource("reflector", "r1")
	lines := func(d Data) []Line {
		t.Helper()
		enc, err := s.Encode(at, d)
		if err != nil {
			t.Fatal(err)
		}
		e, err := Decode(enc.Body)
		if err != nil {
			t.Fatal(err)
		}
		return e.Lines()
	}
	early := at.Add(-time.Second)
	log := &Log{Service: "reflector", Omitted: 2, Records: []Record{{Time: early, Kind: SessionOpened, Peer: netip.MustParseAddrPort("192.0.2.9:1")}, {Time: early, Kind: "\n"}}}
	got := lines(log)
	want := []Line{
		{early, "session_opened", "Session opened with [192.0.2.9]"},
		{early, "", `Record "\n" of [unknown]`},
		{at, KindOmitted, "Left out of the log: 2 records of reflector"},
	}
	compare := func(got, want []Line) {
		t.Helper()
		if !slices.EqualFunc(got, want, func(a, b Line) bool { return a.Time.Equal(b.Time) && a.Kind == b.Kind && a.Text == b.Text }) {
			t.Errorf("lines are %q, want %q", got, want)
		}
	}
	compare(got, want)
	r := noReplyRTT()
	compare(lines(r), []Line{{at, KindRTT, r.Texts()[0]}, {at, KindRTT, r.Texts()[1]}})
	compare(lines(&DeadLetter{Reason: "not JSON", Subject: "twamp.v1.rtt.x", StreamSeq: 77, Size: 4}),
		[]Line{{at, KindDeadLetter, "Message 77 of the stream (twamp.v1.rtt.x, 4 octets) could not be read: not JSON"}})
	compare(Event{Type: "com.example", Data: []byte("{}")}.Lines(), nil)
	compare(Event{Type: TypeRTT, Data: []byte("[]")}.Lines(), nil)
}

// What the network put into an event cannot forge a line, nor drive a terminal.
func TestLinesEscapeEverything(t *testing.T) {
	zoned := netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(hostile), 862)
	var events []Event
	for _, kind := range []RecordKind{SessionOpened, PacketReceived, ResponseSent, PacketDropped, ResultReceived, SessionEnded, EventsLost, ControlOpened, ControlRefused, ControlClosed, SessionRefused, hostile} {
		l := Log{Service: hostile, Omitted: 1, Records: []Record{{Kind: kind, Peer: zoned, Message: hostile, Reason: hostile, Mode: hostile, KeyID: hostile, Result: &Result{Prober: hostile}}}}
		for _, line := range l.lines(at) {
			checkPrintable(t, line.Text)
			checkPrintable(t, line.Kind)
		}
		events = append(events, raw(t, TypeLog, l))
	}
	r := RTT{Prober: hostile, Target: Target{Name: hostile, Host: hostile, Address: zoned}}
	d := DeadLetter{Reason: hostile, Subject: hostile}
	for _, text := range append(r.Texts(), d.text()) {
		checkPrintable(t, text)
	}
	events = append(events, raw(t, TypeRTT, r), raw(t, TypeDeadLetter, d))
	for _, e := range events {
		for _, line := range e.Lines() {
			checkPrintable(t, line.Text)
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	r := Record{Kind: PacketDropped, Reason: long}
	if got := r.Text(); len(got) > 400 || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d octets, ending in %q", len(got), got[max(0, len(got)-9):])
	}
	rtt := RTT{Prober: long, Target: Target{Name: strings.Repeat("\x80", 1<<20)}}
	for _, text := range rtt.Texts() {
		if len(text) > 2000 {
			t.Errorf("%d octets", len(text))
		}
	}
}

func raw(t *testing.T, eventType string, data any) Event {
	t.Helper()
	body, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return Event{Type: eventType, Time: at, Data: body}
}
