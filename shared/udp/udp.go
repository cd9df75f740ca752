// Package udp provides datagram sockets for measurement: they say of every
// datagram when the kernel received or transmitted it, with which TTL and
// traffic class it came and for which address, how many datagrams the kernel
// dropped, and which ICMP errors came back.
//
// On Linux (4.19 and later) timestamps are the kernel's and datagrams pass in
// batches, without allocation. Elsewhere timestamps are taken in user space,
// next to the system call, and there are no events. [Conn.Features] says what
// there is.
//
// All instants are Unix nanoseconds of the wall clock (CLOCK_REALTIME).
package udp

import (
	"net/netip"
	"syscall"
)

// Message is one datagram. The caller owns it and reuses it.
type Message struct {
	Buf       []byte         // storage: a read fills Buf[:N], a write sends Buf[:N]
	N         int            // octets of payload in Buf
	Truncated bool           // read: the datagram was longer than Buf
	Peer      netip.AddrPort // the other end; IPv4 is never mapped into IPv6, and there is no zone
	Local     netip.Addr     // own address: where a received datagram was sent to; source of a sent one (zero: the kernel chooses)
	IfIndex   int            // read: interface of arrival, 0 unknown; write: scope of a link-local peer, else ignored
	Time      int64          // read: arrival
	Kernel    bool           // read: Time is the kernel's, else it was taken after the read
	TTL       int            // read: TTL or hop limit, -1 unknown
	TOS       int            // read: DSCP<<2|ECN, -1 unknown; write: likewise, 0 and -1 send 0
	WantTx    bool           // write with Config.TxOnDemand: report this one's transmit time
	TxID      uint32         // after a write: id of the Event with its transmit time, 0 if none is to come
}

// EventKind tells what an [Event] is about.
type EventKind uint8

// Kinds of [Event].
const (
	TxStamp    EventKind = iota + 1 // a datagram left: TxID, Time
	ICMPError                       // an ICMP error came back: Peer, From, Type, Code, MTU, Errno
	LocalError                      // this host refused a datagram: Peer, MTU, Errno (EMSGSIZE: longer than MTU)
)

// Event is what the kernel tells of a datagram after it was sent.
type Event struct {
	Kind  EventKind
	TxID  uint32         // TxStamp: Message.TxID of the datagram
	Time  int64          // TxStamp: when the kernel handed it to the device; else when the event was read
	Peer  netip.AddrPort // errors: where the datagram was going; a LocalError over IPv4 has no port
	From  netip.Addr     // ICMPError: who sent the error
	Type  uint8          // ICMPError: ICMP type, or ICMPv6 type if Peer is IPv6
	Code  uint8          // ICMPError: its code
	MTU   uint32         // errors about size: octets that would have fitted, headers included; else 0
	Errno syscall.Errno  // errors: the system's name for it

	Quoted    [QuoteSize]byte // ICMPError: how the payload of the datagram began that it is about,
	QuotedLen int             // as far as the error told: so many octets
}

// QuoteSize is how much of a datagram an [Event] quotes at most: what tells
// which session of a test it is of.
const QuoteSize = 28

// Config says what socket [Listen] opens.
type Config struct {
	Local        netip.AddrPort // its address decides the family, also when unspecified; port 0: the kernel chooses
	ReusePort    bool           // share address and port with other such sockets (SO_REUSEPORT), which spreads peers over them
	TxTimestamps bool           // report transmit times as events
	TxOnDemand   bool           // with TxTimestamps: only those of Messages with WantTx; the others cost nothing
	Errors       bool           // report ICMP and local errors as events
	ReadBuffer   int            // octets asked for the receive buffer; 0: the system's default
	WriteBuffer  int            // octets asked for the send buffer; 0: the system's default
}

// Features is what the system provides on a socket: what it accepted when the
// socket was opened and, for timestamps, what it then really delivered.
type Features struct {
	RxTimestamps bool // arrival times are the kernel's
	TxTimestamps bool // transmit times come as events
	TTL          bool // received TTL or hop limit is known
	TOS          bool // received DSCP and ECN are known
	PacketInfo   bool // Message.Local is known on receipt and honoured on sending
	RxDelivered  bool // a trial over loopback brought the kernel's arrival times
	TxDelivered  bool // a trial over loopback brought the kernel's transmit times
}
