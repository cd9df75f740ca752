package control

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/twamp"
)

// readControl reads what each side sent on the control connection of a capture:
// a little-endian pcap file of IPv4 in Ethernet frames, which lost nothing.
func readControl(t *testing.T, name string) (server, client []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader, recordHeader, ethernetHeader, tcp, controlPort = 24, 16, 14, 6, 8620
	for b = b[fileHeader:]; len(b) > 0; {
		end := recordHeader + binary.LittleEndian.Uint32(b[8:])
		ip := b[recordHeader+ethernetHeader : end]
		b = b[end:]
		l4 := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
		switch {
		case ip[9] != tcp:
		case binary.BigEndian.Uint16(l4) == controlPort:
			server = append(server, l4[int(l4[12]>>4)*4:]...)
		default:
			client = append(client, l4[int(l4[12]>>4)*4:]...)
		}
	}
	return server, client
}

// What a captured perfSONAR client sent, to a server that has the captured
// server's random numbers: each answer is the captured one, but for the start of
// the server and the port.
func TestCapturedClients(t *testing.T) {
	for name, mode := range map[string]twamp.Mode{
		"open.pcap": twamp.Unauthenticated, "open_short.pcap": twamp.Unauthenticated,
		"authenticated.pcap": twamp.Authenticated, "encrypted.pcap": twamp.Encrypted, "mixed.pcap": twamp.Mixed,
	} {
		t.Run(name, func(t *testing.T) {
			server, sent := readControl(t, name)
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))) // of the captures
				replay(t, mode, server, sent)
			})
		})
	}
}

func replay(t *testing.T, mode twamp.Mode, server, sent []byte) {
	var greeting twamp.Greeting
	var response twamp.SetUpResponse
	if greeting.UnmarshalBinary(server) != nil || response.UnmarshalBinary(sent) != nil {
		t.Fatal("the capture is too short")
	}
	var keys *twamp.Keys
	if mode.ProtectsControl() {
		k, ok := twamp.OpenToken(twamp.DeriveKey(passphrase, &greeting), greeting.Challenge, response.Token)
		if !ok {
			t.Fatal("the captured token does not open")
		}
		keys = &k
	}
	start, captured := answers(t, server[twamp.GreetingSize:], keys, response.ClientIV)

	random := append(append([]byte{}, greeting.Challenge[:]...), greeting.Salt[:]...)
	if keys != nil {
		random = append(random, start.ServerIV[:]...)
	}
	random = append(random, captured.SID[:]...)
	g := newRig(t, func(cfg *Config) { cfg.Random = bytes.NewReader(random) })
	g.rounds = greeting.Count
	conn := g.connect(netip.MustParseAddrPort("127.0.0.1:40000"))
	var got bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&got, conn)
		read <- err
	}()
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	all := g.reflector.all()
	if len(all) != 1 {
		t.Fatalf("%d sessions: %+v", len(all), g.records)
	}
	if started, stopped, _ := all[0].state(); !started || !stopped {
		t.Errorf("the session is started: %v, stopped: %v", started, stopped)
	}
	conn.Close()
	<-read
	g.ends(byClient)

	if len(got.Bytes()) != len(server) || !bytes.Equal(got.Bytes()[16:twamp.GreetingSize], server[16:twamp.GreetingSize]) {
		t.Errorf("%d octets are sent, the captured server sent %d; or the greeting differs", got.Len(), len(server))
	}
	ours, accept := answers(t, got.Bytes()[twamp.GreetingSize:], keys, response.ClientIV)
	if ours.Accept != twamp.OK || keys != nil && ours.ServerIV != start.ServerIV {
		t.Errorf("the start is %+v, captured %+v", ours, start)
	}
	if captured.Port = all[0].port; accept != captured {
		t.Errorf("the session is accepted with %+v, captured %+v", accept, captured)
	}
	terms := all[0].terms
	if terms.Sender.Addr() != netip.MustParseAddr("127.0.0.1") || terms.Sender.Port() != terms.Receiver.Port() || terms.Mode != mode ||
		terms.Timeout < 2*time.Second || terms.DSCP != 0 && terms.DSCP != 46 {
		t.Errorf("the terms are %+v", terms)
	}
}

// answers decodes what a server sent behind its greeting, up to the last octet.
func answers(t *testing.T, b []byte, keys *twamp.Keys, clientIV [16]byte) (s twamp.ServerStart, a twamp.AcceptSession) {
	t.Helper()
	in := bytes.NewReader(b)
	wire := twamp.NewConn(struct {
		io.Reader
		io.Writer
	}{in, io.Discard})
	s, err := wire.ReceiveStart(keys, clientIV)
	if err != nil {
		t.Fatal(err)
	}
	var ack twamp.StartAck
	for _, m := range []struct {
		size int
		into interface{ UnmarshalBinary([]byte) error }
	}{{twamp.AcceptSessionSize, &a}, {twamp.StartAckSize, &ack}} {
		msg, err := wire.Receive(m.size)
		if err != nil || m.into.UnmarshalBinary(msg) != nil {
			t.Fatalf("%T: %v", m.into, err)
		}
	}
	if ack.Accept != twamp.OK || a.Accept != twamp.OK || in.Len() > 0 {
		t.Errorf("the answers are %+v, %+v, and %d octets more", a, ack, in.Len())
	}
	return s, a
}
