package twamp

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"tinytwamp/shared/stamp"
)

// SID is the identifier of a test session, chosen by the server: RFC 4656
// section 3.5.
type SID [16]byte

// String is the SID in hexadecimal digits.
func (s SID) String() string { return hex.EncodeToString(s[:]) }

// TypeP is a Type-P Descriptor, RFC 4656 section 3.5.
type TypeP uint32

// NewTypeP asks for a differentiated services code point.
func NewTypeP(dscp uint8) TypeP { return TypeP(dscp&0x3f) << 24 }

// DSCP is the code point that is asked for. It is not ok if a PHB Identification
// Code is asked for instead, or something that has no meaning.
func (t TypeP) DSCP() (dscp uint8, ok bool) { return uint8(t>>24) & 0x3f, t>>30 == 0 }

// RequestSession is the command Request-TW-Session, as described in RFC 5357,
// section 3.5, and for the last two fields in RFC 6038, section 4.2.
type RequestSession struct {
	IPVersion    uint8 // 4 or 6
	ConfSender   uint8 // 0
	ConfReceiver uint8 // 0
	Slots        uint32
	Packets      uint32
	SenderPort   uint16
	ReceiverPort uint16     // that the client would like
	Sender       netip.Addr // zero: the address of the control connection's client
	Receiver     netip.Addr // zero: that of its server
	SID          SID        // 0
	Padding      uint32     // Padding Length: octets behind the sender's base packet
	StartTime    stamp.Timestamp
	Timeout      time.Duration // how long packets are reflected after StopSessions
	TypeP        TypeP         // of packets in both directions

	OctetsToReflect  uint16 // in AcceptSession
	PaddingToReflect uint16 // octets of the padding that each reply is to have
}

// AppendBinary appends the message, [RequestSessionSize] octets. The error is
// always nil.
func (r RequestSession) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, byte(CommandRequestSession), r.IPVersion&0xf, r.ConfSender, r.ConfReceiver)
	b = binary.BigEndian.AppendUint32(b, r.Slots)
	b = binary.BigEndian.AppendUint32(b, r.Packets)
	b = binary.BigEndian.AppendUint16(b, r.SenderPort)
	b = binary.BigEndian.AppendUint16(b, r.ReceiverPort)
	b = appendAddr(b, r.Sender)
	b = appendAddr(b, r.Receiver)
	b = append(b, r.SID[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Padding)
	b = binary.BigEndian.AppendUint64(b, uint64(r.StartTime))
	b = binary.BigEndian.AppendUint64(b, interval(r.Timeout))
	b = binary.BigEndian.AppendUint32(b, uint32(r.TypeP))
	b = binary.BigEndian.AppendUint16(b, r.OctetsToReflect)
	b = binary.BigEndian.AppendUint16(b, r.PaddingToReflect)
	return append(b, make([]byte, 4+hmacSize)...), nil
}

// UnmarshalBinary decodes the message. Where the IP version is neither 4 nor 6
// the addresses are zero.
func (r *RequestSession) UnmarshalBinary(b []byte) error {
	if len(b) < RequestSessionSize {
		return ErrShort
	}
	*r = RequestSession{
		IPVersion: b[1] & 0xf, ConfSender: b[2], ConfReceiver: b[3],
		Slots: binary.BigEndian.Uint32(b[4:]), Packets: binary.BigEndian.Uint32(b[8:]),
		SenderPort: binary.BigEndian.Uint16(b[12:]), ReceiverPort: binary.BigEndian.Uint16(b[14:]),
		SID:       SID(b[48:64]),
		Padding:   binary.BigEndian.Uint32(b[64:]),
		StartTime: stamp.Timestamp(binary.BigEndian.Uint64(b[68:])),
		Timeout:   duration(binary.BigEndian.Uint64(b[76:])),
		TypeP:     TypeP(binary.BigEndian.Uint32(b[84:])),

		OctetsToReflect:  binary.BigEndian.Uint16(b[88:]),
		PaddingToReflect: binary.BigEndian.Uint16(b[90:]),
	}
	r.Sender, r.Receiver = addr(r.IPVersion, b[16:32]), addr(r.IPVersion, b[32:48])
	return nil
}

// appendAddr appends an address in 16 octets, of which IPv4 uses the first 4.
func appendAddr(b []byte, a netip.Addr) []byte {
	var room [16]byte
	copy(room[:], a.AsSlice())
	return append(b, room[:]...)
}

func addr(version uint8, b []byte) netip.Addr {
	var a netip.Addr
	switch version {
	case 4:
		a = netip.AddrFrom4([4]byte(b[:4]))
	case 6:
		a = netip.AddrFrom16([16]byte(b))
	}
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// maxInterval is the longest that fits.
const maxInterval = math.MaxUint32 * time.Second

// interval is a duration as 32 bits of seconds and 32 bits of fraction.
func interval(d time.Duration) uint64 {
	hi, lo := bits.Mul64(uint64(min(max(d, 0), maxInterval)), 1<<32)
	q, _ := bits.Div64(hi, lo, uint64(time.Second))
	return q
}

// duration is the reverse of interval, rounded to the nearest nanosecond.
func duration(t uint64) time.Duration {
	hi, lo := bits.Mul64(t, uint64(time.Second))
	lo, carry := bits.Add64(lo, 1<<31, 0)
	return time.Duration((hi+carry)<<32 | lo>>32)
}

// AcceptSession is a server's answer to a RequestSession, and to a command that
// it does not know: RFC 4656 section 3.5, and for the octets RFC 6038 section
// 4.3.
type AcceptSession struct {
	Accept          Accept
	Port            uint16 // where the reflector expects the packets; 0 if Accept is not OK
	SID             SID
	ReflectedOctets uint16 // those of the request
	ServerOctets    uint16 // which the sender is to put first into its padding; 0: none
}

// AppendBinary appends the message, [AcceptSessionSize] octets. The error is
// always nil.
func (a AcceptSession) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, byte(a.Accept), 0)
	b = binary.BigEndian.AppendUint16(b, a.Port)
	b = append(b, a.SID[:]...)
	b = binary.BigEndian.AppendUint16(b, a.ReflectedOctets)
	b = binary.BigEndian.AppendUint16(b, a.ServerOctets)
	return append(b, make([]byte, 8+hmacSize)...), nil
}

// UnmarshalBinary decodes the message.
func (a *AcceptSession) UnmarshalBinary(b []byte) error {
	if len(b) < AcceptSessionSize {
		return ErrShort
	}
	*a = AcceptSession{
		Accept: Accept(b[0]), Port: binary.BigEndian.Uint16(b[2:]), SID: SID(b[4:20]),
		ReflectedOctets: binary.BigEndian.Uint16(b[20:]), ServerOctets: binary.BigEndian.Uint16(b[22:]),
	}
	return nil
}
