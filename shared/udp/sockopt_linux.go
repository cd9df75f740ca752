package udp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Flags of SO_TIMESTAMPING. Software stamps only: those of a network card are
// of another clock. OPT_TSONLY keeps payloads out of the error queue. That a
// datagram is to be stamped on transmission is said with the datagram.
const (
	rxStampFlags = unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
	txStampFlags = rxStampFlags | unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY
)

// familyOptions are the socket options that the two families have each under
// a name of its own.
type familyOptions struct {
	level, hopLimit                          int
	recvHopLimit, recvTOS, recvInfo, recvErr int
}

var (
	options4 = familyOptions{unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVTTL, unix.IP_RECVTOS, unix.IP_PKTINFO, unix.IP_RECVERR}
	options6 = familyOptions{
		unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS,
		unix.IPV6_RECVHOPLIMIT, unix.IPV6_RECVTCLASS, unix.IPV6_RECVPKTINFO, unix.IPV6_RECVERR,
	}
)

// configure sets the options of a new socket and notes in c.features which
// ones the kernel took. What a measurement can do without is no error.
func (c *Conn) configure(cfg Config) error {
	fd, o := c.fd, &options6
	if c.is4 {
		o = &options4
	} else if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return fmt.Errorf("leave IPv4 alone: %w", err)
	}
	if err := unix.SetsockoptInt(fd, o.level, o.hopLimit, hopLimit); err != nil {
		return fmt.Errorf("set hop limit: %w", err)
	}
	if cfg.ReusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return fmt.Errorf("share the port: %w", err)
		}
	}
	if cfg.Errors {
		if err := unix.SetsockoptInt(fd, o.level, o.recvErr, 1); err != nil {
			return fmt.Errorf("ask for ICMP errors: %w", err)
		}
	}
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.ReadBuffer)
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.WriteBuffer)
	on := func(opt int) bool { return unix.SetsockoptInt(fd, o.level, opt, 1) == nil }
	c.features.TTL = on(o.recvHopLimit)
	c.features.TOS = on(o.recvTOS)
	// Where a socket has one address there is nothing to tell or to choose, and
	// that saves the kernel some work for each datagram.
	c.features.PacketInfo = c.only.IsValid() || on(o.recvInfo)
	c.features.TxTimestamps = cfg.TxTimestamps && setStamping(fd, txStampFlags)
	c.features.RxTimestamps = c.features.TxTimestamps || setStamping(fd, rxStampFlags)
	return nil
}

func setStamping(fd, flags int) bool {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, flags) == nil
}

// setBuffer asks for a buffer beyond the system's limit, which takes
// CAP_NET_ADMIN, and else for as much as the limit allows.
func setBuffer(fd, force, plain, size int) {
	if size <= 0 {
		return
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size) // the default is what is left
	}
}
