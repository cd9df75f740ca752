package prober

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// bench is a prober, a network and a reflector in a synctest bubble.
type bench struct {
	cfg       Config
	test      Test // of the target
	network   *udptest.Network
	reflector *reflector
	tap       *tap // once the prober has opened its socket
	tune      func(*tap)

	start, stopped time.Time
	reports        []*events.RTT
	madeAt         []time.Time // when each report was made
	mu             sync.Mutex  // of replies, which come from all sockets
	replies        []Reply
	outcome        Outcome
	metrics        *prometheus.Registry
}

// newBench makes one with a stateful reflector at reflectorAddr and a burst of
// ten packets. It must be called inside a bubble.
func newBench(t *testing.T) *bench {
	b := &bench{network: udptest.New()}
	b.reflector = newReflector(t, b.network, true)
	b.test = Test{Count: 10, Interval: 100 * time.Millisecond, Timeout: 2 * time.Second, SSID: 4660, Padding: PadZero}
	b.cfg = Config{
		Name: "test", Targets: []Target{{Name: "r", Host: reflectorAddr.Addr().String(), Port: reflectorAddr.Port()}},
		ReportInterval: time.Second, Log: slog.New(slog.DiscardHandler),
		Listen: func(c udp.Config) (conn, error) {
			u, err := b.network.Listen(c)
			if err != nil {
				return nil, err
			}
			b.tap = newTap(u)
			if b.tune != nil {
				b.tune(b.tap)
			}
			return b.tap, nil
		},
		Begun: func(*events.RTT) {},
		Report: func(e *events.RTT, _ string) {
			b.reports = append(b.reports, e)
			b.madeAt = append(b.madeAt, time.Now())
		},
		Seen: func(r Reply) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.replies = append(b.replies, r)
		},
	}
	return b
}

// run runs the test, for at most so long if that is not 0.
func (b *bench) run(t *testing.T, limit time.Duration) {
	t.Helper()
	served := make(chan struct{})
	go func() {
		defer close(served)
		b.reflector.serve()
	}()
	defer func() {
		b.reflector.conn.Close()
		<-served
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.start = time.Now()
	if limit > 0 {
		b.stopped = b.start.Add(limit)
		stop := time.AfterFunc(limit, cancel)
		defer stop.Stop()
	}
	for i := range b.cfg.Targets {
		b.cfg.Targets[i].Test = b.test
	}
	p := New(b.cfg)
	b.metrics = prometheus.NewPedanticRegistry()
	p.Register(b.metrics)
	var err error
	if b.outcome, err = p.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// expect computes what must have been reported.
func (b *bench) expect() (*model, []*events.RTT) {
	m := &model{
		cfg: b.cfg, test: b.test, local: b.tap.LocalAddr(), start: b.start, stopped: b.stopped,
		attempts: b.tap.attempts, arrivals: b.tap.arrivals,
	}
	return m, m.run()
}

func (b *bench) forward(p udptest.Path) { b.network.SetPath(proberAddr, reflectorAddr.Addr(), p) }
func (b *bench) back(p udptest.Path)    { b.network.SetPath(reflectorAddr.Addr(), proberAddr, p) }

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newBench(t)) })
}

// chances are what can happen to a packet, each with its probability.
type chances struct {
	lost, doubled, overtaken, late, rerouted, remarked float64
}

// scenario is a random test.
type scenario struct {
	seed           uint64
	rng            *rand.Rand
	there, back    chances
	base, interval time.Duration
	timeout        time.Duration
	odd            float64 // replies that are strange
	junk           float64 // replies that come with something else
	restart        int     // before this request the reflector begins anew, -1: never
}

func some(r *rand.Rand, p, most float64) float64 {
	if r.Float64() >= p {
		return 0
	}
	return r.Float64() * most
}

