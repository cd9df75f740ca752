// Package twamp encodes, decodes and protects the messages of TWAMP-Control (RFC
// 5357 section 3, which builds on RFC 4656 section 3), and protects test packets
// in TWAMP's authenticated and encrypted modes. It has no clock and opens no
// connection; [Conn] reads from and writes to one that is given to it.
//
// # Wire format
//
// All fields are big-endian. The messages of a control connection, in the order
// of their first appearance, with their sizes in octets:
//
//	Server                      Control-Client
//	Greeting          64  -->
//	                      <--   SetUpResponse     164
//	ServerStart       48  -->
//	                      <--   RequestSession    112   \
//	AcceptSession     48  -->                            | for each session
//	                      <--   StartSessions      32
//	StartAck          32  -->
//	                      <--   StopSessions       32
//
// From RequestSession on, each message ends with an HMAC of 16 octets. In the
// three protected modes it is HMAC-SHA1, cut to 16 octets, over the message in
// clear; then the message is encrypted, HMAC and all, by AES-128-CBC. Each
// direction is one CBC stream, whose initialization vector went before it in
// clear. ServerStart has no HMAC: its last 16 octets (Start-Time and zeros) are
// the first of the server's stream, and the HMAC of the server's next message
// covers them as well (RFC 5357 section 3.2). In unauthenticated mode nothing is
// encrypted and HMACs are zero.
//
// The keys of both streams are the client's choice. It sends them in a token
// that is encrypted with a key derived from a passphrase which both ends know
// (RFC 4656 section 3.1), see [SealToken] and [OpenToken].
//
// # Test packets
//
// In unauthenticated and mixed mode they are those of package stamp: 14 octets
// and padding from the sender, 41 octets and padding from the reflector. In
// authenticated and encrypted mode a sender's packet is (RFC 4656 section
// 4.1.2), [AppendSender]:
//
//	 0  4  Sequence Number
//	 4 12  zero
//	16  8  Timestamp
//	24  2  Error Estimate
//	26  6  zero
//	32 16  HMAC
//	48     padding
//
// A reflector's packet is [stamp.ReflectorPacket] as in STAMP's authenticated
// mode, without an SSID: 112 octets, the HMAC at 96 (RFC 5357 section 4.2.1,
// whose text says 104, wrongly: errata 5045). How they are protected says
// [TestCipher].
package twamp

import "errors"

// Port is the TCP port of a server unless configured otherwise, RFC 5357
// section 3.1.
const Port = 862

// Sizes of messages in octets.
const (
	GreetingSize       = 64
	SetUpResponseSize  = 164
	ServerStartSize    = 48
	RequestSessionSize = 112
	AcceptSessionSize  = 48
	StartSessionsSize  = 32
	StartAckSize       = 32
	StopSessionsSize   = 32

	blockSize   = 16 // of AES; messages are whole blocks, but for SetUpResponse
	maxMessage  = SetUpResponseSize
	hmacSize    = 16
	maxKeyIDLen = 80
)

// Errors of this package.
var (
	// ErrShort means that there are too few octets for the message or packet.
	ErrShort = errors.New("twamp: message too short")

	// ErrHMAC means that a message is not from the holder of the session's keys,
	// or was changed. The connection must be dropped (RFC 4656 section 6.10).
	ErrHMAC = errors.New("twamp: the message's HMAC does not verify")

	// ErrCommand means that a command is of a number that this package does not
	// know, so that nobody can tell where it ends.
	ErrCommand = errors.New("twamp: unknown command")
)
