//go:build unix && !linux

package udp

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const msgTrunc = unix.MSG_TRUNC

// reusePort lets the socket share its port, if so wanted.
func reusePort(want bool) func(network, address string, c syscall.RawConn) error {
	if !want {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) {
			set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return set
	}
}
