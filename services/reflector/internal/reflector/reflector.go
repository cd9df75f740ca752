// Package reflector is the Session-Reflector: it answers STAMP (RFC 8762,
// RFC 8972) and TWAMP Light (RFC 5357 appendix I) test packets, and tells what
// it did in a test log.
package reflector

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"tinytwamp/services/reflector/internal/seldom"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// clockEvery is how often the kernel is asked how good its clock is.
const clockEvery = 10 * time.Second

// Config is what a reflector is made from.
type Config struct {
	Listen         []netip.AddrPort
	Named          bool             // a user named the addresses: each must work
	Advertise      []netip.AddrPort // addresses that probers see, behind NAT
	Allow          []netip.Prefix   // who is answered; empty: all
	AllowSymmetric []netip.Prefix   // who may send from a reflector's own port
	Sessions       []Provisioned    // the only ones that are answered; empty: all
	RateLimit      int              // packets/s of a source; 0: no limit
	RateLimitTotal int              // packets/s of all sources; 0: no limit

	Keys                 *stamp.Keys    // with which packets must authenticate; nil: none
	AllowUnauthenticated []netip.Prefix // who need not
	ReplayWindow         time.Duration  // how old an authentic packet may be, each of which is then answered once; 0: off
	CoSAllow             []stamp.DSCP   // for replies, where a Class of Service TLV asks for one; empty: all

	// Of sessions that TWAMP-Control negotiates.
	TestPorts PortRange
	RefWait   time.Duration // without packets, after which they end
	StopGrace time.Duration // how long they may go on when the reflector ends

	Stateless    bool
	SessionTable int // bound on sessions
	Workers      int // sockets and goroutines for each address
	Realtime     bool
	Strict       bool
	HideLocation bool // answer Location TLVs with zeros
	Logging      Logging

	Line    func(at time.Time, kind, text string) // writes one readable line
	Publish func(at time.Time, l *events.Log)     // sends test-log records; must not wait
	Bus     subscriber                            // where results come from; nil: nowhere
	Ready   func(name string, err error)          // readiness by check
	Log     *slog.Logger
}

// Reflector answers test packets.
type Reflector struct {
	cfg      Config
	conns    []conn
	table    *table // nil: stateless
	log      *testLog
	counters counters
	clock    atomic.Pointer[errorEstimates]
	keys     atomic.Pointer[stamp.Keys] // nil: none
	policy   policy
	limits   *limits
	sessions *sessions        // negotiated ones
	control  []netip.AddrPort // where they are negotiated
	workers  []*worker
	listen   func(udp.Config) (conn, error) // opens the sockets of test ports

	reported struct { // owned by the test log's goroutine
		drops              [reasons]uint64
		refused, displaced uint64 // with the last warning
		warning            seldom.Warning
	}
}

// New opens the sockets. Nothing is answered before [Reflector.Run].
func New(cfg Config) (*Reflector, error) {
	conns, err := listen(&cfg)
	if err != nil {
		return nil, err
	}
	warnIfOpen(&cfg, conns)
	return assemble(cfg, conns), nil
}

// assemble makes a reflector of open sockets.
func assemble(cfg Config, conns []conn) *Reflector {
	r := &Reflector{cfg: cfg, conns: conns, log: newTestLog(cfg.Line, cfg.Publish), listen: listenUDP}
	if !cfg.Stateless {
		r.table = newTable(cfg.SessionTable)
	}
	r.readClock()
	r.keys.Store(cfg.Keys)
	r.policy = policy{
		allow: cfg.Allow, symmetric: cfg.AllowSymmetric, sessions: bySSID(cfg.Sessions), strict: cfg.Strict,
		hideLocation: cfg.HideLocation, denied: deniedDSCPs(cfg.CoSAllow),
	}
	r.limits = newLimits(cfg.RateLimit, cfg.RateLimitTotal)
	for _, c := range conns {
		r.policy.ports = append(r.policy.ports, c.LocalAddr().Port())
	}
	r.sessions = &sessions{
		own: r.Addresses(), ports: cfg.TestPorts, next: cfg.TestPorts.First, refwait: cfg.RefWait,
		isOwn: isOwn, open: r.openTestPort, tell: r.log.record,
		sockets: make(map[netip.AddrPort]*testPort), empty: make(chan struct{}),
	}
	for i, c := range conns {
		w := r.newWorker(c)
		w.stamps = make([]stamped, stampsKept)
		if i%cfg.Workers > 0 {
			w.self = r.workers[i-1].self // one self-check for each address
		}
		r.workers = append(r.workers, w)
	}
	for _, a := range r.Addresses() {
		r.ready(a, errUnchecked)
	}
	return r
}

// newWorker makes the worker of a socket.
func (r *Reflector) newWorker(c conn) *worker {
	return &worker{
		conn: c, port: c.LocalAddr().Port(), policy: r.policy, limits: r.limits, table: r.table, sessions: r.sessions, log: r.log,
		logging: r.cfg.Logging, counters: &r.counters, clock: &r.clock, self: new(atomic.Pointer[netip.AddrPort]),
		prepare: r.ownThread,
		auth:    authenticator{current: &r.keys, open: r.cfg.AllowUnauthenticated}, window: r.cfg.ReplayWindow,
	}
}

