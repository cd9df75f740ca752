package prober

import (
	"crypto/rand"
	"errors"
	"fmt"

	"tinytwamp/shared/stamp"
)

// Mode is the protocol of a test.
type Mode uint8

// What -mode can be.
const (
	ModeSTAMP Mode = iota // RFC 8762
	ModeLight             // TWAMP Light, RFC 5357 appendix I
	ModeTWAMP             // with the control protocol, RFC 5357
)

// String is the mode as settings and events name it.
func (m Mode) String() string { return [...]string{"stamp", "light", "twamp"}[m] }

// UnmarshalText reads the setting.
func (m *Mode) UnmarshalText(b []byte) error {
	switch string(b) {
	case "stamp":
		*m = ModeSTAMP
	case "light":
		*m = ModeLight
	case "twamp":
		*m = ModeTWAMP
	default:
		return errors.New("must be stamp, light or twamp")
	}
	return nil
}

// Padding is what fills a packet behind its base.
type Padding uint8

// What -padding can be.
const (
	PadMessage Padding = iota // the readable message, then zeros
	PadZero
	PadRandom
)

// UnmarshalText reads the setting.
func (p *Padding) UnmarshalText(b []byte) error {
	switch string(b) {
	case "message":
		*p = PadMessage
	case "zero":
		*p = PadZero
	case "random":
		*p = PadRandom
	default:
		return errors.New("must be message, zero or random")
	}
	return nil
}

// MaxSize is the most UDP payload that fits into an IPv4 packet.
const MaxSize = 65507

// Payload makes the packet that a session sends, with its base (of so many
// octets, by whether it is authenticated) still empty: size octets (0: as few as
// hold the rest), the TLVs, and padding, which is in an Extra Padding TLV (RFC
// 8972 section 4.1) in stamp mode, bare otherwise.
func Payload(mode Mode, base, size int, tlvs TLVs, dscp uint8, padding Padding, message string) ([]byte, error) {
	b := tlvs.append(make([]byte, base), dscp, base == stamp.AuthSize)
	full := len(b)
	var pad []byte
	if padding == PadMessage && message != "" {
		pad = stamp.AppendMessage(nil, message)
	}
	header := 0
	if mode == ModeSTAMP {
		header = stamp.TLVHeaderSize
	}
	if size == 0 {
		size = full
		if len(pad) > 0 {
			size += header + len(pad)
		}
	}
	room := size - full
	switch {
	case room == 0 && len(pad) == 0:
		return b, nil
	case room < header && len(pad) == 0:
		return nil, fmt.Errorf("must be %d, or at least %d in stamp mode, where padding needs a header of 4 octets", full, full+header)
	case room < header+len(pad):
		return nil, fmt.Errorf("must be at least %d, so that the message fits in, or the padding zero or random", full+header+len(pad))
	}
	value := make([]byte, room-header)
	copy(value, pad)
	if padding == PadRandom {
		rand.Read(value)
	}
	if mode == ModeSTAMP {
		return stamp.AppendTLV(b, stamp.TLV{Flags: stamp.FlagU, Type: stamp.TLVExtraPadding, Value: value}), nil
	}
	if stamp.HasTLVs(value) {
		value[0] = 0 // a STAMP reflector would read padding as TLVs
	}
	return append(b, value...), nil
}
