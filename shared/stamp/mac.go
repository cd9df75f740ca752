package stamp

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// HMACSize is the size of an HMAC in a base packet, and of the HMAC TLV's
// value: HMAC-SHA-256 cut to 128 bits (RFC 8762 section 4.4, RFC 8972 section
// 4.8).
const HMACSize = 16

// MAC computes and verifies HMACs with one key, without allocation. It is not
// for use by several goroutines at once: each makes its own.
type MAC struct {
	hash hash.Hash
	sum  [sha256.Size]byte
}

// NewMAC returns a MAC for a key, which it does not keep.
func NewMAC(key []byte) *MAC {
	m := &MAC{hash: hmac.New(sha256.New, key)}
	m.digest(nil, nil) // the hash keeps the key's state from the first use on, and allocates no more
	return m
}

// Seal writes the HMAC of an authenticated base packet of either direction into
// it: over its first six blocks, 96 octets (RFC 8762 section 4.4). What follows
// the base packet is not part of it. pkt must be of at least [AuthSize].
func (m *MAC) Seal(pkt []byte) {
	copy(pkt[authCovered:AuthSize], m.digest(pkt[:authCovered], nil))
}

// Verify reports whether pkt begins with an authenticated base packet of this
// key. What is shorter than [AuthSize] does not.
func (m *MAC) Verify(pkt []byte) bool {
	return len(pkt) >= AuthSize && hmac.Equal(pkt[authCovered:AuthSize], m.digest(pkt[:authCovered], nil))
}

// SealTLVs fills in the HMAC TLV of a packet whose base packet is of the size
// base, if it has one: over the Sequence Number and all TLVs before it, with
// their flags (RFC 8972 section 4.8).
func (m *MAC) SealTLVs(pkt []byte, base int) {
	tlvs := pkt[base:]
	if at, ok := hmacTLV(tlvs); ok {
		copy(tlvs[at+TLVHeaderSize:], m.digest(pkt[:4], tlvs[:at]))
	}
}

// VerifyTLVs reports whether the TLVs of a packet whose base packet is of the
// size base have an HMAC TLV, where it must be, that verifies. See
// [NeedsHMAC] for those that may do without.
func (m *MAC) VerifyTLVs(pkt []byte, base int) bool {
	tlvs := pkt[base:]
	at, ok := hmacTLV(tlvs)
	return ok && hmac.Equal(tlvs[at+TLVHeaderSize:][:HMACSize], m.digest(pkt[:4], tlvs[:at]))
}

// digest is valid until the next one.
func (m *MAC) digest(a, b []byte) []byte {
	m.hash.Reset()
	m.hash.Write(a)
	m.hash.Write(b)
	return m.hash.Sum(m.sum[:0])[:HMACSize]
}

// NeedsHMAC reports whether TLVs may be used only after [MAC.VerifyTLVs], as
// RFC 8972 section 4.8 has it: wherever there is an HMAC TLV, and in
// authenticated mode always, but for an Extra Padding TLV that is alone.
func NeedsHMAC(tlvs []byte, authenticated bool) bool {
	number, onlyPadding := 0, true
	for len(tlvs) > 0 {
		t, rest, err := NextTLV(tlvs)
		if err != nil {
			onlyPadding = false
			break
		}
		if t.Type == TLVHMAC {
			return true
		}
		number++
		onlyPadding = onlyPadding && t.Type == TLVExtraPadding
		tlvs = rest
	}
	return authenticated && (number > 1 || !onlyPadding)
}

// hmacTLV gives where in tlvs the HMAC TLV begins. It is ok only if there is
// one, of the right length, which only Extra Padding TLVs follow. What does not
// fit into the packet is no TLV and follows nothing.
func hmacTLV(tlvs []byte) (at int, ok bool) {
	for b := tlvs; len(b) > 0; {
		t, rest, err := NextTLV(b)
		if err != nil {
			break
		}
		switch {
		case t.Type == TLVHMAC && (ok || len(t.Value) != HMACSize):
			return 0, false
		case t.Type == TLVHMAC:
			at, ok = len(tlvs)-len(b), true
		case ok && t.Type != TLVExtraPadding:
			return 0, false
		}
		b = rest
	}
	return at, ok
}
