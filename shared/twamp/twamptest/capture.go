// Package twamptest has control connections of TWAMP as another implementation
// held them, for tests of either end: perfSONAR's, in each mode.
package twamptest

import (
	"bytes"
	"embed"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"tinytwamp/shared/twamp"
)

//go:embed testdata/*.pcap
var files embed.FS

// KeyID and Passphrase are those of the captures.
const (
	KeyID      = "joe"
	Passphrase = "open sesame"
)

// Captures are the files by the mode that they show.
var Captures = []struct {
	File string
	Mode twamp.Mode
}{
	{"open.pcap", twamp.Unauthenticated},
	{"open_short.pcap", twamp.Unauthenticated},
	{"authenticated.pcap", twamp.Authenticated},
	{"encrypted.pcap", twamp.Encrypted},
	{"mixed.pcap", twamp.Mixed},
}

// Capture is a whole control connection of another implementation, with its test
// packets.
type Capture struct {
	Server, Client []byte   // of the control connection, all that each side sent
	Tests          [][]byte // payloads: request, reply, request, reply
	Port           uint16   // of the Session-Sender
	ReflectorPort  uint16
	Greeting       twamp.Greeting
	SetUp          twamp.SetUpResponse
	Keys           *twamp.Keys // that the client drew; nil: unauthenticated mode
	Start          twamp.ServerStart
	Accept         twamp.AcceptSession
}

// Read reads a capture: a little-endian pcap file of IPv4 in Ethernet frames
// whose control connection lost nothing.
func Read(t testing.TB, file string) (c Capture) {
	t.Helper()
	b, err := files.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader, recordHeader, ethernetHeader, udpHeader, controlPort = 24, 16, 14, 8, 8620
	for b = b[fileHeader:]; len(b) > 0; {
		end := recordHeader + binary.LittleEndian.Uint32(b[8:])
		ip := b[recordHeader+ethernetHeader : end]
		b = b[end:]
		l4 := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
		from := binary.BigEndian.Uint16(l4)
		switch tcp := ip[9] == 6; {
		case tcp && from == controlPort:
			c.Server = append(c.Server, l4[int(l4[12]>>4)*4:]...)
		case tcp:
			c.Client = append(c.Client, l4[int(l4[12]>>4)*4:]...)
		default:
			if c.Port == 0 {
				c.Port, c.ReflectorPort = from, binary.BigEndian.Uint16(l4[2:])
			}
			if request := len(c.Tests)%2 == 0; request != (from == c.Port) {
				t.Fatalf("packet %d of %s goes the wrong way", len(c.Tests), file)
			}
			c.Tests = append(c.Tests, l4[udpHeader:])
		}
	}
	if c.Greeting.UnmarshalBinary(c.Server) != nil || c.SetUp.UnmarshalBinary(c.Client) != nil || len(c.Tests) != 4 {
		t.Fatalf("%s is not a whole control connection with two packets", file)
	}
	if c.SetUp.Mode.ProtectsControl() {
		keys, ok := twamp.OpenToken(twamp.DeriveKey(Passphrase, &c.Greeting), c.Greeting.Challenge, c.SetUp.Token)
		if !ok {
			t.Fatalf("the token of %s does not open", file)
		}
		c.Keys = &keys
	}
	c.readAnswers(t)
	return c
}

// readAnswers reads what the server said up to its first Accept-Session.
func (c *Capture) readAnswers(t testing.TB) {
	t.Helper()
	conn := twamp.NewConn(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(c.Server[twamp.GreetingSize:]), io.Discard})
	var err error
	if c.Start, err = conn.ReceiveStart(c.Keys, c.SetUp.ClientIV); err != nil {
		t.Fatal(err)
	}
	b, err := conn.Receive(twamp.AcceptSessionSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Accept.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
}

// Offering is what the server sent, but that it offers these modes alone: the
// recorded client may have chosen a weaker one than ours would.
func (c *Capture) Offering(modes twamp.Mode) []byte {
	b := bytes.Clone(c.Server)
	binary.BigEndian.PutUint32(b[12:], uint32(modes))
	return b
}

// Drawn is what the client drew at random, in the order in which ours does.
func (c *Capture) Drawn() []byte {
	var keys twamp.Keys
	if c.Keys != nil {
		keys = *c.Keys
	}
	return slices.Concat(keys.AES[:], keys.HMAC[:], c.SetUp.ClientIV[:])
}
