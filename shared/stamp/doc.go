// Package stamp encodes and decodes the test packets of STAMP (RFC 8762, with
// the extensions of RFC 8972) and of TWAMP-Test (RFC 5357, RFC 4656) in
// unauthenticated mode, and those of STAMP in authenticated mode. It does no
// I/O, has no clock, and does not allocate for a packet.
//
// # Wire format
//
// All fields are big-endian. A sender's packet (RFC 8762 section 4.2.1, with
// the SSID of RFC 8972 section 3), [SenderPacket]:
//
//	 0  4  Sequence Number
//	 4  8  Timestamp (T1)
//	12  2  Error Estimate
//	14  2  SSID, or 0
//	16 28  zero
//	44     TLVs, or padding
//
// A sender of TWAMP Light or TWAMP-Test (RFC 4656 section 4.1.2) may end after
// octet 14; all that follows there is padding, so its octets 14 and 15 are not
// an SSID but whatever the padding holds.
//
// A reflector's packet (RFC 8762 section 4.3.1), [ReflectorPacket]:
//
//	 0  4  Sequence Number, the reflector's own
//	 4  8  Timestamp (T3, when this packet was sent)
//	12  2  Error Estimate, of T3 and T2
//	14  2  SSID as received, or 0
//	16  8  Receive Timestamp (T2)
//	24  4  Sender Sequence Number   \
//	28  8  Sender Timestamp (T1)     | as received
//	36  2  Sender Error Estimate    /
//	38  2  zero
//	40  1  Sender TTL, as the request arrived
//	41  3  zero
//	44     TLVs, or padding
//
// TWAMP-Test (RFC 5357 section 4.2.1) has the same fields, but its padding
// begins at octet 41. Old reflectors end after octet 36 or 38.
//
// In authenticated mode (RFC 8762 sections 4.2.2 and 4.3.2) both have the same
// fields further apart, with zeros between them, and end with a [MAC]:
//
//	       sender  reflector
//	  0  4   *       *       Sequence Number
//	 16  8   *       *       Timestamp
//	 24  2   *       *       Error Estimate
//	 26  2   *       *       SSID (RFC 8972 section 3)
//	 32  8           *       Receive Timestamp
//	 48  4           *       Sender Sequence Number
//	 64  8           *       Sender Timestamp
//	 72  2           *       Sender Error Estimate
//	 80  1           *       Sender TTL
//	 96 16   *       *       HMAC-SHA-256 over octets 0 to 95, cut to 16 octets
//	112      *       *       TLVs, with an HMAC TLV of their own
//
// A timestamp is in one of two formats; bit Z of the Error Estimate beside it
// says in which, separately for each packet's sender:
//
//	NTP  32 bits seconds since 1900, 32 bits fraction     RFC 4656 section 4.1.2
//	PTP  32 bits seconds, 32 bits nanoseconds             RFC 8186 section 2.3
//
// PTP seconds are taken as the host's Unix time, without the offset of 37
// seconds between TAI and UTC that IEEE 1588 would have: implementations in the
// field write their host's clock as it is, and so do we.
//
// An Error Estimate is S|Z|Scale|Multiplier (1, 1, 6 and 8 bits), see
// [ErrorEstimate]. A TLV is Flags|Type|Length|Value (1, 1, 2 and Length
// octets), see [TLV].
package stamp

import "errors"

// Port is the UDP port of a reflector unless configured otherwise, RFC 8762
// section 4.1.
const Port = 862

// Sizes in octets of UDP payload.
const (
	LightSize      = 14 // smallest sender's packet: sequence number, timestamp, error estimate (RFC 4656 section 4.1.2)
	BaseSize       = 44 // STAMP base packet in both directions (RFC 8762 sections 4.2.1 and 4.3.1)
	LightReplySize = 41 // smallest reply of RFC 5357 section 4.2.1: it ends with Sender TTL
)

// Errors of this package. They are fixed values, since a peer can provoke them
// with every packet.
var (
	// ErrShort means that there are too few octets for the packet.
	ErrShort = errors.New("stamp: packet too short")

	// ErrMalformed means that a TLV's header or value ends beyond the packet.
	ErrMalformed = errors.New("stamp: TLV does not fit into the packet")
)
