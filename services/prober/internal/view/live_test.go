package view

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// other is burst of a session with another target.
func other() *events.RTT {
	e := burst()
	e.Target.Name, e.Target.Address = "other.example", silent().Target.Address
	return e
}

// One session: its last report, in place. The head goes on between reports.
func TestLiveSingle(t *testing.T) {
	watched(t, Options{Continuous: true, Every: 10 * time.Second}, func(v *View, screen func() string, stop func()) {
		v.Begun(burst())
		time.Sleep(redrawEvery)
		if got := screen(); !strings.Contains(got, "after 0 s") || !strings.Contains(got, "the first report comes 10s after") {
			t.Errorf("at first:\n%s", got)
		}
		time.Sleep(10 * time.Second)
		v.Report(lossy(), "")
		time.Sleep(redrawEvery)
		if got := screen(); !strings.Contains(got, "3 lost") || strings.Contains(got, "first report") {
			t.Errorf("after a report:\n%s", got)
		}
		v.Report(burst(), "")
		time.Sleep(2 * time.Second)
		got := screen()
		if strings.Count(got, "---") != 2 || !strings.Contains(got, "after 13 s") || !strings.Contains(got, " 0 lost") {
			t.Errorf("after another:\n%s", got)
		}
		stop()
		v.Report(lossy(), "stopped")
		v.Close()
		if got := screen(); !strings.Contains(got, " 0 lost") {
			t.Errorf("in the end:\n%s", got)
		}
	})
}

// Several: the worst first. Who has ended leaves; a table of one is a summary.
func TestLiveTable(t *testing.T) {
	watched(t, Options{Continuous: true, Every: time.Second}, func(v *View, screen func() string, _ func()) {
		v.Begun(burst())
		v.Begun(other())
		v.Report(burst(), "")
		time.Sleep(redrawEvery)
		if got := screen(); !strings.Contains(got, "other.example (192.0.2.1:862)") || !strings.Contains(got, "no report yet") {
			t.Errorf("one has not reported:\n%s", got)
		}
		bad := other()
		bad.Lost = 1
		v.Report(bad, "")
		time.Sleep(redrawEvery)
		got := screen()
		if first, second := strings.Index(got, "other.example"), strings.Index(got, "reflector.example"); first > second {
			t.Errorf("the worse is not the first:\n%s", got)
		}
		v.Report(bad, "target removed")
		time.Sleep(redrawEvery)
		if got := screen(); strings.Contains(got, "other.example") {
			t.Errorf("who has ended is still there:\n%s", got)
		}
		v.Report(burst(), "")
		time.Sleep(redrawEvery)
		if got := screen(); strings.Contains(got, "other.example") || !strings.Contains(got, "round trip") {
			t.Errorf("one has ended:\n%s", got)
		}
		v.Report(burst(), "target removed")
		time.Sleep(redrawEvery)
		if got := screen(); !strings.Contains(got, "no target is tested now") {
			t.Errorf("both have ended:\n%s", got)
		}
	})
}

// A target that was changed has a new session before the old one has made its
// last report: by the same own port, or by another. Neither makes it a path, nor
// does the one take the other away.
func TestLiveChanged(t *testing.T) {
	for _, port := range []uint16{burst().Session.Source.Port(), 50001} {
		next := burst()
		next.Session.Source = netip.AddrPortFrom(next.Session.Source.Addr(), port)
		watched(t, Options{Continuous: true, Every: time.Second}, func(v *View, screen func() string, _ func()) {
			v.Begun(burst())
			v.Begun(other())
			v.Report(burst(), "")
			v.Begun(next)
			v.Report(burst(), "changed")
			time.Sleep(redrawEvery)
			if got := screen(); !strings.Contains(got, "reflector.example") || strings.Contains(got, "from port") {
				t.Errorf("before the first report from port %d:\n%s", port, got)
			}
			v.Report(next, "")
			time.Sleep(redrawEvery)
			if got := screen(); !strings.Contains(got, "reflector.example") || strings.Contains(got, "from port") {
				t.Errorf("after a report from port %d:\n%s", port, got)
			}
			v.Report(next, "removed")
			time.Sleep(redrawEvery)
			if got := screen(); strings.Contains(got, "reflector.example") {
				t.Errorf("who has ended is still there:\n%s", got)
			}
		})
	}
}

// The only path that could be opened of several is named by its port, below the
// sum.
func TestLiveSinglePath(t *testing.T) {
	watched(t, Options{Continuous: true, Every: time.Second}, func(v *View, screen func() string, _ func()) {
		v.Begun(burst())
		v.Report(burst(), "")
		sum := burst()
		sum.Session.Paths = []uint16{burst().Session.Source.Port()}
		v.Report(sum, "")
		time.Sleep(redrawEvery)
		if got := screen(); strings.Count(got, "reflector.example") != 1 || strings.Count(got, "from port") != 1 {
			t.Errorf("got\n%s", got)
		}
	})
}

