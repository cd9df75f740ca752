//go:build !linux

package udp

import "errors"

// OwnThread does nothing on this system, and says so if real-time priority is
// wanted.
func OwnThread(realtime bool) error {
	if realtime {
		return errors.New("udp: real-time priority is asked for on Linux only")
	}
	return nil
}
