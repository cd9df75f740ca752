// Package prober is the Session-Sender: it tests one or many targets with STAMP
// (RFC 8762), TWAMP Light (RFC 5357 appendix I) or TWAMP (RFC 5357), and reports
// what became of each packet.
//
// Packets are the links' work (link.go): each is a socket with the goroutine
// that sends and receives on it. Which sessions there are is the roster's
// (roster.go), which follows the targets and the addresses of their names, and
// the control connections of TWAMP (controls.go): each has a goroutine that talks
// to the server (talk.go).
package prober

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp"
)

// clockEvery is how often the kernel is asked how good its clock is.
const clockEvery = 10 * time.Second

// Config is what a test is made from.
type Config struct {
	Name            string // of this instance
	Targets         []Target
	Continuous      bool
	ReportInterval  time.Duration // of a continuous test
	ResolveInterval time.Duration // after which a continuous test looks a name up again
	Spin            bool          // before each packet, if the interval is below fineInterval
	Realtime        bool

	// Resolve finds the addresses of a host name; network is ip, ip4 or ip6. It
	// is [net.Resolver.LookupNetIP].
	Resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)

	Listen func(udp.Config) (conn, error) // opens a socket

	// Dial opens a control connection, from an own address if that is valid. It
	// is [Dial].
	Dial func(ctx context.Context, local netip.Addr, to netip.AddrPort) (net.Conn, error)
	Rand io.Reader // of the keys of control connections

	Report func(e *events.RTT, ended string) // takes each report, one at a time; with a session's last one, why it ended
	Begun  func(*events.RTT)                 // takes each session that begins: a report without figures
	Seen   func(Reply)                       // takes each reply; must not wait; may be nil
	Log    *slog.Logger
}

// Listen opens a real socket.
func Listen(c udp.Config) (conn, error) { return udp.Listen(c) }

// Outcome is how a test went.
type Outcome struct {
	Sessions   int // addresses tested, each own port by itself
	Answered   int // of these, at least once
	Unresolved int // names without an address
	Cut        int // sessions of a burst that ended early, since their control connection was lost
}

// Prober runs a test.
type Prober struct {
	cfg      Config
	clock    atomic.Pointer[udp.Clock]
	ready    *mailbox[*sealed]  // intervals to be reported
	ended    *mailbox[*session] // that made their last report
	reloads  *mailbox[[]Target]
	dialing  chan struct{} // holds one for each control connection that is being set up
	counters counters
	tally    *tally
	pool     pool
}

// counters say how far a test is, and what a running one is worth to an
// operator.
type counters struct {
	planned, sent, received atomic.Uint64 // packets
	sessions                atomic.Int64  // that go on
	answered                atomic.Int64  // sessions, ever
	reloaded, refused       atomic.Uint64 // lists of targets
	unresolved              atomic.Uint64 // look-ups that failed

	controls                     atomic.Int64  // control connections that are there
	controlsFailed, controlsLost atomic.Uint64 // attempts at one, and those that were there
}

// Progress is how far a test is.
type Progress struct {
	Planned  uint64 // packets of all bursts; 0: continuous
	Sent     uint64
	Received uint64 // in time
	Sessions int    // that go on
}

// New makes a prober.
func New(cfg Config) *Prober {
	p := &Prober{
		cfg: cfg, ready: newMailbox[*sealed](0), ended: newMailbox[*session](0), reloads: newMailbox[[]Target](0),
		dialing: make(chan struct{}, talksAtOnce),
		tally:   newTally(),
	}
	p.readClock()
	return p
}

// Run tests all targets: a burst to its end, a continuous test until ctx ends.
// Whatever was measured until then is reported.
func (p *Prober) Run(ctx context.Context) (Outcome, error) {
	running, finish := context.WithCancel(context.WithoutCancel(ctx))
	defer finish()
	tasks, running := errgroup.WithContext(running)
	tasks.Go(func() error { return p.watchClock(running) })
	tasks.Go(func() error { return p.reports(running) })
	r := newRoster(running, p, tasks)
	err := r.run(ctx)
	finish()
	r.sockets.closeAll()
	err = errors.Join(err, tasks.Wait())
	out := r.outcome
	out.Answered = int(p.counters.answered.Load())
	return out, err
}

// Reload gives a continuous test other targets. Sessions whose target did not
// change go on without missing a packet. Targets that cannot be tested as they
// stand change nothing; the log says so.
func (p *Prober) Reload(targets []Target) { p.reloads.put(targets) }

// Refuse says why there are no other targets to reload: they cannot be read.
func (p *Prober) Refuse(err error) {
	p.counters.refused.Add(1)
	p.cfg.Log.Error("targets refused, the test goes on as before", "err", err)
}

// Progress tells how far the test is.
func (p *Prober) Progress() Progress {
	c := &p.counters
	return Progress{
		Planned: c.planned.Load(), Sent: c.sent.Load(), Received: c.received.Load(), Sessions: int(c.sessions.Load()),
	}
}

// reports makes the reports that are ready, until ctx ends.
func (p *Prober) reports(ctx context.Context) error {
	for {
		ready, _ := p.ready.take()
		for _, r := range ready {
			p.report(r)
		}
		select {
		case <-p.ready.filled:
		case <-ctx.Done():
			return nil
		}
	}
}

// report reports an interval of a session, and those of its group that are
// complete with it.
func (p *Prober) report(r *sealed) {
	s, clock := r.session, *p.clock.Load()
	since := s.throttledSince()
	e := r.report(p.cfg.Name, clock, since)
	if e.Received+e.Late > 0 && !s.answered {
		s.answered = true
		p.counters.answered.Add(1)
	}
	p.tally.add(e, r.interval)
	p.cfg.Report(e, r.why())
	for _, sum := range s.group.add(r) {
		p.cfg.Report(s.group.report(sum, p.cfg.Name, clock, since), sum.why())
	}
	s.recycle(r.interval)
	if r.last {
		p.ended.put(s)
	}
}

func (p *Prober) watchClock(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.readClock()
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Prober) readClock() {
	c := udp.ReadClock()
	p.clock.Store(&c)
}
