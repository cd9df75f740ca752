package embedded

import (
	"fmt"
	"log/slog"
	"sync"
)

// serverLog hands what the server says to our log. Its notices are not for a
// user who only runs a logger; what it calls fatal ends its start, not us.
type serverLog struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error // the first one
}

func (l *serverLog) Noticef(format string, args ...any) { l.debug(format, args) }
func (l *serverLog) Debugf(format string, args ...any)  { l.debug(format, args) }
func (l *serverLog) Tracef(format string, args ...any)  { l.debug(format, args) }
func (l *serverLog) Warnf(format string, args ...any)   { l.warn(format, args) }
func (l *serverLog) Errorf(format string, args ...any)  { l.warn(format, args) }

func (l *serverLog) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, args...)
	}
	l.warn(format, args)
}

func (l *serverLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *serverLog) debug(format string, args []any) {
	l.log.Debug("nats server", "said", fmt.Sprintf(format, args...))
}

func (l *serverLog) warn(format string, args []any) {
	l.log.Warn("nats server", "said", fmt.Sprintf(format, args...))
}