// random draws a scenario, and sets a bench up for it. It returns how long the
// test is to run at most, 0: to its end.
func random(seed uint64, b *bench) (*scenario, time.Duration) {
	r := rand.New(rand.NewPCG(seed, 0))
	s := &scenario{seed: seed, rng: r, restart: -1}
	draw := func() chances {
		return chances{
			lost: some(r, 0.7, 0.4), doubled: some(r, 0.3, 0.3), overtaken: some(r, 0.3, 0.3),
			rerouted: some(r, 0.3, 0.2), remarked: some(r, 0.3, 0.2),
		}
	}
	s.there, s.back = draw(), draw()
	if r.IntN(2) == 0 { // the reflector's numbers tell all
		s.there.doubled, s.there.overtaken = 0, 0
	}
	s.back.late = some(r, 0.3, 0.2)
	s.odd, s.junk = some(r, 0.3, 0.3), some(r, 0.3, 0.2)
	s.interval = time.Duration(1e6 + r.Int64N(20e6))
	s.timeout = s.interval * time.Duration(2+r.IntN(20))
	s.base = time.Duration(1 + r.Int64N(int64(s.interval)))
	c := &b.test
	c.Interval, c.Timeout = s.interval, s.timeout
	c.Count = uint64(1 + r.IntN(60))
	b.cfg.Continuous = r.IntN(2) == 0
	b.cfg.ReportInterval = s.interval/2 + time.Duration(r.Int64N(int64(25*s.interval)))
	c.DSCP = stamp.DSCP(r.IntN(64))
	c.Mode, c.Timestamp.Format, c.Schedule = Mode(r.IntN(2)), stamp.Format(r.IntN(2)), Schedule(r.IntN(2))
	c.Samples = max(0, s.of(6, 0).IntN(60)-20)
	if r.IntN(4) == 0 {
		s.restart = r.IntN(30)
	}
	f := &b.reflector
	(*f).stateful = r.IntN(4) > 0
	(*f).format = stamp.Format(r.IntN(2))
	(*f).offset = time.Duration(r.Int64N(40*365*24*3600*1e9)) - 10*365*24*time.Hour
	if r.IntN(8) == 0 {
		(*f).next = uint32(r.IntN(100))
	}
	(*f).behave = s.behave
	b.network.SetFeatures(udp.Features{
		RxTimestamps: r.IntN(4) > 0, TxTimestamps: r.IntN(4) > 0, TTL: r.IntN(4) > 0, TOS: r.IntN(4) > 0, PacketInfo: r.IntN(4) > 0,
	})
	b.tune = func(t *tap) {
		t.txDelay = func(i int) (time.Duration, bool) {
			q := s.of(3, i)
			return time.Duration(q.Int64N(int64(3*s.base)) - 1000), q.IntN(8) > 0
		}
		t.userTime = func(i int) bool { return s.of(4, i).IntN(8) == 0 }
		for range 60 {
			var err error
			if some(r, 0.1, 1) > 0 {
				err = syscall.EPERM
			}
			t.FailWrites(err)
		}
	}
	b.forward(s.path(1, s.there))
	b.back(s.path(2, s.back))
	if b.cfg.Continuous || r.IntN(4) == 0 {
		return s, time.Duration(1 + r.Int64N(int64(60*s.interval)))
	}
	return s, 0
}

// of is the randomness of the i-th thing of a kind: independent of the order
// in which things happen.
func (s *scenario) of(kind, i int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, uint64(kind)<<32|uint64(i)))
}

// path is a direction of the network. No two times are alike, so that nothing
// depends on the order of what happens at the same time.
func (s *scenario) path(kind int, c chances) udptest.Path {
	return func(p udptest.Packet) (all []udptest.Delivery) {
		r := s.of(kind, p.Index)
		if r.Float64() < c.lost {
			return nil
		}
		d := udptest.Delivery{Delay: s.base + time.Duration(r.IntN(1000)), TTL: 250, TOS: p.TOS}
		if r.Float64() < c.overtaken {
			d.Delay += time.Duration(r.Int64N(int64(3 * s.interval)))
		}
		if r.Float64() < c.late {
			d.Delay += s.timeout/2 + time.Duration(r.Int64N(int64(s.timeout)))
		}
		if r.Float64() < c.rerouted {
			d.TTL = 240 + r.IntN(15)
		}
		if r.Float64() < c.remarked {
			d.TOS = r.IntN(256)
		}
		all = append(all, d)
		for r.Float64() < c.doubled {
			d.Delay += time.Duration(1 + r.Int64N(int64(2*s.interval)))
			all = append(all, d)
		}
		return all
	}
}

// behave is what the reflector does with the i-th request.
func (s *scenario) behave(i int, a *answering) {
	r := s.of(5, i)
	a.processing = time.Duration(r.Int64N(int64(s.base)))
	a.restart = i == s.restart
	if r.Float64() < s.odd {
		s.distort(r, a)
	}
	if r.Float64() < s.junk {
		a.extra = append(a.extra, s.stranger(r, a.reply))
	}
}

// distort makes a reply that still answers its request a strange one.
func (s *scenario) distort(r *rand.Rand, a *answering) {
	p := &a.reply
	switch r.IntN(7) {
	case 0:
		p.SSID = 0
	case 1:
		p.ReceiveTimestamp = 0
	case 2:
		p.ErrorEstimate |= 1 << 14 // PTP
		p.Timestamp = 5<<32 | 1_000_000_000
	case 3:
		p.Timestamp = p.ReceiveTimestamp - 1<<30
	case 4:
		p.Timestamp = p.ReceiveTimestamp + 1000<<32
	case 5:
		p.SenderTTL = 0
	default:
		a.size = 36 + r.IntN(9)
	}
}

// stranger is a datagram from the reflector that answers nothing.
func (s *scenario) stranger(r *rand.Rand, p stamp.ReflectorPacket) []byte {
	switch r.IntN(5) {
	case 0:
		p.SenderTimestamp ^= 1
	case 1:
		p.SSID = 7
	case 2:
		p.SenderSequence += 1 + r.Uint32N(1<<30)
	case 3:
		return make([]byte, r.IntN(36))
	default:
		return make([]byte, roomForReplies+1)
	}
	b, _ := p.AppendBinary(nil)
	return b
}
