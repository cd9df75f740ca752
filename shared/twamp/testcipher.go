package twamp

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"tinytwamp/shared/stamp"
)

// Sizes of test packets in octets of UDP payload, without padding.
const (
	SenderSize         = stamp.LightSize      // unauthenticated and mixed mode (RFC 4656 section 4.1.2)
	ReflectorSize      = stamp.LightReplySize // the same (RFC 5357 section 4.2.1)
	SenderAuthSize     = 48                   // authenticated and encrypted mode (RFC 4656 section 4.1.2)
	ReflectorAuthSize  = stamp.AuthSize       // the same (RFC 5357 section 4.2.1, errata 5045)
	senderHMACAt       = SenderAuthSize - hmacSize
	reflectorHMACAt    = ReflectorAuthSize - hmacSize
	senderTimestampAt  = 16
	senderEstimateAt   = 24
	protectedSender    = 2 * blockSize // in encrypted mode
	protectedReflector = 6 * blockSize
)

// SenderBase is the size of a sender's test packet without padding.
func (m Mode) SenderBase() int {
	if m.ProtectsTest() {
		return SenderAuthSize
	}
	return SenderSize
}

// ReflectorBase is the size of a reflector's test packet without padding.
func (m Mode) ReflectorBase() int {
	if m.ProtectsTest() {
		return ReflectorAuthSize
	}
	return ReflectorSize
}

// AppendSender appends a sender's packet of authenticated or encrypted mode,
// [SenderAuthSize] octets, in clear: [TestCipher.SealSender] fills in the HMAC.
// The SSID is STAMP's, and left out.
func AppendSender(b []byte, p stamp.SenderPacket) []byte {
	b = binary.BigEndian.AppendUint32(b, p.Sequence)
	b = append(b, make([]byte, 12)...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.Timestamp))
	b = binary.BigEndian.AppendUint16(b, uint16(p.ErrorEstimate))
	return append(b, make([]byte, 6+hmacSize)...)
}

// PutSender writes a sender's packet of unauthenticated or mixed mode over the
// first [SenderSize] octets of pkt: what follows is padding, which stays. The SSID
// is STAMP's, and left out.
func PutSender(pkt []byte, p stamp.SenderPacket) {
	binary.BigEndian.PutUint32(pkt, p.Sequence)
	stamp.PutTransmitTimestamp(pkt, p.Timestamp)
	binary.BigEndian.PutUint16(pkt[SenderSize-2:], uint16(p.ErrorEstimate))
}

// PutSenderTime overwrites Timestamp and Error Estimate of a sender's packet of
// authenticated or encrypted mode, in clear. In authenticated mode they are not
// protected, so that the time can be taken when the packet is sealed already.
func PutSenderTime(pkt []byte, t stamp.Timestamp, e stamp.ErrorEstimate) {
	binary.BigEndian.PutUint64(pkt[senderTimestampAt:], uint64(t))
	binary.BigEndian.PutUint16(pkt[senderEstimateAt:], uint16(e))
}

// UnmarshalSender decodes a sender's packet of authenticated or encrypted mode,
// in clear.
func UnmarshalSender(b []byte, p *stamp.SenderPacket) error {
	if len(b) < SenderAuthSize {
		return ErrShort
	}
	*p = stamp.SenderPacket{
		Sequence:      binary.BigEndian.Uint32(b),
		Timestamp:     stamp.Timestamp(binary.BigEndian.Uint64(b[senderTimestampAt:])),
		ErrorEstimate: stamp.ErrorEstimate(binary.BigEndian.Uint16(b[senderEstimateAt:])),
	}
	return nil
}

// TestCipher protects the test packets of one session, in both directions (RFC
// 4656 section 4.1.2, RFC 5357 section 4.2.1). In authenticated mode the first
// block is encrypted, and the HMAC covers it; in encrypted mode it is the first
// two blocks of a sender's packet and the first six of a reflector's, by
// AES-CBC. The initialization vector is zero for each packet. The HMAC itself is
// in clear, and covers what was encrypted, before it was.
//
// It does not allocate. It is not for use by several goroutines at once.
type TestCipher struct {
	mode  Mode
	block cipher.Block
	mac   hash.Hash
	sum   [sha1.Size]byte
	chain [blockSize]byte
}

// NewTestCipher makes the cipher of a session. Its keys are those of the control
// connection, encrypted with the SID as the key. The mode is Authenticated or
// Encrypted.
func NewTestCipher(mode Mode, keys *Keys, sid SID) *TestCipher {
	bySID := newAES(sid[:])
	var aesKey [16]byte
	bySID.Encrypt(aesKey[:], keys.AES[:])
	hmacKey := keys.HMAC
	var iv [blockSize]byte
	cipher.NewCBCEncrypter(bySID, iv[:]).CryptBlocks(hmacKey[:], hmacKey[:])
	c := &TestCipher{mode: mode.Security(), block: newAES(aesKey[:]), mac: hmac.New(sha1.New, hmacKey[:])}
	c.digest(nil) // the hash keeps the key's state from the first use on, and allocates no more
	return c
}

// SealSender fills in a sender's HMAC and encrypts the packet, of at least
// [SenderAuthSize] octets, in place.
func (c *TestCipher) SealSender(pkt []byte) {
	c.seal(pkt, senderHMACAt, protectedSender)
}

// OpenSender decrypts a sender's packet in place, and reports whether it is one
// of this session.
func (c *TestCipher) OpenSender(pkt []byte) bool {
	return len(pkt) >= SenderAuthSize && c.open(pkt, senderHMACAt, protectedSender)
}

// SealReflector fills in a reflector's HMAC and encrypts the packet, of at least
// [ReflectorAuthSize] octets, in place.
func (c *TestCipher) SealReflector(pkt []byte) {
	c.seal(pkt, reflectorHMACAt, protectedReflector)
}

// OpenReflector decrypts a reflector's packet in place, and reports whether it is
// one of this session.
func (c *TestCipher) OpenReflector(pkt []byte) bool {
	return len(pkt) >= ReflectorAuthSize && c.open(pkt, reflectorHMACAt, protectedReflector)
}

func (c *TestCipher) seal(pkt []byte, hmacAt, protected int) {
	b := pkt[:c.covered(protected)]
	copy(pkt[hmacAt:hmacAt+hmacSize], c.digest(b))
	c.chain = [blockSize]byte{}
	for ; len(b) > 0; b = b[blockSize:] {
		subtle.XORBytes(b[:blockSize], b, c.chain[:])
		c.block.Encrypt(b, b)
		copy(c.chain[:], b)
	}
}

func (c *TestCipher) open(pkt []byte, hmacAt, protected int) bool {
	covered := pkt[:c.covered(protected)]
	c.chain = [blockSize]byte{}
	for b := covered; len(b) > 0; b = b[blockSize:] {
		next := [blockSize]byte(b)
		c.block.Decrypt(b, b)
		subtle.XORBytes(b[:blockSize], b, c.chain[:])
		c.chain = next
	}
	return hmac.Equal(pkt[hmacAt:hmacAt+hmacSize], c.digest(covered))
}

// covered is how many octets the mode protects, of those that encrypted mode
// does. One block in CBC with a vector of zero is the same as in ECB.
func (c *TestCipher) covered(protected int) int {
	if c.mode == Encrypted {
		return protected
	}
	return blockSize
}

// digest is valid until the next one.
func (c *TestCipher) digest(b []byte) []byte {
	c.mac.Reset()
	c.mac.Write(b)
	return c.mac.Sum(c.sum[:0])[:hmacSize]
}
