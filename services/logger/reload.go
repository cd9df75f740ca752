package main

import (
	"log/slog"

	"tinytwamp/shared/service"
)

// reopening returns the task that opens the log file anew at SIGHUP, after
// logrotate has moved it away. Without a log file the signal ends the logger with
// its terminal, as it does others.
func reopening(s service.Settings, readable *service.Readable, log *slog.Logger) []service.Task {
	if s.LogFile == "" {
		return nil
	}
	return []service.Task{service.OnHangup(func() {
		if err := readable.Reopen(); err != nil {
			log.Error("the log file stays the old one: make the path writable and send SIGHUP again", "err", err)
			return
		}
		log.Info("log file opened anew", "file", s.LogFile)
	})}
}
