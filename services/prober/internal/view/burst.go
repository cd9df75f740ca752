package view

import (
	"fmt"
	"math"

	"tinytwamp/services/prober/internal/prober"
)

const (
	// linesPending bounds the lines that wait for a slow terminal; the packet
	// path does not wait for it.
	linesPending = 1000
	few          = 4  // sessions that each have lines of their own
	readable     = 20 // replies a second that can be read as they come
	screenful    = 24 // replies that can be read when all are there
)

// Seen gives the function that takes each reply, or nil where nobody wants to
// see them.
func (v *View) Seen() func(prober.Reply) {
	if v.opt.JSON || v.opt.Quiet || v.opt.Continuous || !v.opt.Terminal {
		return nil
	}
	return func(r prober.Reply) {
		if v.crowded.Load() {
			return
		}
		select {
		case v.replies <- r:
		default: // the summary has it
		}
		select {
		case v.replied <- struct{}{}:
		default:
		}
	}
}

// announce names the sessions of a burst, and decides whether replies are
// shown: so late that all sessions are known.
func (v *View) announce() {
	if v.announced || v.opt.Continuous {
		return
	}
	v.announced = true
	v.crowded.Store(v.board.sessions > few || v.rate > readable && v.progress().Planned > screenful)
	if v.board.sessions > few {
		v.screen.print(fmt.Sprintf("%s with %s\n", many(uint64(v.board.sessions), "session"), many(uint64(len(v.board.groups)), "target")))
	} else {
		for _, e := range v.starting {
			v.screen.print(begunText(e, v.board.isPath(e), v.style()))
		}
	}
	v.starting = nil
}

// drain shows the replies that came before a report.
func (v *View) drain() {
	for {
		select {
		case r := <-v.replies:
			v.reply(&r)
		default:
			return
		}
	}
}

func (v *View) reply(r *prober.Reply) {
	if v.announce(); !v.crowded.Load() {
		v.screen.print(replyLine(r, v.board.size(r.Target, r.Size), v.style()))
	}
}

// result is the table of a burst. Where there were too many sessions for a
// summary of each, the remarks on those in trouble follow.
func (v *View) result() []string {
	s, rows := v.style(), v.board.rows()
	lines := table(rows, math.MaxInt, s)
	if v.board.sessions > few {
		lines = append(lines, troubles(rows, s)...)
	}
	return lines
}
