package service

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// NewLogger returns the program's own log on w: text for a person, JSON for a
// machine, as s says. Text is coloured on a terminal.
func NewLogger(w io.Writer, s Settings) *slog.Logger {
	if s.LogFormat == LogText || s.LogFormat != LogJSON && IsTerminal(w) {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level:      s.LogLevel,
			TimeFormat: lineTime,
			NoColor:    !WantsColour(w),
		}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: s.LogLevel}))
}

// IsTerminal tells whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// WantsColour tells whether to colour what is written to w. NO_COLOR is the
// convention of no-color.org.
func WantsColour(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && IsTerminal(w)
}
