package view

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

// show lets a view report sessions that have all begun before, and returns what
// it wrote.
func show(opt Options, reports ...*events.RTT) string {
	var b bytes.Buffer
	v := New(&b, opt)
	for _, e := range reports {
		if len(e.Session.Paths) == 0 {
			v.Begun(e)
		}
	}
	for _, e := range reports {
		v.Report(e, "test complete")
	}
	v.Close()
	return b.String()
}

// A burst in a pipe: up to four sessions are announced and summed up, and more
// than one are compared; more sessions are only compared.
func TestBurst(t *testing.T) {
	for name, reports := range map[string][]*events.RTT{
		"burst":          {burst()},
		"burst-several":  {lossy(), rewritten(), silent(), wide()},
		"burst-paths":    paths(),
		"burst-overview": append(fleet(11), wide()),
	} {
		got := show(Options{}, reports...)
		golden(t, name+".txt", got)
		narrow(t, got, 80)
	}
}

// A continuous test in a pipe is a line for each report.
func TestContinuous(t *testing.T) {
	got := show(Options{Continuous: true}, lossy(), silent(), wide()) + show(Options{Continuous: true}, paths()...)
	golden(t, "continuous.txt", got)
	narrow(t, got, 80)
}

// JSON is a line for each report, and nothing else: no announcement, no
// replies, no table.
func TestJSON(t *testing.T) {
	e := wide()
	e.Report.Start, e.Report.End = time.Date(2026, 2, 3, 14, 5, 5, 1, time.UTC), time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC)
	for _, continuous := range []bool{false, true} {
		got := show(Options{JSON: true, Terminal: true, Colour: true, Continuous: continuous}, e, e)
		one, two, _ := strings.Cut(got, "\n")
		if two != one+"\n" {
			t.Errorf("these are not two equal lines:\n%s", got)
		}
		golden(t, "report.json", one+"\n")
		var back events.RTT
		if err := json.Unmarshal([]byte(one), &back); err != nil || !reflect.DeepEqual(&back, e) {
			t.Errorf("read back (%v):\n%+v", err, back)
		}
	}
}

// watched is a view on a terminal that runs in a bubble, with its screen and what
// ends its Run.
func watched(t *testing.T, opt Options, test func(v *View, screen func() string, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt.Terminal = true
		var out safe
		v := New(&out, opt)
		stop := start(t, v)
		defer stop()
		test(v, func() string {
			synctest.Wait()
			return strings.Join(render(out.String(), 80), "\n")
		}, stop)
	})
}

// start runs a view until the function is called that it returns.
func start(t *testing.T, v *View) (stop func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- v.Run(ctx) }()
	return sync.OnceFunc(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Replies stand between the announcement and the summary, in their order.
func TestReplies(t *testing.T) {
	watched(t, Options{}, func(v *View, screen func() string, _ func()) {
		seen, all := v.Seen(), replies()
		v.Begun(burst())
		v.Begun(wide()) // its packets are longer
		seen(all[0])
		if got := screen(); !strings.Contains(got, "seq=0") {
			t.Errorf("the first reply is not to be seen:\n%s", got)
		}
		for _, r := range all[1:] {
			seen(r)
		}
		v.Report(burst(), "test complete")
		got := screen()
		golden(t, "replies.txt", got+"\n")
		narrow(t, got, 80)
	})
}

// Replies that come too fast to be read are not shown, unless they are few.
// Instead there is progress, until the summary.
func TestCrowd(t *testing.T) {
	for _, c := range []struct {
		sessions, planned int
		every             time.Duration
		replies           bool
	}{
		{1, 1000, 50 * time.Millisecond, true},
		{1, 1000, 49 * time.Millisecond, false},
		{3, 1000, 100 * time.Millisecond, false},
		{4, 24, time.Millisecond, true},
		{5, 24, time.Hour, false},
	} {
		var sent atomic.Uint64
		progress := func() prober.Progress {
			return prober.Progress{Planned: uint64(c.planned), Sent: sent.Load(), Received: sent.Load(), Sessions: c.sessions}
		}
		watched(t, Options{}, func(v *View, screen func() string, _ func()) {
			v.Follow(progress)
			e := burst()
			e.Session.IntervalNs = int64(c.every)
			for i := range c.sessions {
				e.Target.Name = fmt.Sprint("t", i)
				v.Begun(e)
			}
			seen := v.Seen()
			seen(replies()[0])
			sent.Store(uint64(c.planned / 2))
			time.Sleep(progressAfter + redrawEvery)
			got := screen()
			if strings.Contains(got, "seq=") != c.replies || strings.Contains(got, "  50 %") == c.replies {
				t.Errorf("%+v:\n%s", c, got)
			}
			for i := range c.sessions {
				e.Target.Name = fmt.Sprint("t", i)
				v.Report(e, "test complete")
			}
			v.Close()
			if got := screen(); strings.Contains(got, "50 %") {
				t.Errorf("the progress is still there:\n%s", got)
			}
		})
	}
}

func TestNobodyWatches(t *testing.T) {
	for _, opt := range []Options{{}, {Terminal: true, JSON: true}, {Terminal: true, Quiet: true}, {Terminal: true, Continuous: true}} {
		if New(nil, opt).Seen() != nil {
			t.Errorf("%+v takes replies", opt)
		}
	}
}

// In a pipe nothing is drawn anew, however long it takes.
func TestPipeIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opt := range []Options{{}, {Continuous: true}, {JSON: true}} {
			var out safe
			v := New(&out, opt)
			v.Follow(func() prober.Progress { return prober.Progress{Planned: 9, Sent: 5} })
			stop := start(t, v)
			v.Begun(burst())
			time.Sleep(time.Hour)
			stop()
			if got := out.String(); strings.Contains(got, "\x1b") || strings.Count(got, "\n") > 1 {
				t.Errorf("%+v: %q", opt, got)
			}
		}
	})
}

// A terminal that does not read must not hold up the packets.
func TestSeenDoesNotWait(t *testing.T) {
	seen := New(nil, Options{Terminal: true}).Seen()
	for range linesPending + 1 {
		seen(prober.Reply{})
	}
}

// safe is a buffer for several goroutines.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
