// Package prober is the Session-Sender: it tests one or many targets with STAMP
// (RFC 8762) or TWAMP Light (RFC 5357 appendix I), and reports what became of
// each packet.
package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

const (
	// fineInterval is the interval below which microseconds of a packet's time
	// are worth spinning for.
	fineInterval = 5 * time.Millisecond
	clockEvery   = 10 * time.Second // how often the kernel is asked how good its clock is
	// receiveBuffer holds the replies that come while the process waits for a
	// CPU: at 10,000 packets/s, some hundred milliseconds of them.
	receiveBuffer = 4 << 20
	// roomForReplies is the least room for one: replies should be as long as
	// their requests, but need not be.
	roomForReplies = 2048
)

// Config is what a test is made from.
type Config struct {
	Name           string // of this instance
	Targets        []Target
	Count          uint64 // packets to each address
	Continuous     bool
	ReportInterval time.Duration // of a continuous test
	Interval       time.Duration
	Schedule       Schedule
	Spin           bool // before each packet, if the interval is below fineInterval
	Realtime       bool
	Timeout        time.Duration
	Source         netip.AddrPort // zero: any
	ReflectorState ReflectorState
	DSCP           uint8
	SSID           uint16 // 0: random
	Mode           Mode
	Format         stamp.Format
	Size           int // 0: as the message needs
	TLVs           TLVs
	Padding        Padding
	Message        string
	Samples        int // packets that each report lists, at most [events.MaxSamples]

	Listen func(udp.Config) (conn, error) // opens a socket
	Report func(e *events.RTT, last bool) // takes each report, one at a time; last: of its session
	Begun  func(*events.RTT)              // takes each session that begins: a report without figures
	Seen   func(Reply)                    // takes each reply; must not wait; may be nil
	Log    *slog.Logger
}

// Listen opens a real socket.
func Listen(c udp.Config) (conn, error) { return udp.Listen(c) }

// Outcome is how a test went.
type Outcome struct {
	Sessions   int // addresses tested
	Answered   int // of these, at least once
	Unresolved int // names without an address
}

// Prober runs a test.
type Prober struct {
	cfg   Config
	clock atomic.Pointer[udp.Clock]
	ready *mailbox[*sealed]
}

// New makes a prober.
func New(cfg Config) *Prober {
	p := &Prober{cfg: cfg, ready: newMailbox[*sealed](0)}
	p.readClock()
	return p
}

// Run tests all targets: a burst to its end, a continuous test until ctx ends.
// Whatever was measured until then is reported.
func (p *Prober) Run(ctx context.Context) (Outcome, error) {
	var out Outcome
	addresses, unresolved := p.resolve(ctx)
	out.Unresolved = unresolved
	if len(addresses) == 0 {
		return out, nil
	}
	links := make(map[bool]*link) // by whether it is IPv4
	defer func() {
		for _, l := range links {
			l.conn.Close()
		}
	}()
	var sessions []*session
	var failed error
	start := time.Now()
	for i, a := range addresses {
		// Many targets share the interval evenly instead of being sent to at once.
		at := start.Add(p.cfg.Interval * time.Duration(i) / time.Duration(len(addresses)))
		s, err := p.open(links, a, at)
		if err != nil {
			p.cfg.Log.Error("target left out", "target", a.target.Name, "address", a.at, "err", err)
			failed = errors.Join(failed, err)
			continue
		}
		sessions = append(sessions, s)
	}
	if len(sessions) == 0 {
		return out, failed
	}
	out.Sessions = len(sessions)
	err := p.test(ctx, sessions, links, &out)
	return out, err
}

// address is one address of a target.
type address struct {
	target Target
	at     netip.AddrPort
}

// resolve finds the addresses of all targets. A name without one keeps the
// others from nothing.
func (p *Prober) resolve(ctx context.Context) (found []address, unresolved int) {
	seen := make(map[netip.AddrPort]bool)
	for _, t := range p.cfg.Targets {
		at, err := t.resolve(ctx, net.DefaultResolver)
		if err != nil {
			p.cfg.Log.Error("target left out", "target", t.Name, "err", err)
			unresolved++
		}
		for _, a := range at {
			if seen[a] {
				p.cfg.Log.Warn("address is tested already", "target", t.Name, "address", a)
				continue
			}
			found = append(found, address{t, a})
			seen[a] = true
		}
	}
	return found, unresolved
}

// open makes the session of one address, with its socket.
func (p *Prober) open(links map[bool]*link, a address, start time.Time) (*session, error) {
	l, err := p.link(links, a.at.Addr().Is4())
	if err != nil {
		return nil, err
	}
	return p.session(a, l, start)
}

