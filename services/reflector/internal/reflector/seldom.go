package reflector

import (
	"sync"
	"time"
)

// seldom keeps a warning whose cause goes on from flooding the log: it is due
// at once, and then at most once a minute.
type seldom struct {
	mu   sync.Mutex
	last time.Time // guarded by mu
}

func (s *seldom) due(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && now.Sub(s.last) < time.Minute {
		return false
	}
	s.last = now
	return true
}
