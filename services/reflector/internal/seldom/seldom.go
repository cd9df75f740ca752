// Package seldom keeps warnings whose cause goes on from flooding the log.
package seldom

import (
	"sync"
	"time"
)

// Warning is due at once, and then at most once a minute. It is safe for
// concurrent use.
type Warning struct {
	mu   sync.Mutex
	last time.Time // guarded by mu
}

// Due says whether to warn now.
func (w *Warning) Due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() && now.Sub(w.last) < time.Minute {
		return false
	}
	w.last = now
	return true
}
