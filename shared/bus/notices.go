package bus

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	noticeInterval = 10 * time.Minute // between two of the same
	maxNotices     = 256              // that are remembered
)

// notices is a log that says things once which happen with every try.
type notices struct {
	*slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // by key: when it was said last
}

func newNotices(log *slog.Logger) *notices {
	return &notices{Logger: log, said: make(map[string]time.Time)}
}

// once logs, unless the same key was logged within the last ten minutes: then it
// logs at debug level.
func (n *notices) once(key string, level slog.Level, msg string, args ...any) {
	if n.repeated(key) {
		level = slog.LevelDebug
	}
	n.Log(context.Background(), level, msg, args...)
}

func (n *notices) repeated(key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if last, ok := n.said[key]; ok && now.Sub(last) < noticeInterval {
		return true
	}
	if len(n.said) >= maxNotices {
		clear(n.said)
	}
	n.said[key] = now
	return false
}

// forget has everything said again.
func (n *notices) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.said)
}
