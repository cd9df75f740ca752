package reflector

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
)

// taken counts the tokens that n packets, so far apart, are given.
func taken(l *limits, from netip.Addr, start time.Time, n int, apart time.Duration) (ok int) {
	for i := range n {
		if l.take(from, start.Add(time.Duration(i)*apart).UnixNano()) == answered {
			ok++
		}
	}
	return ok
}

// A bucket gives a second's worth at once, at least 10, and then its rate.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct{ limit, burst int }{{1, 10}, {9, 10}, {10, 10}, {100, 100}, {3, 10}, {100_000, 100_000}} {
		l := newLimits(c.limit, 0)
		if got := taken(l, source(0), now, c.burst+5, 0); got != c.burst {
			t.Errorf("limit %d: %d of a burst of %d, want %d", c.limit, got, c.burst+5, c.burst)
		}
		if c.limit > 1000 {
			continue
		}
		// Ten seconds of three times the rate.
		apart := time.Second / time.Duration(3*c.limit)
		if got, want := taken(l, source(0), now.Add(apart), 30*c.limit, apart), 10*c.limit; got < want-1 || got > want {
			t.Errorf("limit %d: %d packets in 10 seconds, want %d", c.limit, got, want)
		}
		if got := taken(l, source(0), now.Add(time.Hour), 2*c.burst, 0); got != c.burst {
			t.Errorf("limit %d: %d of a burst after an hour, want %d", c.limit, got, c.burst)
		}
	}
	if got := taken(newLimits(0, 0), source(0), now, 100_000, 0); got != 100_000 {
		t.Errorf("%d of 100,000 packets without a limit", got)
	}
}

// A source is an IPv4 address, or an IPv6 /64.
func TestSources(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"0.0.0.1", "::1", false},
	} {
		l := newLimits(10, 0)
		taken(l, netip.MustParseAddr(c.a), now, 10, 0)
		if got := l.take(netip.MustParseAddr(c.b), now.UnixNano()) == rateLimited; got != c.same {
			t.Errorf("%s uses up the bucket of %s: %v, want %v", c.a, c.b, got, c.same)
		}
	}
}

// However many sources there are, none loses its bucket before it is full, and
// none gets a new one by making others.
func TestBucketsAreNotTakenAway(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(10, 0)
	const flood = 2 * bucketSets * bucketsPerSet
	if got := taken(l, source(0), now, 20, 0); got != 10 {
		t.Fatalf("%d packets, want 10", got)
	}
	shared := 0
	for n := range flood {
		if l.take(source(1+n), now.UnixNano()) != answered {
			shared++
		}
	}
	if got := taken(l, source(0), now, 20, 0); got != 0 {
		t.Errorf("%d packets more after a flood of others", got)
	}
	if shared == 0 {
		t.Errorf("%d sources have a bucket each in a table of %d", flood, bucketSets*bucketsPerSet)
	}
	// A second later all buckets of the flood are full, and anybody's.
	later := now.Add(time.Second)
	if got := taken(l, source(flood+1), later, 20, 0); got != 10 {
		t.Errorf("%d packets of a new source after the flood, want 10", got)
	}
}

// While all buckets of a set are in use, the sources beyond share one.
func TestNewcomersShareABucket(t *testing.T) {
	t.Parallel()
	var s bucketSet
	r, now := newRate(10), time.Now().UnixNano()
	use := func(source uint64) (ok int) {
		for range 20 {
			if s.take(source, now, r) {
				ok++
			}
		}
		return ok
	}
	for n := range uint64(bucketsPerSet + 1) {
		if got := use(1 + n); got != 10 {
			t.Errorf("source %d has %d packets, want 10", n, got)
		}
	}
	if got := use(100); got != 0 {
		t.Errorf("a newcomer has %d packets of the shared bucket, which is empty", got)
	}
}

func TestLimitWhenTheClockIsSet(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		l := newLimits(10, 10)
		taken(l, source(0), now, 20, 0)
		if got := taken(l, source(0), now.Add(step), 20, 0); got != 10 {
			t.Errorf("%d packets after the clock was set by %v, want 10", got, step)
		}
	}
	// Workers' packets are not in order, which is no such step.
	l := newLimits(10, 10)
	taken(l, source(0), now, 20, 0)
	if got := taken(l, source(0), now.Add(-time.Second), 20, 0); got != 0 {
		t.Errorf("%d packets of a worker that is a second behind", got)
	}
}

