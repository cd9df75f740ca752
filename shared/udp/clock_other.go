//go:build !linux

package udp

// ReadClock reports an unsynchronized clock: this system has no portable call
// that tells.
func ReadClock() Clock { return unknownClock }
