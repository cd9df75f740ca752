// Package view is what a person sees of a test: a line for each reply, and a
// summary in the manner of ping; or one line of JSON for each report.
package view

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// Options say what is shown.
type Options struct {
	JSON       bool // reports as JSON, and nothing else
	Quiet      bool // no line for each reply
	Continuous bool // a line for each report instead of a summary
	Terminal   bool // somebody is watching
}

// linesPending bounds the lines that wait for a slow terminal; the packet path
// does not wait for it.
const linesPending = 1000

// View writes to a person or to a pipe. Its methods are safe for concurrent
// use.
type View struct {
	opt     Options
	replies chan prober.Reply
	size    int // octets of each packet, known before there is a reply

	mu  sync.Mutex
	out *bufio.Writer
}

// New makes a view that writes to w.
func New(w io.Writer, opt Options) *View {
	return &View{opt: opt, replies: make(chan prober.Reply, linesPending), out: bufio.NewWriter(w)}
}

// Seen gives the function that takes each reply, or nil where nobody wants to
// see them.
func (v *View) Seen() func(prober.Reply) {
	if v.opt.JSON || v.opt.Quiet || v.opt.Continuous || !v.opt.Terminal {
		return nil
	}
	return func(r prober.Reply) {
		select {
		case v.replies <- r:
		default: // the summary has it
		}
	}
}

// Run writes replies as they come, until ctx ends.
func (v *View) Run(ctx context.Context) error {
	for {
		select {
		case r := <-v.replies:
			v.print(replyLine(&r, v.size))
		case <-ctx.Done():
			v.drain()
			return nil
		}
	}
}

// drain writes the replies that came before a report.
func (v *View) drain() {
	for {
		select {
		case r := <-v.replies:
			v.print(replyLine(&r, v.size))
		default:
			return
		}
	}
}

// Begun announces a session.
func (v *View) Begun(e *events.RTT) {
	if v.opt.JSON || v.opt.Continuous {
		return
	}
	v.size = e.Session.Size
	v.print(begunText(e))
}

// Report shows a report.
func (v *View) Report(e *events.RTT) {
	v.drain()
	switch {
	case v.opt.JSON:
		b, err := json.Marshal(e)
		if err != nil {
			b = fmt.Appendf(nil, `{"error":%q}`, err)
		}
		v.print(string(b) + "\n")
	case v.opt.Continuous:
		v.print(reportLine(e))
	default:
		v.print(summary(e))
	}
}

func (v *View) print(s string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.WriteString(s)
	v.out.Flush()
}
