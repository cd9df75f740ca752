package page

import (
	"errors"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tinytwamp/services/logger/internal/history"
)

// fakePath is a path of which the history is made up.
type fakePath struct {
	history.Path
	base     time.Duration // of the round trip
	lossF    float64       // share, since bad
	lossB    float64
	slowF    time.Duration // what it grew by since bad
	slowB    time.Duration
	silent   bool // no reply since bad
	bad      time.Time
	end      time.Time // of the trouble; zero: it goes on
	unsynced bool
	unknown  bool // the reflector does not tell the direction of losses
}

// fakeStore is a history without files.
type fakeStore struct {
	mu      sync.Mutex
	paths   []fakePath
	broken  bool
	loading int
	waiting []chan struct{}
}

func (s *fakeStore) Paths() []history.Path {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]history.Path, len(s.paths))
	for i, p := range s.paths {
		list[i] = p.Path
	}
	return list
}

func (s *fakeStore) Loading() int { return s.loading }

func (s *fakeStore) find(id string) *fakePath {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.paths {
		if s.paths[i].ID == id {
			return &s.paths[i]
		}
	}
	return nil
}

func (s *fakeStore) Path(id string) (history.Path, bool) {
	if p := s.find(id); p != nil {
		return p.Path, true
	}
	return history.Path{}, false
}

var errFake = errors.New("the disk is on fire")

func (s *fakeStore) Series(id string, from, to time.Time, points int) (history.Series, error) {
	p := s.find(id)
	if p == nil || s.broken {
		return history.Series{}, errFake
	}
	if to.Before(p.First) {
		return history.Series{}, history.ErrRange
	}
	step := max(to.Sub(from)/time.Duration(points)+1, p.Every)
	step = step.Round(time.Second)
	series := history.Series{Path: p.Path, Step: step}
	for t := from.Truncate(step); t.Before(to); t = t.Add(step) {
		q := history.Point{Start: t, End: t.Add(step)}
		if !t.Before(p.First) && t.Before(p.Last) {
			q = p.at(t, step)
		}
		series.Points = append(series.Points, q)
	}
	return series, nil
}

func (s *fakeStore) Distribution(id string, _, _ time.Time, bars int) ([]history.Bar, error) {
	p := s.find(id)
	if p == nil || s.broken {
		return nil, errFake
	}
	var list []history.Bar
	low := float64(p.base) * 0.9
	for i := range bars {
		a, b := low*math.Pow(1.002, float64(i)), low*math.Pow(1.002, float64(i+1))
		x := float64(i-120) / 60
		n := 1000*math.Exp(-x*x) + 3*math.Exp(-float64(i)/300)
		list = append(list, history.Bar{From: int64(a), To: int64(b), N: uint64(n)})
	}
	return list, nil
}

func (s *fakeStore) Subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, ch)
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waiting = slices.DeleteFunc(s.waiting, func(c chan struct{}) bool { return c == ch })
	}
}

// tell says that there is something new.
func (s *fakeStore) tell() (listeners int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range s.waiting {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	return len(s.waiting)
}

// at makes up a time of a path.
func (p *fakePath) at(t time.Time, step time.Duration) history.Point {
	h := fnv.New64()
	h.Write([]byte(p.ID))
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(t.Unix()/int64(step/time.Second))))
	q := history.Point{
		Start: t, End: t.Add(step), Reports: int(step / p.Every), Sent: uint64(step / p.Interval), SentDSCP: 46,
		HopsForward: &history.Hops{Min: 7, Max: 7}, HopsBackward: &history.Hops{Min: 8, Max: 8}, ClocksValid: !p.unsynced,
	}
	bad := !p.bad.IsZero() && q.End.After(p.bad) && (p.end.IsZero() || t.Before(p.end))
	var slowF, slowB time.Duration
	var f, b uint64
	if bad {
		slowF, slowB = p.slowF, p.slowB
		f, b = binomial(r, q.Sent, p.lossF), binomial(r, q.Sent, p.lossB)
	}
	q.Lost = f + b
	if p.silent && bad {
		q.Lost, q.HopsForward, q.HopsBackward = q.Sent, nil, nil
		return q
	}
	if !p.unknown {
		q.LostForward, q.LostBackward = &f, &b
	}
	q.Received = q.Sent - q.Lost
	noise := 1 + 0.15*math.Sin(float64(t.Unix())/900)*r.Float64()
	q.RTT = spread(r, float64(p.base+slowF+slowB)*noise)
	half := float64(p.base) / 2
	if p.unsynced {
		half = float64(p.base) / 40
	}
	q.Forward, q.Backward = spread(r, half*noise+float64(slowF)), spread(r, half*noise+float64(slowB))
	jitter := q.RTT.P95 - q.RTT.P50
	q.JitterNs = &jitter
	return q
}

