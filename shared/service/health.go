package service

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// errUnchecked is the state of a check that has not been set yet.
var errUnchecked = errors.New("not checked yet")

// Health is whether a service is ready, by named checks. It is safe for
// concurrent use.
type Health struct {
	mu     sync.Mutex
	checks map[string]error // nil: good
}

// NewHealth returns a health that is ready once all the named checks, and any
// other that was set, are good.
func NewHealth(names ...string) *Health {
	h := &Health{checks: map[string]error{}}
	for _, name := range names {
		h.checks[name] = errUnchecked
	}
	return h
}

// Set states a check: nil is good, an error says what is wrong.
func (h *Health) Set(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = err
}

// Reasons returns why the service is not ready, sorted by check; none: it is.
func (h *Health) Reasons() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(h.checks)) {
		if err := h.checks[name]; err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", name, err))
		}
	}
	return reasons
}
