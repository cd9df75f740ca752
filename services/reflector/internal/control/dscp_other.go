//go:build !linux

package control

import (
	"net"
	"syscall"
)

func saveSYN(_, _ string, _ syscall.RawConn) error { return nil }

// answerAsAsked does nothing: only Linux tells with which DSCP a client's SYN
// came.
func answerAsAsked(net.Conn) {}
