package stamp

import (
	"bytes"
	"unicode/utf8"
)

// MaxMessage is the longest readable message in octets, without the NUL that
// ends it.
const MaxMessage = 256

// AppendMessage appends msg and the NUL that ends it: the start of a packet's
// padding, or of the value of an Extra Padding TLV. It is our own convention,
// to other implementations it is padding. msg should be what [Message] accepts:
// UTF-8 without NUL, of 1 to [MaxMessage] octets.
func AppendMessage(b []byte, msg string) []byte {
	b = append(b, msg...)
	return append(b, 0)
}

// Message returns the readable message at the start of padding, a part of it
// and not a copy. It is ok only if a NUL ends the message and it is valid,
// non-empty UTF-8 of at most [MaxMessage] octets. It may still hold control
// characters: escape it before printing. Of packets with random padding 0.4 %
// happen to begin with a (very short) message.
func Message(padding []byte) (msg []byte, ok bool) {
	end := bytes.IndexByte(padding[:min(len(padding), MaxMessage+1)], 0)
	if end <= 0 || !utf8.Valid(padding[:end]) {
		return nil, false
	}
	return padding[:end:end], true
}