// link gives the socket of an address family.
func (p *Prober) link(links map[bool]*link, is4 bool) (*link, error) {
	if l := links[is4]; l != nil {
		return l, nil
	}
	local := netip.AddrPortFrom(netip.IPv6Unspecified(), p.cfg.Source.Port())
	if is4 {
		local = netip.AddrPortFrom(netip.IPv4Unspecified(), p.cfg.Source.Port())
	}
	if a := p.cfg.Source.Addr(); a.IsValid() && !a.IsUnspecified() {
		if a.Is4() != is4 {
			return nil, fmt.Errorf("prober: the source address %v is of another family than a target: leave one of them out", a)
		}
		local = p.cfg.Source
	}
	c, err := p.cfg.Listen(udp.Config{
		Local: local, TxTimestamps: true, Errors: true, ReadBuffer: receiveBuffer, WriteBuffer: receiveBuffer,
	})
	if err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	f := c.Features()
	p.cfg.Log.Debug("kernel timestamps that a trial over loopback brought", "receive", f.RxDelivered, "transmit", f.TxDelivered)
	if !f.RxDelivered || !f.TxDelivered {
		p.cfg.Log.Warn("this host does not deliver all kernel timestamps: delays include some of its own",
			"receive", f.RxDelivered, "transmit", f.TxDelivered)
	}
	room := max(roomForReplies, p.cfg.Size+1)
	links[is4] = newLink(c, room, p.cfg.Spin && p.cfg.Interval < fineInterval, &p.clock)
	return links[is4], nil
}

// session makes the session of one address.
func (p *Prober) session(a address, l *link, start time.Time) (*session, error) {
	bare, ifIndex, err := scope(a.at)
	if err != nil {
		return nil, err
	}
	c := &p.cfg
	packet, err := Payload(c.Mode, c.Size, c.TLVs, c.DSCP, c.Padding, c.Message)
	if err != nil {
		return nil, fmt.Errorf("prober: size: %w", err)
	}
	pl := plan{
		target:  events.Target{Name: a.target.Name, Host: a.target.Host, Address: bare},
		ifIndex: ifIndex, mode: c.Mode, interval: c.Interval, schedule: c.Schedule, timeout: c.Timeout,
		dscp: c.DSCP, ssid: c.SSID, format: c.Format, payload: packet, samples: c.Samples,
	}
	if c.Padding == PadMessage {
		pl.message = c.Message
	}
	if c.Mode == ModeSTAMP && pl.ssid == 0 {
		pl.ssid = uint16(1 + rand.N(1<<16-1))
	}
	if c.Mode == ModeLight {
		pl.ssid = 0 // there the octets are padding
	}
	if c.Continuous {
		pl.every = c.ReportInterval
	} else {
		pl.count = c.Count
	}
	s := newSession(pl, l, start, p.ready.put, c.Seen)
	s.followUps.asked, s.asksCoS = c.TLVs.FollowUp, c.TLVs.ClassOfService
	s.ways.known, s.ways.stateless = c.ReflectorState == Stateful, c.ReflectorState == Stateless
	l.add(s)
	return s, nil
}

// test runs sessions until each has made its last report.
func (p *Prober) test(ctx context.Context, sessions []*session, links map[bool]*link, out *Outcome) error {
	running, finish := context.WithCancel(context.WithoutCancel(ctx))
	tasks := []service.Task{
		{Name: "clock", Run: p.watchClock},
		{Name: "reports", Run: func(context.Context) error {
			defer finish()
			return p.reports(running, len(sessions), out)
		}},
		{Name: "stop", Run: func(running context.Context) error {
			select {
			case <-ctx.Done():
				for _, s := range sessions {
					s.end(time.Now())
					s.out.call(s)
				}
			case <-running.Done():
			}
			return nil
		}},
	}
	for _, l := range links {
		tasks = append(tasks, service.Task{Name: "packets of " + l.local.String(), Run: func(ctx context.Context) error {
			if err := udp.OwnThread(p.cfg.Realtime); err != nil {
				p.cfg.Log.Warn("packets are sent and received without real-time priority", "err", err)
			}
			return l.run(ctx)
		}})
	}
	for _, s := range sessions {
		p.cfg.Begun(s.begin(p.cfg.Name))
	}
	return service.Run(running, tasks...)
}

// reports makes the reports that are ready, until each of so many sessions has
// made its last one.
func (p *Prober) reports(ctx context.Context, sessions int, out *Outcome) error {
	answered := make(map[*session]bool)
	for {
		ready, _ := p.ready.take()
		for _, r := range ready {
			e := r.report(p.cfg.Name, *p.clock.Load(), r.session.throttledSince())
			r.session.recycle(r.interval)
			if e.Received+e.Late > 0 && !answered[r.session] {
				answered[r.session] = true
				out.Answered++
			}
			p.cfg.Report(e, r.last)
			if r.last {
				sessions--
			}
		}
		if sessions == 0 {
			return nil
		}
		select {
		case <-p.ready.filled:
		case <-ctx.Done():
			return nil
		}
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
