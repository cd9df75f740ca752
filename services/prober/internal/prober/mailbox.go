package prober

import "sync"

// mailbox hands values from the packet path to a slower reader, without making
// the packet path wait.
type mailbox[T any] struct {
	filled chan struct{} // has a token while something may be there
	bound  int           // values kept; 0: any number

	mu     sync.Mutex
	values []T
	missed uint64 // values that found no place
}

func newMailbox[T any](bound int) *mailbox[T] {
	return &mailbox[T]{filled: make(chan struct{}, 1), bound: bound}
}

func (m *mailbox[T]) put(v T) {
	m.mu.Lock()
	if m.bound > 0 && len(m.values) == m.bound {
		m.missed++
	} else {
		m.values = append(m.values, v)
	}
	m.mu.Unlock()
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

// take empties the mailbox, and says how many values found no place since the
// last time.
func (m *mailbox[T]) take() (values []T, missed uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	values, missed = m.values, m.missed
	m.values, m.missed = nil, 0
	return values, missed
}
