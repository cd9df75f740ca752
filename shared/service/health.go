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
	notes  map[string]func() error
}

// NewHealth returns a health that is ready once all the named checks, and any
// other that was set, are good.
func NewHealth(names ...string) *Health {
	h := &Health{checks: map[string]error{}, notes: map[string]func() error{}}
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

// Note adds something to be told with the readiness that does not enter into it:
// look returns nil, or what is wrong. It is called for each answer.
func (h *Health) Note(name string, look func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes[name] = look
}

// Reasons returns why the service is not ready, sorted by check; none: it is.
func (h *Health) Reasons() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return told(h.checks)
}

// Notes returns what else is wrong, sorted by name.
func (h *Health) Notes() []string {
	h.mu.Lock()
	looks := maps.Clone(h.notes)
	h.mu.Unlock()
	found := map[string]error{}
	for name, look := range looks {
		found[name] = look()
	}
	return told(found)
}

func told(faults map[string]error) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		if err := faults[name]; err != nil {
			list = append(list, fmt.Sprintf("%s: %v", name, err))
		}
	}
	return list
}
