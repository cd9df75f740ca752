package page

import (
	"testing"
	"time"

	"tinytwamp/services/logger/internal/history"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// minutes makes points that end at noon, one for each sign: . is well, f and b
// lose a tenth forward or backward, u somewhere, s is slow, x has no reply, and
// a space is unknown.
func minutes(signs string) []history.Point {
	points := make([]history.Point, len(signs))
	for i, sign := range signs {
		start := noon.Add(time.Duration(i-len(signs)) * time.Minute)
		p := history.Point{Start: start, End: start.Add(time.Minute)}
		if sign != ' ' {
			p.Reports, p.Sent, p.Received = 6, 600, 600
			p.RTT = &history.Delay{N: 600, P50: 10e6}
			p.LostForward, p.LostBackward = new(uint64), new(uint64)
		}
		switch sign {
		case 'f':
			p.Lost, *p.LostForward = 60, 60
		case 'b':
			p.Lost, *p.LostBackward = 60, 60
		case 'u':
			p.Lost, p.LostForward, p.LostBackward = 60, nil, nil
		case 's':
			p.RTT.P50 = 40e6
		case 'x':
			p.Lost, p.Received, p.RTT, p.LostForward, p.LostBackward = 600, 0, nil, nil, nil
		}
		p.Received = p.Sent - p.Lost
		points[i] = p
	}
	return points
}

func TestDiagnosis(t *testing.T) {
	for _, c := range []struct {
		signs     string
		silent    time.Duration // since the last report
		state     State
		minutes   int // since when
		before    bool
		direction string
	}{
		{signs: "..........", state: OK},
		{signs: ".......fff", state: Loss, minutes: 3, direction: "forward"},
		{signs: ".......bbb", state: Loss, minutes: 3, direction: "backward"},
		{signs: "......fbfb", state: Loss, minutes: 4, direction: "both ways"},
		{signs: ".......uuu", state: Loss, minutes: 3},
		{signs: ".......fuu", state: Loss, minutes: 3}, // of most nobody knows
		{signs: ".......ffu", state: Loss, minutes: 3, direction: "forward"},
		{signs: "ffffffffff", state: Loss, minutes: 10, before: true, direction: "forward"},
		{signs: " ffffffff", state: Loss, minutes: 8, before: true, direction: "forward"},
		{signs: ".....f..f.", state: Loss, minutes: 5, direction: "forward"}, // short quiet times do not end it
		{signs: "ff........", state: OK},                                     // long over
		{signs: ".....xxxxx", state: NoReply, minutes: 5},
		{signs: ".....xxxx.", state: OK}, // answers again
		{signs: "........ss", state: Slow, minutes: 2},
		{signs: "ssssssssss", state: OK}, // as ever
		{signs: "..........", silent: time.Minute, state: Stale, minutes: 1},
		{signs: "..........", silent: 25 * time.Second, state: OK},
	} {
		points := minutes(c.signs)
		path := history.Path{Every: 10 * time.Second, Last: noon, Latest: points[len(points)-1]}
		now := noon.Add(c.silent)
		got := diagnose(path, points, now)
		if got.State != c.state {
			t.Errorf("%q is %s, want %s", c.signs, got.State, c.state)
			continue
		}
		if c.state == OK {
			if got.Trouble != nil {
				t.Errorf("%q: trouble %+v", c.signs, got.Trouble)
			}
			continue
		}
		if since := now.Sub(got.Trouble.Start); since != time.Duration(c.minutes)*time.Minute || got.Trouble.Before != c.before || got.Trouble.Direction != c.direction {
			t.Errorf("%q: for %s, before %v, direction %q; want %d minutes, %v, %q", c.signs, since, got.Trouble.Before, got.Trouble.Direction, c.minutes, c.before, c.direction)
		}
	}
}

func TestSlowDirection(t *testing.T) {
	for _, c := range []struct {
		forward, backward int64 // that the ways grew by, in ms
		want              string
	}{
		{30, 0, "forward"},
		{0, 30, "backward"},
		{15, 15, "both ways"},
		{1, 0, ""}, // does not explain it: the clocks do not agree, and what is known is the variation
	} {
		points := minutes("........ss")
		for i := range points {
			points[i].Forward, points[i].Backward = &history.Delay{P50: 5e6}, &history.Delay{P50: 5e6}
			if i >= 8 {
				points[i].Forward.P50 += c.forward * 1e6
				points[i].Backward.P50 += c.backward * 1e6
			}
		}
		found := troubles(points)
		if len(found) != 1 || found[0].State != Slow || found[0].Direction != c.want {
			t.Errorf("%+v: %+v", c, found)
		}
	}
}

func TestTroublesOfATime(t *testing.T) {
	found := troubles(minutes("..ff.........xx......bbb"))
	if len(found) != 3 {
		t.Fatalf("found %+v", found)
	}
	for i, want := range []Trouble{{State: Loss, Direction: "forward", Lost: 120}, {State: NoReply, Lost: 1200}, {State: Loss, Direction: "backward", Lost: 180}} {
		if f := found[i]; f.State != want.State || f.Direction != want.Direction || f.Lost != want.Lost {
			t.Errorf("trouble %d is %+v, want %+v", i, f, want)
		}
	}
}

func TestStaleness(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{
		time.Second:        30 * time.Second,
		time.Minute:        3 * time.Minute,
		time.Hour:          3 * time.Hour,
		0:                  25 * time.Hour,
		7 * 24 * time.Hour: 14 * 24 * time.Hour,
	} {
		if got := staleAfter(history.Path{Every: every}); got != want {
			t.Errorf("reports each %s are missed after %s, want %s", every, got, want)
		}
	}
}

// A run that was hours ago, as that of a daily job, has no last hour to tell of.
func TestTroubleOfAnOldRun(t *testing.T) {
	last := minutes("f")[0]
	path := history.Path{Every: 24 * time.Hour, Last: noon, Latest: last}
	got := diagnose(path, nil, noon.Add(3*time.Hour))
	if want := "10 % of packets lost forward, on the way to the target"; got.State != Loss || got.Trouble.What() != want {
		t.Errorf("%s: %q, want %q", got.State, got.Trouble.What(), want)
	}
	if !got.Trouble.Start.Equal(last.Start) || !got.Trouble.Before {
		t.Errorf("since %v, before that: %v", got.Trouble.Start, got.Trouble.Before)
	}
}

// Where packets are rarer than reports, most reports have none: the path is
// judged by the last packets, be they well or not.
func TestReportsWithoutPackets(t *testing.T) {
	idle := history.Point{Start: noon.Add(-10 * time.Second), End: noon, Reports: 1}
	for signs, want := range map[string]State{"..........": OK, ".......xxx": NoReply, ".......fff": Loss, "        ": OK} {
		path := history.Path{Every: 10 * time.Second, Interval: time.Minute, Last: noon, Latest: idle}
		if got := diagnose(path, minutes(signs), noon); got.State != want {
			t.Errorf("%q and a report without packets: %s, want %s", signs, got.State, want)
		}
	}
}

// A host that has no route is not one whose path is well.
func TestHostThatCannotSend(t *testing.T) {
	refused := history.Point{Start: noon.Add(-10 * time.Second), End: noon, Reports: 1, Suspect: []string{"this host refused to send 100 packets"}}
	path := history.Path{Every: 10 * time.Second, Interval: 100 * time.Millisecond, Last: noon, Latest: refused}
	got := diagnose(path, minutes(".........."), noon)
	if got.State != NoReply || got.Trouble.What() != "The prober could not send" {
		t.Errorf("%s, %+v", got.State, got.Trouble)
	}
}