func binomial(r *rand.Rand, n uint64, p float64) (k uint64) {
	mean := float64(n) * p
	return uint64(min(max(mean+r.NormFloat64()*math.Sqrt(mean*(1-p))+0.5, 0), float64(n)))
}

func spread(r *rand.Rand, median float64) *history.Delay {
	wide := 1 + 0.5*r.Float64()*r.Float64()
	v := func(f float64) int64 { return int64(median * (1 + f*wide)) }
	return &history.Delay{N: 60, Min: v(-0.06), P25: v(-0.02), P50: v(0), P75: v(0.03), P95: v(0.12), P99: v(0.3), P999: v(0.6), Max: v(0.7), Mean: median}
}

// add adds a path, with what follows from the rest.
func (s *fakeStore) add(p fakePath, now time.Time) {
	if p.Every == 0 {
		p.Every = 10 * time.Second
	}
	p.Interval, p.Mode = 100*time.Millisecond, "stamp"
	if p.Last.IsZero() {
		p.Last = now
	}
	if p.First.IsZero() {
		p.First = p.Last.Add(-40 * 24 * time.Hour)
	}
	p.Latest = p.at(p.Last.Add(-p.Every), p.Every)
	for t := now.Add(-time.Hour).Truncate(time.Minute); t.Before(now); t = t.Add(time.Minute) {
		if !t.Before(p.First) && t.Before(p.Last) {
			q := p.at(t, time.Minute)
			q.Forward, q.Backward = nil, nil // as the history has it
			p.Spark = append(p.Spark, q)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths = append(s.paths, p)
}

// fleet is one path of each state, and some that are well.
func fleet(now time.Time) *fakeStore {
	s := &fakeStore{}
	path := func(id, target, address string, labels ...string) history.Path {
		p := history.Path{ID: id, Prober: "probe-ams", Target: target, Address: address, Labels: map[string]string{}}
		for i := 0; i+1 < len(labels); i += 2 {
			p.Labels[labels[i]] = labels[i+1]
		}
		return p
	}
	s.add(fakePath{Path: path("ams1", "ams-core", "192.0.2.1:862", "site", "ams"), base: 1200 * time.Microsecond}, now)
	s.add(fakePath{Path: path("fra1", "fra-edge", "[2001:db8:0:1::7]:862", "site", "fra", "role", "edge"), base: 12 * time.Millisecond, lossF: 0.04, lossB: 0.002, bad: now.Add(-23 * time.Minute)}, now)
	s.add(fakePath{Path: path("tyo1", "tokyo", "198.51.100.20:862", "site", "tyo"), base: 45 * time.Millisecond, slowB: 60 * time.Millisecond, bad: now.Add(-12 * time.Minute)}, now)
	lab := path("lab1", "lab-host", "203.0.113.9:862")
	lab.Last = now.Add(-17 * time.Minute)
	s.add(fakePath{Path: lab, base: 300 * time.Microsecond}, now)
	s.add(fakePath{Path: path("rtr1", "old-router", "203.0.113.77:862", "site", "ams"), base: 8 * time.Millisecond, silent: true, bad: now.Add(-48 * time.Minute), unsynced: true}, now)
	s.add(fakePath{Path: path("par1", "paris", "192.0.2.99:862", "site", "par"), base: 9 * time.Millisecond, lossF: 0.08, bad: now.Add(-50 * time.Minute), end: now.Add(-41 * time.Minute), unsynced: true, unknown: true}, now)
	return s
}
