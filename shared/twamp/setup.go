package twamp

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"tinytwamp/shared/stamp"
)

// Bounds of a Greeting's Count. RFC 4656 section 3.1 has the lower one. A client
// that accepted less would send a token whose passphrase is cheap to guess; one
// that accepted more would let any server have it compute for minutes.
const (
	MinCount = 1 << 10
	MaxCount = 1 << 20
)

// Greeting is what a server sends first, as described in RFC 4656, section 3.1.
type Greeting struct {
	Modes     Mode // those that the server offers; none: it does not want to talk
	Challenge [16]byte
	Salt      [16]byte
	Count     uint32 // of PBKDF2, see [DeriveKey]
}

// AppendBinary appends the message, [GreetingSize] octets. The error is always
// nil.
func (g Greeting) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, make([]byte, 12)...)
	b = binary.BigEndian.AppendUint32(b, uint32(g.Modes))
	b = append(b, g.Challenge[:]...)
	b = append(b, g.Salt[:]...)
	b = binary.BigEndian.AppendUint32(b, g.Count)
	return append(b, make([]byte, 12)...), nil
}

// UnmarshalBinary decodes the message.
func (g *Greeting) UnmarshalBinary(b []byte) error {
	if len(b) < GreetingSize {
		return ErrShort
	}
	*g = Greeting{Modes: Mode(binary.BigEndian.Uint32(b[12:])), Count: binary.BigEndian.Uint32(b[48:])}
	copy(g.Challenge[:], b[16:])
	copy(g.Salt[:], b[32:])
	return nil
}

// CheckCount says what is wrong with the Count, in a protected mode.
func (g *Greeting) CheckCount() error {
	if g.Count < MinCount || g.Count > MaxCount {
		return fmt.Errorf("twamp: the server asks for %d rounds of key derivation, where %d to %d are accepted", g.Count, MinCount, MaxCount)
	}
	return nil
}

// SetUpResponse is a client's answer to a Greeting, as described in RFC 4656,
// section 3.1. In unauthenticated mode all but Mode is zero.
type SetUpResponse struct {
	Mode     Mode
	KeyID    string // at most 80 octets of UTF-8
	Token    [TokenSize]byte
	ClientIV [blockSize]byte
}

// AppendBinary appends the message, [SetUpResponseSize] octets. It fails if the
// KeyID is too long.
func (r SetUpResponse) AppendBinary(b []byte) ([]byte, error) {
	if len(r.KeyID) > maxKeyIDLen {
		return b, fmt.Errorf("twamp: the key id has %d octets, more than %d", len(r.KeyID), maxKeyIDLen)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(r.Mode))
	b = append(b, r.KeyID...)
	b = append(b, make([]byte, maxKeyIDLen-len(r.KeyID))...)
	b = append(b, r.Token[:]...)
	return append(b, r.ClientIV[:]...), nil
}

// UnmarshalBinary decodes the message. The KeyID ends before its first zero; it
// need not be UTF-8.
func (r *SetUpResponse) UnmarshalBinary(b []byte) error {
	if len(b) < SetUpResponseSize {
		return ErrShort
	}
	keyID, _, _ := bytes.Cut(b[4:4+maxKeyIDLen], []byte{0})
	*r = SetUpResponse{Mode: Mode(binary.BigEndian.Uint32(b)), KeyID: string(keyID)}
	copy(r.Token[:], b[84:])
	copy(r.ClientIV[:], b[148:])
	return nil
}

// ServerStart ends the set-up, as described in RFC 4656, section 3.1. Its last
// 16 octets are protected by [Conn].
type ServerStart struct {
	Accept    Accept
	ServerIV  [blockSize]byte
	StartTime stamp.Timestamp // when the server began to run; 0 if Accept is not OK
}

// AppendBinary appends the message, [ServerStartSize] octets. The error is
// always nil.
func (s ServerStart) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, make([]byte, 15)...)
	b = append(b, byte(s.Accept))
	b = append(b, s.ServerIV[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.StartTime))
	return append(b, make([]byte, 8)...), nil
}

// UnmarshalBinary decodes the message.
func (s *ServerStart) UnmarshalBinary(b []byte) error {
	if len(b) < ServerStartSize {
		return ErrShort
	}
	*s = ServerStart{Accept: Accept(b[15]), StartTime: stamp.Timestamp(binary.BigEndian.Uint64(b[32:]))}
	copy(s.ServerIV[:], b[16:])
	return nil
}
