package twamp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/subtle"
)

// TokenSize is the size of a token in octets.
const TokenSize = 64

// Keys are those of a control connection: the client makes them at random.
type Keys struct {
	AES  [16]byte
	HMAC [32]byte
}

// DeriveKey turns a passphrase into the key of a token: PBKDF2 with HMAC-SHA1 of
// as many rounds as the server's Greeting says, 16 octets (RFC 4656 section
// 3.1). It takes time in proportion to the count: bound that before.
func DeriveKey(passphrase string, g *Greeting) [16]byte {
	key, err := pbkdf2.Key(sha1.New, passphrase, g.Salt[:], int(g.Count), 16)
	if err != nil {
		panic("twamp: " + err.Error()) // a length and hash that are always allowed
	}
	return [16]byte(key)
}

// SealToken makes the token of a SetUpResponse: challenge and keys, encrypted
// with the passphrase's key by AES-CBC with an initialization vector of zero.
func SealToken(derived [16]byte, challenge [16]byte, keys *Keys) (token [TokenSize]byte) {
	copy(token[:], challenge[:])
	copy(token[16:], keys.AES[:])
	copy(token[32:], keys.HMAC[:])
	var iv [blockSize]byte
	cipher.NewCBCEncrypter(newAES(derived[:]), iv[:]).CryptBlocks(token[:], token[:])
	return token
}

// OpenToken gives the keys in a token. It is not ok if the token was not made
// with the passphrase's key for this challenge; the keys are of no use then.
func OpenToken(derived [16]byte, challenge [16]byte, token [TokenSize]byte) (keys Keys, ok bool) {
	var iv [blockSize]byte
	cipher.NewCBCDecrypter(newAES(derived[:]), iv[:]).CryptBlocks(token[:], token[:])
	copy(keys.AES[:], token[16:])
	copy(keys.HMAC[:], token[32:])
	return keys, subtle.ConstantTimeCompare(token[:16], challenge[:]) == 1
}

// newAES makes the cipher of a key of 16 octets.
func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("twamp: " + err.Error()) // a length that is always allowed
	}
	return block
}