// In a pipe those that have ended are forgotten, too: what follows from another
// own port is no path.
func TestPipeForgetsTheEnded(t *testing.T) {
	var out safe
	v := New(&out, Options{Continuous: true, Every: time.Second})
	for port := range uint16(3) {
		e := burst()
		e.Session.Source = netip.AddrPortFrom(e.Session.Source.Addr(), 50000+port)
		v.Begun(e)
		v.Report(e, "")
		v.Report(e, "changed")
		v.refresh(true)
	}
	if strings.Contains(out.String(), "from port") || len(v.board.groups) > 0 {
		t.Errorf("%d targets are kept, and it has\n%s", len(v.board.groups), out.String())
	}
}

// When the test is stopped the last whole intervals stay, though all sessions
// end. Who had none shows what there is.
func TestLiveEnds(t *testing.T) {
	watched(t, Options{Continuous: true, Every: time.Second}, func(v *View, screen func() string, stop func()) {
		v.Begun(burst())
		v.Begun(other())
		v.Report(lossy(), "")
		stop()
		v.Report(burst(), "stopped")
		v.Report(other(), "stopped")
		v.Close()
		got := screen()
		if !strings.Contains(got, "     30 %  10.14 ms") || !strings.Contains(got, "other.example (192.0.2.1:862)       0 %  10.14 ms") {
			t.Errorf("in the end:\n%s", got)
		}
	})
}

// Lines of others come above what is drawn in place, and stay whole.
func TestBeside(t *testing.T) {
	var out safe
	v := New(&out, Options{Continuous: true, Terminal: true, Every: time.Second})
	log := v.Beside(&out)
	io.WriteString(log, "before\n")
	v.Begun(burst())
	v.Report(burst(), "")
	v.refresh(true)
	io.WriteString(log, "between\n")
	v.Report(lossy(), "")
	v.refresh(true)
	io.WriteString(log, "behind\n")
	got := render(out.String(), 80)
	if strings.Join(got[:3], " ") != "before between behind" || !strings.Contains(got[3], ", a report every 1s") || !strings.Contains(got[5], "3 lost") || len(got) != 15 {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// A terminal that was made narrower has broken lines: they are cleared as well.
func TestNarrowed(t *testing.T) {
	var out safe
	columns := 80
	s := newScreen(&out, func() (int, int) { return columns, 24 })
	s.draw([]string{strings.Repeat("x", 60), "y"})
	columns = 40
	s.draw([]string{"z"})
	if got := out.String(); !strings.HasSuffix(got, "\r\x1b[3A\x1b[2Kz\n\x1b[J") {
		t.Errorf("got %q", got)
	}
}

// render is what a terminal shows that is so wide, and endlessly high.
func render(output string, columns int) []string {
	lines, row, column := [][]string{nil}, 0, 0
	for output != "" {
		size, width := next(output)
		if strings.HasPrefix(output, "\x1b[") {
			size = 3 + strings.IndexFunc(output[2:], func(r rune) bool { return r >= '@' })
		}
		part := output[:size]
		output = output[size:]
		switch {
		case part == "\r":
			column = 0
		case part == "\n":
			row, column = row+1, 0
			if row == len(lines) {
				lines = append(lines, nil)
			}
		case part == "\x1b[2K":
			lines[row] = nil
		case part == "\x1b[J":
			lines, lines[row] = lines[:row+1], lines[row][:min(column, len(lines[row]))]
		case strings.HasPrefix(part, "\x1b[") && strings.HasSuffix(part, "A"):
			for n := number(part); n > 0 && row > 0; n-- {
				row--
			}
		case strings.HasPrefix(part, "\x1b["): // colours
		default:
			if column+width > columns {
				row, column = row+1, 0
				if row == len(lines) {
					lines = append(lines, nil)
				}
			}
			for len(lines[row]) < column+width {
				lines[row] = append(lines[row], "")
			}
			lines[row][column] = part
			column += width
		}
	}
	var text []string
	for _, l := range lines {
		text = append(text, strings.Join(l, ""))
	}
	for len(text) > 0 && text[len(text)-1] == "" {
		text = text[:len(text)-1]
	}
	return text
}

// number is the parameter of a control sequence.
func number(sequence string) int {
	n := 0
	for _, r := range sequence {
		if r >= '0' && r <= '9' {
			n = 10*n + int(r-'0')
		}
	}
	return n
}
