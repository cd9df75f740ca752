package tail

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

func all(Line) bool { return true }

func TestNewestFirstAndBounded(t *testing.T) {
	tail := New()
	for i := range Size + 10 {
		tail.Add([]Line{{Text: fmt.Sprint(i)}})
	}
	lines := tail.Newest(3*Size, all)
	if len(lines) != Size {
		t.Fatalf("%d lines are held, want %d", len(lines), Size)
	}
	for i, l := range lines {
		if want := fmt.Sprint(Size + 9 - i); l.Text != want || l.Number != uint64(Size+10-i) {
			t.Fatalf("line %d is %q, number %d; want %q", i, l.Text, l.Number, want)
		}
	}
	few := tail.Newest(2, func(l Line) bool { return l.Text == "100" || l.Text == "99" || l.Text == "98" })
	if len(few) != 2 || few[0].Text != "100" || few[1].Text != "99" {
		t.Errorf("wanted lines are %v", few)
	}
}

func TestSubscribersAreTold(t *testing.T) {
	tail := New()
	news, cancel := tail.Subscribe()
	tail.Add(nil)
	select {
	case <-news:
		t.Error("told of nothing")
	default:
	}
	for range 3 { // a subscriber that does not listen holds up nobody
		tail.Add([]Line{{}})
	}
	<-news
	cancel()
	tail.Add([]Line{{}})
	select {
	case <-news:
		t.Error("told after its end")
	default:
	}
	(*Tail)(nil).Add([]Line{{}}) // where nobody looks
}

func TestLinesKnowTheirPath(t *testing.T) {
	target := netip.MustParseAddrPort("192.0.2.1:862")
	r := &events.RTT{Prober: "p1", Target: events.Target{Name: "t", Address: target}}
	lines := FromReport(events.Event{Source: "/prober/p1"}, r.Lines(time.Now()), r)
	if len(lines) != 2 || lines[0].Kind != events.KindRTT || lines[0].Instance != "p1" {
		t.Fatalf("lines of a report: %+v", lines)
	}
	e := events.Event{Source: "/reflector/r1", Type: events.TypeLog, Data: []byte(`{"service":"reflector","omitted":3,"records":[
		{"kind":"packet_received","peer":"198.51.100.7:50000","local":"[::ffff:192.0.2.1]:862","message":"<b>"},
		{"kind":"result_received","peer":"198.51.100.7:50000","local":"192.0.2.1:862","result":{"prober":"p2"}}]}`)}
	lines = append(lines, FromEvent(e, e.Lines())...)
	if len(lines) != 5 {
		t.Fatalf("lines: %+v", lines)
	}
	for i, want := range []bool{true, true, true, false, false} {
		if got := lines[i].Of("p1", target); got != want {
			t.Errorf("line %+v of the path: %v, want %v", lines[i], got, want)
		}
	}
	if lines[0].Of("p1", netip.AddrPortFrom(target.Addr(), 863)) {
		t.Error("a report of another port is of this path")
	}
	if lines[2].Service != "reflector" || lines[2].Instance != "r1" {
		t.Errorf("line of a record: %+v", lines[2])
	}
}
