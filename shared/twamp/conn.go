package twamp

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding"
	"fmt"
	"hash"
	"io"
)

// Conn carries the messages of a control connection, in clear until the set-up
// has ended ([Conn.SendStart], [Conn.ReceiveStart]). It is for one reader and one writer at a time. After an error
// it is of no further use.
type Conn struct {
	rw  io.ReadWriter
	in  *stream // nil: in clear
	out *stream
	msg [maxMessage]byte // the last one that came
	buf []byte           // of the one that goes
}

// NewConn carries messages over rw, whose deadlines are the caller's.
func NewConn(rw io.ReadWriter) *Conn { return &Conn{rw: rw} }

// protect has all further messages encrypted and authenticated. in and out are
// the initialization vectors of the two directions.
func (c *Conn) protect(keys *Keys, in, out [blockSize]byte) {
	block := newAES(keys.AES[:])
	c.in = &stream{cbc: cipher.NewCBCDecrypter(block, in[:]), mac: hmac.New(sha1.New, keys.HMAC[:])}
	c.out = &stream{cbc: cipher.NewCBCEncrypter(block, out[:]), mac: hmac.New(sha1.New, keys.HMAC[:])}
}

// Send sends a message, protected if the connection is. Messages of the set-up
// go in clear.
func (c *Conn) Send(m encoding.BinaryAppender) error {
	b, err := m.AppendBinary(c.buf[:0])
	if err != nil {
		return err
	}
	c.buf = b
	if c.out != nil {
		c.out.seal(b)
	}
	if _, err := c.rw.Write(b); err != nil {
		return fmt.Errorf("twamp: sending: %w", err)
	}
	return nil
}

// Receive reads a message of the given size, and verifies it if the connection
// is protected. What it returns is valid until the next call.
func (c *Conn) Receive(size int) ([]byte, error) {
	return c.receive(0, size)
}

// ReceiveCommand reads a client's command. With [ErrCommand] it returns the
// number of a command whose end is unknown: the connection can be used to
// answer, but not to read on.
func (c *Conn) ReceiveCommand() (Command, []byte, error) {
	if err := c.read(c.msg[:blockSize]); err != nil {
		return 0, nil, err
	}
	if c.in != nil {
		c.in.open(c.msg[:blockSize])
	}
	command := Command(c.msg[0])
	size, ok := command.size()
	if !ok {
		return command, nil, ErrCommand
	}
	msg, err := c.receive(blockSize, size)
	return command, msg, err
}

// receive reads a message of which some blocks were read before.
func (c *Conn) receive(have, size int) ([]byte, error) {
	msg := c.msg[:size]
	if err := c.read(msg[have:]); err != nil {
		return nil, err
	}
	if c.in != nil {
		c.in.open(msg[have:])
		if !c.in.verify() {
			return nil, ErrHMAC
		}
	}
	return msg, nil
}

func (c *Conn) read(b []byte) error {
	if _, err := io.ReadFull(c.rw, b); err != nil {
		return fmt.Errorf("twamp: receiving: %w", err)
	}
	return nil
}

// SendStart sends a server's acceptance. With keys, the connection is protected
// from its last block on.
func (c *Conn) SendStart(s ServerStart, keys *Keys, clientIV [blockSize]byte) error {
	b, _ := s.AppendBinary(c.buf[:0]) // cannot fail
	c.buf = b
	if keys != nil {
		c.protect(keys, clientIV, s.ServerIV)
		c.out.begin(b[ServerStartSize-blockSize:])
	}
	if _, err := c.rw.Write(b); err != nil {
		return fmt.Errorf("twamp: sending: %w", err)
	}
	return nil
}

// ReceiveStart reads a server's answer to the set-up. With keys, the connection
// is protected from its last block on, if the server accepts.
func (c *Conn) ReceiveStart(keys *Keys, clientIV [blockSize]byte) (s ServerStart, err error) {
	b := c.msg[:ServerStartSize]
	if err := c.read(b); err != nil {
		return s, err
	}
	if err := s.UnmarshalBinary(b); err != nil {
		return s, err
	}
	if keys == nil || s.Accept != OK {
		return s, nil
	}
	c.protect(keys, s.ServerIV, clientIV)
	c.in.open(b[ServerStartSize-blockSize:])
	return s, s.UnmarshalBinary(b)
}

// stream is one direction of a protected connection: CBC over all that goes
// this way, and an HMAC over what went since the last HMAC.
type stream struct {
	cbc  cipher.BlockMode
	mac  hash.Hash
	last [blockSize]byte // in clear, not in mac yet: a message's last block is its HMAC
	some bool            // there is a last
}

// seal fills in the HMAC of a message, its last block, and encrypts it.
func (s *stream) seal(msg []byte) {
	body := len(msg) - hmacSize
	s.mac.Write(msg[:body])
	copy(msg[body:], s.mac.Sum(nil)[:hmacSize])
	s.mac.Reset()
	s.cbc.CryptBlocks(msg, msg)
}

// begin encrypts what no HMAC ends: the next message's covers it.
func (s *stream) begin(b []byte) {
	s.mac.Write(b)
	s.cbc.CryptBlocks(b, b)
}

// open decrypts the next blocks of a message, or of what goes before one.
func (s *stream) open(b []byte) {
	if len(b) == 0 {
		return
	}
	s.cbc.CryptBlocks(b, b)
	if s.some {
		s.mac.Write(s.last[:])
	}
	s.mac.Write(b[:len(b)-blockSize])
	s.last, s.some = [blockSize]byte(b[len(b)-blockSize:]), true
}

// verify reports whether what was decrypted last is the HMAC of all before.
func (s *stream) verify() bool {
	ok := hmac.Equal(s.last[:], s.mac.Sum(nil)[:hmacSize])
	s.mac.Reset()
	s.some = false
	return ok
}
