package view

import (
	"fmt"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// live is what a continuous test shows.
type live struct {
	now, began time.Time
	every      time.Duration // between reports
	progress   prober.Progress
	board      *board
	last       *events.RTT // the last report, of a single session
}

// leastNotes are lines that are worth being used for remarks: an empty one, a
// target, and a remark.
const leastNotes = 3

// lines are at most so many: of one session its last report, of several a
// table, and remarks if there is room.
func (l *live) lines(most int, s style) []string {
	lines := []string{fit(l.head(), s.columns)}
	rows := l.board.rows()
	switch {
	case l.last == nil:
		lines = append(lines, s.paint(faint, fit(fmt.Sprintf("  the first report comes %v after the beginning", l.every), s.columns)))
	case len(rows) == 0:
		lines = append(lines, s.paint(faint, "  no target is tested now"))
	case len(rows) == 1 && rows[0].target.Address == l.last.Target.Address:
		lines = append(lines, summary(l.last, false, s)...)
	default:
		lines = append(lines, table(rows, most-len(lines), s)...)
		if len(lines)+leastNotes <= most {
			lines = append(lines, troubles(rows, s)...)
		}
	}
	for i, line := range lines {
		lines[i] = fit(line, s.columns)
	}
	if len(lines) > most {
		lines = append(lines[:most-1], s.paint(faint, "…"))
	}
	return lines
}

// head says how long the test runs, and what it did since it began.
func (l *live) head() string {
	text := fmt.Sprintf("%s  after %s", l.now.Local().Format(time.TimeOnly), span(l.now.Sub(l.began)))
	if l.progress.Sent > 0 {
		text += fmt.Sprintf(": %s sent, %s received", count(l.progress.Sent), count(l.progress.Received))
	}
	return text + fmt.Sprintf(", a report every %v", l.every)
}
