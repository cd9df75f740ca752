// Package view is what a person sees of a test. Of a burst: a line for each
// reply, its progress if it is long, a summary, and a table of several targets.
// Of a continuous test: the last reports, drawn in place on a terminal, a line
// each in a pipe. Or one line of JSON for each report.
package view

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// Options say what is shown.
type Options struct {
	JSON       bool          // reports as JSON, and nothing else
	Quiet      bool          // no line for each reply
	Continuous bool          // reports for as long as the test goes on, instead of a summary
	Terminal   bool          // somebody is watching
	Colour     bool          // somebody who wants colours
	Every      time.Duration // between the reports of a continuous test
}

// redrawEvery is how often what is drawn in place changes at most.
const redrawEvery = 250 * time.Millisecond

// View writes to a person or to a pipe. Its methods are safe for concurrent
// use.
type View struct {
	opt     Options
	replies chan prober.Reply // taken under mu, so that they keep their order
	replied chan struct{}     // there are some
	crowded atomic.Bool       // too many replies to show each

	mu        sync.Mutex
	screen    *screen
	board     board
	began     time.Time     // the first session
	rate      float64       // replies a second that are to come
	starting  []*events.RTT // the first sessions, until they are announced
	announced bool
	last      *events.RTT // the last report of a continuous test
	follow    func() prober.Progress
}

// New makes a view that writes to w.
func New(w io.Writer, opt Options) *View {
	size := func() (columns, rows int) {
		if f, ok := w.(interface{ Fd() uintptr }); ok && opt.Terminal {
			if columns, rows, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && rows > 0 {
				return columns, rows
			}
		}
		return pipe.columns, screenful
	}
	return &View{
		opt: opt, screen: newScreen(w, size),
		replies: make(chan prober.Reply, linesPending), replied: make(chan struct{}, 1),
	}
}

// Run shows what comes between reports, until ctx ends.
func (v *View) Run(ctx context.Context) error {
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-v.replied:
			v.mu.Lock()
			v.drain()
			v.mu.Unlock()
		case <-tick.C:
			// When the test is stopped all sessions end; their rows stay.
			v.refresh(ctx.Err() == nil)
		case <-ctx.Done():
			v.mu.Lock()
			v.drain()
			v.mu.Unlock()
			return nil
		}
	}
}

// Begun takes a session that begins.
func (v *View) Begun(e *events.RTT) {
	if v.opt.JSON {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.began.IsZero() {
		v.began = time.Now()
	}
	v.board.begin(e)
	v.rate += float64(time.Second) / float64(max(1, e.Session.IntervalNs))
	switch {
	case v.opt.Continuous:
	case !v.announced:
		if len(v.starting) <= few {
			v.starting = append(v.starting, e)
		}
	case v.board.sessions <= few:
		v.screen.print(begunText(e, v.board.isPath(e), v.style()))
	}
}

// Report takes a report; ended says why the session ends with it, if it does.
func (v *View) Report(e *events.RTT, ended string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drain()
	switch {
	case v.opt.JSON:
		b, err := json.Marshal(e)
		if err != nil {
			b = fmt.Appendf(nil, `{"error":%q}`, err)
		}
		v.screen.print(string(b) + "\n")
	case v.opt.Continuous && v.opt.Terminal:
		v.board.take(e, ended != "")
		if v.last == nil || ended == "" { // see board.take
			v.last = e
		}
	case v.opt.Continuous:
		v.screen.print(reportLine(e, v.board.isPath(e), v.style()))
		v.board.row(e).end(ended != "")
	default:
		v.announce()
		v.board.take(e, ended != "")
		v.screen.draw(nil)
		if v.board.sessions <= few {
			v.screen.print("\n" + join(summary(e, v.board.isPath(e), v.style())))
		}
	}
}

// Close shows what there is to say when all has ended.
func (v *View) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drain()
	switch {
	case v.opt.JSON:
	case v.opt.Continuous:
		v.screen.draw(v.area())
	case v.board.sessions > 1:
		v.screen.draw(nil)
		v.screen.print("\n" + join(v.result()))
	}
}

// refresh draws what is drawn in place.
func (v *View) refresh(purge bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opt.JSON || v.began.IsZero() {
		return
	}
	v.announce()
	if v.opt.Continuous && purge {
		v.board.purge()
	}
	v.screen.draw(v.area())
}

// area is what is drawn in place now.
func (v *View) area() []string {
	if !v.opt.Terminal {
		return nil
	}
	if v.opt.Continuous {
		l := live{now: time.Now(), began: v.began, every: v.opt.Every, progress: v.progress(), board: &v.board, last: v.last}
		_, rows := v.screen.size()
		return l.lines(rows-1, v.style())
	}
	if ran := time.Since(v.began); ran >= progressAfter && (v.opt.Quiet || v.crowded.Load()) {
		if line := progressLine(v.progress(), ran, v.style().columns); line != "" {
			return []string{line}
		}
	}
	return nil
}

// Follow tells the view how far the test is; progress must not wait.
func (v *View) Follow(progress func() prober.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.follow = progress
}

func (v *View) progress() prober.Progress {
	if v.follow == nil {
		return prober.Progress{}
	}
	return v.follow()
}

// leastColumns are those of a terminal that is narrower still.
const leastColumns = 40

func (v *View) style() style {
	columns, _ := v.screen.size()
	return style{columns: max(columns, leastColumns), colour: v.opt.Colour}
}
