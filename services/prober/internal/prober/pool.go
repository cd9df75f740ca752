package prober

import "sync"

// fewValues is the most values of an interval that goes through the pool.
const fewValues = 64

// poolSize bounds the intervals that wait to be used again.
const poolSize = 64

// pool keeps intervals for reuse by any session: thousands of slow ones need no
// second interval each.
type pool struct {
	mu   sync.Mutex
	free []*interval
}

func (p *pool) take() *interval {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return newInterval()
	}
	i := p.free[n-1]
	p.free = p.free[:n-1]
	return i
}

func (p *pool) put(i *interval) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < poolSize {
		p.free = append(p.free, i)
	}
}