func (r *Reflector) ready(at netip.AddrPort, err error) {
	r.cfg.Ready("reflecting on "+at.String(), err)
}

// Addresses are those that the reflector listens on.
func (r *Reflector) Addresses() []netip.AddrPort {
	var a []netip.AddrPort
	for i, c := range r.conns {
		if i%r.cfg.Workers == 0 {
			a = append(a, c.LocalAddr())
		}
	}
	return a
}

// Run answers until ctx ends, and then for as long as there are negotiated
// sessions and the grace for them lasts.
func (r *Reflector) Run(ctx context.Context) error {
	// The log outlives the workers, so that their last packets are in it.
	logCtx, endLog := context.WithCancel(context.WithoutCancel(ctx))
	logEnded := make(chan struct{})
	go func() {
		defer close(logEnded)
		r.runLog(logCtx)
	}()
	working, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, func() {
		r.sessions.drain(r.cfg.StopGrace)
		end()
	})
	defer stop()
	err := service.Run(working, r.tasks()...)
	r.sessions.close("reflector stopped")
	endLog()
	<-logEnded
	return err
}

// runLog keeps the test log until ctx ends, and closes it with the end of the
// sessions.
func (r *Reflector) runLog(ctx context.Context) {
	r.log.run(ctx, r.summarize)
	now := time.Now()
	r.summarize(now, r.log.add)
	if r.table != nil {
		r.table.drain(func(s session) { r.log.add(ended(s, now, "reflector stopped")) })
	}
	r.log.flush(now)
}

func (r *Reflector) tasks() []service.Task {
	tasks := []service.Task{{Name: "clock", Run: r.watchClock}}
	for i, w := range r.workers {
		at := w.conn.LocalAddr()
		tasks = append(tasks, service.Task{Name: "reflect on " + at.String(), Run: w.run})
		if i%r.cfg.Workers > 0 {
			continue
		}
		check := &selfCheck{
			target: loopbackOf(at), probe: w.self,
			set: func(err error) { r.ready(at, err) },
		}
		tasks = append(tasks, service.Task{Name: "self-check of " + at.String(), Run: check.run})
	}
	if r.cfg.Bus != nil {
		res := &results{
			bus: r.cfg.Bus, listening: append(r.Addresses(), r.control...), advertise: r.cfg.Advertise,
			table: r.table, sessions: r.sessions, log: r.log, slog: r.cfg.Log,
		}
		tasks = append(tasks, service.Task{Name: "results", Run: res.run})
	}
	return tasks
}

// ownThread gives the calling goroutine its thread, in which it then waits for
// packets, with real-time priority if the user wants it.
func (r *Reflector) ownThread() {
	if err := udp.OwnThread(r.cfg.Realtime); err != nil {
		r.cfg.Log.Warn("packets are answered without real-time priority", "err", err)
	}
}

func (r *Reflector) watchClock(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.readClock()
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *Reflector) readClock() {
	c := udp.ReadClock()
	var e errorEstimates
	for f := range e {
		e[f] = stamp.NewErrorEstimate(c.Error, c.Synchronized, stamp.Format(f))
	}
	r.clock.Store(&e)
}

// summarize adds the records of what happened since the last time and was only
// counted: sessions that ended, packets that were dropped.
func (r *Reflector) summarize(now time.Time, add func(events.Record)) {
	if r.table != nil {
		r.table.expire(now.UnixNano(), func(s session) { add(ended(s, now, "idle")) })
		r.tellPressure(now, add)
	}
	for why := range reasons {
		d := &r.counters.drops[why]
		count := r.dropped(why)
		if count > r.reported.drops[why] {
			add(events.Record{
				Time: now.UTC(), Kind: events.PacketDropped, Peer: d.lastPeer(), Reason: why.String(),
				Count: count - r.reported.drops[why],
			})
			r.reported.drops[why] = count
		}
	}
}

// tellPressure tells that sessions found no place or lost it.
func (r *Reflector) tellPressure(now time.Time, add func(events.Record)) {
	gone, untold := r.table.takeGone()
	for _, s := range gone {
		add(ended(s, now, "displaced by others"))
	}
	r.log.omitted.Add(untold)
	refused, displaced := r.table.pressure()
	last := &r.reported
	if refused == last.refused && displaced == last.displaced || !last.warning.Due(now) {
		return
	}
	r.cfg.Log.Warn("session table is full: silent sessions make room, or new ones are answered without state; "+
		"raise -session-table, or name the senders with -allow or the sessions with -sessions",
		"stateless_packets", refused-last.refused, "displaced_sessions", displaced-last.displaced)
	last.refused, last.displaced = refused, displaced
}

// dropped is how many packets were dropped for a reason so far.
func (r *Reflector) dropped(why reason) uint64 {
	if why != kernelBuffer {
		return r.counters.drops[why].count.Load()
	}
	var n uint64
	for _, c := range r.conns {
		n += c.Drops()
	}
	return n + r.sessions.dropped()
}

// Record puts a record into the test log. It never waits.
func (r *Reflector) Record(rec events.Record) { r.log.record(rec) }

func ended(s session, at time.Time, why string) events.Record {
	return events.Record{
		Time: at.UTC(), Kind: events.SessionEnded, Peer: s.key.peer, Local: s.key.local, SSID: s.key.ssid,
		Reason: why, Count: uint64(s.packets),
	}
}
