package view

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

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

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 59_600 * time.Millisecond: "1 min", 725 * time.Second: "12 min 5 s",
		3 * time.Hour: "3 h", 3*time.Hour + 20*time.Minute + time.Second: "3 h 20 min", 51 * time.Hour: "2 d 3 h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567", 1<<64 - 1: "18,446,744,073,709,551,615"} {
		if got := count(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	if one, two := many(1, "reply"), many(2, "reply"); one != "1 reply" || two != "2 replies" {
		t.Errorf("got %q and %q", one, two)
	}
}

// A part is neither nothing nor the whole.
func TestPercent(t *testing.T) {
	for _, c := range []struct {
		part, whole uint64
		want        string
	}{
		{0, 0, "0 %"},
		{0, 5, "0 %"},
		{1, 1_000_000, "< 0.001 %"},
		{1, 8192, "0.0122 %"},
		{1, 3, "33.3 %"},
		{999, 1000, "99.9 %"},
		{99_999, 100_000, "> 99.9 %"},
		{7, 7, "100 %"},
	} {
		if got := percent(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

// A name is cut only where there is no room for it, and an address only if it
// does not fit alone.
func TestWhere(t *testing.T) {
	target := burst().Target
	for _, c := range []struct {
		name string
		room int
		want string
	}{
		{"r.example", 29, "r.example ([2001:db8::1]:862)"},
		{"reflector.example", 37, "reflector.example ([2001:db8::1]:862)"},
		{"reflector.example", 36, "reflector.examp… ([2001:db8::1]:862)"},
		{"reflector.example", 27, "[2001:db8::1]:862"},
		{"東京東京東京", 28, "東京東… ([2001:db8::1]:862)"}, // a wide one does not fit behind them
		{"reflector.example", 9, "…::1]:862"},
		{"reflector.example", -3, "…"},
		{"[2001:db8::1]:862", 80, "[2001:db8::1]:862"},
		{"2001:db8::1", 80, "[2001:db8::1]:862"},
		{"a\x1b[31mb\u202ec", 80, `"a\x1b[31mb\u202ec" ([2001:db8::1]:862)`},
		{"\xff\n", 80, `"\xff\n" ([2001:db8::1]:862)`},
	} {
		target.Name = c.name
		if got := where(&target, c.room); got != c.want {
			t.Errorf("%q in %d columns: %q, want %q", c.name, c.room, got, c.want)
		}
	}
}

// Whatever a target is called, nothing of it acts on the terminal.
func TestHostileNames(t *testing.T) {
	e := wide()
	e.Target.Name = "\x1b]0;title\a\x1b[2J\r\n\u202e"
	e.ICMP[0].Text = "\x1b[2J"
	e.Session.Mode = "\x1b[2J"
	e.Health.Reasons = []string{"\x1b[2J\r"}
	all := [][]string{summary(e, false, pipe), overview(pipe, e, burst()), liveOf(24, pipe, e, e), {begunText(e, false, pipe)}, {reportLine(e, false, pipe)}}
	for _, lines := range all {
		if text := join(lines); strings.ContainsAny(text, "\x1b\a\r\u202e") {
			t.Errorf("this reaches the terminal:\n%q", text)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"東京", 4, "東京"},
		{"東京", 3, "東…"},
		{"東京", 2, "…"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"}, // an accent takes no column
		{"\x1b[31mabcd\x1b[0mef", 4, "\x1b[31mabc…\x1b[0m"},
	} {
		if got := fit(c.text, c.columns); got != c.want || cells(got) > c.columns {
			t.Errorf("%q in %d columns is %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", []string{""}},
		{"1234567890123456", []string{"1234567890123456"}},
		{"12345678901234567 x", []string{"12345678901234567", "  x"}}, // a word that is too long
		{"words of this line", []string{"words of this", "  line"}},
		{"a delay is 123 ms", []string{"a delay is", "  123 ms"}}, // units stay with their numbers
		{"1 2 3 4 5 6 7 8 9 0", []string{"1 2 3 4 5 6 7 8", "  9 0"}},
		{"it is twelve, so it is", []string{"it is twelve,", "  so it is"}},
		{"\x1b[31mwords of this line\x1b[0m", []string{"\x1b[31mwords of this", "  line\x1b[0m"}},
		{"東京 東京 東京 東京", []string{"東京 東京 東京", "  東京"}},
	} {
		if got := fold(c.text, 16, indent); !slices.Equal(got, c.want) {
			t.Errorf("%q is folded to %q, want %q", c.text, got, c.want)
		}
	}
}

// Of a test that has sent nothing yet, or goes on for ever, there is nothing to
// say; in the end only replies are waited for.
func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		progress prober.Progress
		want     string
	}{
		{prober.Progress{Planned: 100}, ""},
		{prober.Progress{Sent: 100, Received: 9}, ""},
		{prober.Progress{Planned: 100, Sent: 100, Received: 90}, " 100 %  100 of 100 sent, 90 received, 10 % unanswered, waiting for the last replies"},
		{prober.Progress{Planned: 4000, Sent: 1000, Received: 1001}, "  25 %  1,000 of 4,000 sent, 1,001 received, 0 % unanswered, 3 min left"},
	} {
		if got := progressLine(c.progress, time.Minute, 100); got != c.want {
			t.Errorf("%+v is %q, want %q", c.progress, got, c.want)
		}
	}
}

// Who reads sees what was agreed on.
func TestProtocol(t *testing.T) {
	for want, s := range map[string]events.Session{
		"TWAMP, encrypted":     {Mode: "twamp", Auth: "encrypted"},
		"TWAMP":                {Mode: "twamp", Auth: "none"},
		"STAMP, authenticated": {Mode: "stamp", Auth: "authenticated"},
		"TWAMP Light":          {Mode: "light", Auth: "none"},
	} {
		if got := protocol(&s); got != want {
			t.Errorf("%+v is %q, want %q", s, got, want)
		}
	}
}
