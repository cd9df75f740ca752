package control

import (
	"errors"
	"net/netip"
	"sync"
)

// Limits bound what clients can take up. 0: no limit.
type Limits struct {
	Connections          int
	ConnectionsPerSource int // of an IPv4 address or an IPv6 /64
	Sessions             int
	SessionsPerSource    int // of an IPv4 address or an IPv6 /64
	SessionsPerKey       int // of a key id, in the protected modes
}

// Errors of [quota.take].
var (
	errAll  = errors.New("control: the bound of all is reached")
	errEach = errors.New("control: the bound of this one is reached")
)

// quota bounds how much there is at a time, of all and of each owner.
type quota[K comparable] struct {
	all, each int // set once; 0: no bound

	mu    sync.Mutex
	n     int       // guarded by mu
	owner map[K]int // guarded by mu
}

func newQuota[K comparable](all, each int) *quota[K] {
	return &quota[K]{all: all, each: each, owner: make(map[K]int)}
}

// take takes a place for an owner. What was taken has to be given back.
func (q *quota[K]) take(k K) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.each > 0 && q.owner[k] >= q.each:
		return errEach
	case q.all > 0 && q.n >= q.all:
		return errAll
	}
	q.n++
	q.owner[k]++
	return nil
}

func (q *quota[K]) give(k K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n--
	if q.owner[k]--; q.owner[k] == 0 {
		delete(q.owner, k)
	}
}

func (q *quota[K]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// source is what counts as one: an IPv6 /64 is one host's, or one site's.
func source(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.WithZone("").Prefix(bits) // an address that is none is a source, too
	return p
}
