package udp

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// parseMessage reads what the kernel says of a received datagram.
func parseMessage(control []byte, m *Message) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return
		}
		control = rest
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPING:
			m.Time = stamp(data)
			m.Kernel = m.Time != 0
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TTL,
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT:
			m.TTL = integer(data)
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS,
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS:
			m.TOS = integer(data)
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			m.IfIndex = int(binary.NativeEndian.Uint32(data))
			m.Local = netip.AddrFrom4([4]byte(data[8:12])) // ipi_addr, behind ipi_spec_dst
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			m.Local = netip.AddrFrom16([16]byte(data))
			m.IfIndex = int(binary.NativeEndian.Uint32(data[16:]))
		}
	}
}

// parseEvent reads a message of the error queue. Kind is 0 if it is none that
// this package knows.
func parseEvent(control []byte, peer netip.AddrPort) (e Event) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		control = rest
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPING:
			e.Time = stamp(data)
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR,
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR:
			parseExtendedError(data, peer, &e)
		}
	}
	if e.Kind == TxStamp && e.Time == 0 {
		return Event{} // a stamp of a kind that was not asked for
	}
	if e.Time == 0 {
		e.Time = time.Now().UnixNano()
	}
	return e
}

// parseExtendedError reads struct sock_extended_err and the address behind it
// (ip(7), IP_RECVERR).
func parseExtendedError(data []byte, peer netip.AddrPort, e *Event) {
	const size = int(unsafe.Sizeof(unix.SockExtendedErr{}))
	if len(data) < size {
		return
	}
	ee := (*unix.SockExtendedErr)(unsafe.Pointer(unsafe.SliceData(data)))
	switch ee.Origin {
	case unix.SO_EE_ORIGIN_TIMESTAMPING:
		e.Kind, e.TxID = TxStamp, ee.Data
		return
	case unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6:
		e.Kind, e.Type, e.Code = ICMPError, ee.Type, ee.Code
		e.From = sockaddr(data[size:])
	case unix.SO_EE_ORIGIN_LOCAL:
		e.Kind = LocalError
	default:
		return
	}
	e.Peer, e.Errno = peer, syscall.Errno(ee.Errno)
	if e.Errno == unix.EMSGSIZE {
		e.MTU = ee.Info
	}
}

// stamp is the software time of struct scm_timestamping, 0 if there is none.
func stamp(data []byte) int64 {
	if len(data) < int(unsafe.Sizeof(unix.ScmTimestamping{})) {
		return 0
	}
	return (*unix.ScmTimestamping)(unsafe.Pointer(unsafe.SliceData(data))).Ts[0].Nano()
}

// integer reads an int, or the single octet that IPv4 gives for the TOS.
func integer(data []byte) int {
	switch {
	case len(data) >= 4:
		return int(int32(binary.NativeEndian.Uint32(data)))
	case len(data) >= 1:
		return int(data[0])
	}
	return -1
}

// controlWriter puts control messages one behind the other.
type controlWriter struct {
	b   *[controlSize]byte
	len int
}

// put begins a control message of size octets and returns where they belong.
func (w *controlWriter) put(level, typ int32, size int) []byte {
	b := w.b[w.len : w.len+unix.CmsgSpace(size)]
	clear(b)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(size))
	w.len += len(b)
	return b[unix.CmsgLen(0):]
}

// putSource gives the datagram its source address.
func (w *controlWriter) putSource(local netip.Addr, ifIndex int) {
	if local.Is4() {
		data := w.put(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*[4]byte)(data[4:]) = local.As4() // ipi_spec_dst
		return
	}
	data := w.put(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*[16]byte)(data) = local.As16()
	binary.NativeEndian.PutUint32(data[16:], uint32(ifIndex))
}

// putTOS gives the datagram its DSCP and ECN.
func (w *controlWriter) putTOS(is4 bool, tos int) {
	level, typ := int32(unix.IPPROTO_IPV6), int32(unix.IPV6_TCLASS)
	if is4 {
		level, typ = unix.IPPROTO_IP, unix.IP_TOS
	}
	binary.NativeEndian.PutUint32(w.put(level, typ, 4), uint32(tos))
}

// putStamp asks for the datagram's transmit stamp.
func (w *controlWriter) putStamp() {
	binary.NativeEndian.PutUint32(w.put(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, 4), unix.SOF_TIMESTAMPING_TX_SOFTWARE)
}

// putTxID gives the datagram the id of its transmit stamp.
func (w *controlWriter) putTxID(id uint32) {
	binary.NativeEndian.PutUint32(w.put(unix.SOL_SOCKET, unix.SCM_TS_OPT_ID, 4), id)
}
