package service

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// lineTime is the form of the time before a readable line.
const lineTime = "2006/01/02 15:04:05"

// Readable writes the readable log, a line for each thing that happened. It is
// safe for concurrent use.
type Readable struct {
	path   string // empty: stdout
	colour bool

	mu     sync.Mutex
	w      io.Writer
	file   *os.File // w, when path is not empty
	line   []byte   // reused
	failed uint64
}

// OpenReadable opens the log file that s names, to append to it, or takes
// stdout. Lines are coloured if stdout is a terminal.
func OpenReadable(s Settings, stdout io.Writer) (*Readable, error) {
	r := &Readable{path: s.LogFile, w: stdout}
	if r.path == "" {
		r.colour = WantsColour(stdout)
		return r, nil
	}
	return r, r.Reopen()
}

// Line writes text behind its time as one line with one system call, so that
// lines of several processes in one file stay whole. The text must be
// printable: escape what came from the network. A line that cannot be written
// is counted, see [Readable.Failed].
func (r *Readable) Line(at time.Time, kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	colour := ""
	if r.colour {
		colour = kindColours[kind]
	}
	b := append(r.line[:0], colour...)
	b = at.Local().AppendFormat(b, lineTime)
	b = append(b, ' ')
	b = append(b, text...)
	if colour != "" {
		b = append(b, colourOff...)
	}
	b = append(b, '\n')
	r.line = b
	if _, err := r.w.Write(b); err != nil {
		r.failed++
	}
}

// Failed returns how many lines could not be written, for want of space for
// instance.
func (r *Readable) Failed() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Reopen opens the log file anew, after logrotate has moved it away. If that
// fails, lines go on to the old one. On stdout it does nothing.
func (r *Readable) Reopen() error {
	if r.path == "" {
		return nil
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("cannot open the log file: %w", err)
	}
	r.mu.Lock()
	old := r.file
	r.file, r.w = f, f
	r.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.Close()
}

// Close closes the log file, not stdout.
func (r *Readable) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// colourOff ends a colour of kindColours.
const colourOff = "\x1b[0m"

// kindColours are the ANSI colours of lines on a terminal, by the kinds of
// package events.
var kindColours = map[string]string{
	"packet_received": "\x1b[36m", // cyan
	"response_sent":   "\x1b[34m", // blue
	"result_received": "\x1b[32m", // green
	"rtt":             "\x1b[1m",  // bold: what the program is for
	"packet_dropped":  "\x1b[33m", // yellow
	"session_opened":  "\x1b[35m", // magenta
	"session_ended":   "\x1b[35m",
	"control_opened":  "\x1b[35m",
	"control_closed":  "\x1b[35m",
	"control_refused": "\x1b[33m",
	"session_refused": "\x1b[33m",
	"omitted":         "\x1b[2m",  // faint
	"dead_letter":     "\x1b[31m", // red
}
