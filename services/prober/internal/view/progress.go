package view

import (
	"fmt"
	"time"

	"tinytwamp/services/prober/internal/prober"
)

// progressAfter is how long a test runs before it shows its progress.
const progressAfter = 2 * time.Second

// progressLine says how far a burst is that has run for so long.
func progressLine(p prober.Progress, ran time.Duration, columns int) string {
	if p.Planned == 0 || p.Sent == 0 {
		return ""
	}
	sent := min(p.Sent, p.Planned)
	open := p.Sent - min(p.Received, p.Sent)
	text := fmt.Sprintf("%4d %%  %s of %s sent, %s received, %s unanswered", int(100*float64(sent)/float64(p.Planned)),
		count(p.Sent), count(p.Planned), count(p.Received), percent(open, p.Sent))
	if sent == p.Planned {
		text += ", waiting for the last replies"
	} else {
		text += fmt.Sprintf(", %s left", span(time.Duration(float64(ran)*float64(p.Planned-sent)/float64(sent))))
	}
	return fit(text, columns)
}