// The limit over all holds whoever sends, and a source at its own limit takes
// nothing of it.
func TestTotalLimit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(10, 50)
	if got := taken(l, source(0), now, 1000, 0); got != 10 {
		t.Fatalf("%d packets of one source, want 10", got)
	}
	got := map[reason]int{}
	for n := range 100 {
		got[l.take(source(1+n), now.UnixNano())]++
	}
	if got[answered] != 40 || got[rateLimitedTotal] != 60 {
		t.Errorf("of 100 sources: %v, want 40 answered, 60 beyond the total", got)
	}
}

// No worker gives what another has given.
func TestLimitsConcurrently(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(100, 700)
	var ok atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range 5 {
				ok.Add(int64(taken(l, source(n), now, 200, 0)))
			}
		})
	}
	all.Wait()
	if ok.Load() != 500 {
		t.Errorf("%d packets of 5 sources at 100 each", ok.Load())
	}
}

// What limits drop is counted and told by reason; junk and what is dropped for
// another reason takes no token.
func TestLimitsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(c *Config) { c.RateLimit, c.RateLimitTotal, c.Logging = 10, 15, LogOff }).start()
		s, other := g.sender(client), g.sender("[2001:db8:0:1::1]:40000")
		for range 20 {
			s.send(server, []byte("junk"))
		}
		g.sender("[2001:db8::1]:862").send(server, request(0, 1))
		for range 12 {
			s.send(server, request(0, 1))
			other.send(server, request(0, 1))
		}
		if a, b := len(s.replies()), len(other.replies()); a+b != 15 || a > 10 || b > 10 {
			t.Errorf("%d and %d replies, want 15 in all", a, b)
		}
		drops := g.drops()
		if drops[rateLimited]+drops[rateLimitedTotal] != 9 || drops[rateLimited] == 0 || drops[rateLimitedTotal] == 0 {
			t.Errorf("dropped %v", drops)
		}
		time.Sleep(time.Second)
		s.send(server, request(0, 1))
		if n := len(s.replies()); n != 1 {
			t.Errorf("%d replies a second later, want 1", n)
		}
		records, _ := g.sent()
		for _, why := range []reason{rateLimited, rateLimitedTotal} {
			if !slices.ContainsFunc(records, func(r events.Record) bool { return r.Reason == why.String() && r.Count == drops[why] }) {
				t.Errorf("no record tells of %d %v in %+v", drops[why], why, records)
			}
		}
		g.stop()
	})
}

// What the guards cost a packet.
func BenchmarkGuard(b *testing.B) {
	for _, bench := range []struct {
		name        string
		limit       int
		total       int
		sources     int
		provisioned bool
	}{
		{name: "off", sources: 1},
		{name: "limits, one source", limit: 1e7, total: 1e7, sources: 1},
		{name: "limits, 100,000 sources", limit: 1e7, total: 1e7, sources: 100_000},
		{name: "limited, 100,000 sources", limit: 1, total: 1, sources: 100_000},
		{name: "provisioned", provisioned: true, sources: 1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			cfg := (&recorder{}).config()
			cfg.RateLimit, cfg.RateLimitTotal = bench.limit, bench.total
			if bench.provisioned {
				cfg.Sessions = []Provisioned{{SSID: 1}}
			}
			w := assemble(cfg, []conn{sink{}}).workers[0]
			var peers []netip.AddrPort
			for n := range bench.sources {
				peers = append(peers, netip.AddrPortFrom(source(n), 40000))
			}
			ms := batch(b)[:1]
			m := &ms[0]
			m.N, m.Time = len(m.Buf), time.Now().UnixNano()
			var out reply
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				m.Peer = peers[n%bench.sources]
				m.Time += 1000
				w.guard(m, &out)
				w.limits.take(m.Peer.Addr(), m.Time)
			}
		})
	}
}
