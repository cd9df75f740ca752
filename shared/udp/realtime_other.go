//go:build !linux

package udp

import "errors"

// RealtimeThread does nothing on this system, and says so.
func RealtimeThread() error {
	return errors.New("udp: real-time priority is asked for on Linux only")
}
