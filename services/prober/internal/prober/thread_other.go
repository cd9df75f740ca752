//go:build !linux

package prober

import "time"

// ownThread does nothing: without exact sleeps a thread of its own gains
// nothing.
func ownThread() (end func()) { return func() {} }

// sleepUntil waits as exactly as Go's timers do.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }
