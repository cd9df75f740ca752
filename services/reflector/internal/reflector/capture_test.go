package reflector

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

	"tinytwamp/services/reflector/internal/control"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// capture is what a captured perfSONAR client sent, and of what the server sent
// the control connection.
type capture struct {
	server, client []byte
	requests       [][]byte
}

// readCapture reads a little-endian pcap file of IPv4 in Ethernet frames, whose
// control connection lost nothing.
func readCapture(t *testing.T, name string) (c capture) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader, recordHeader, ethernetHeader, udpHeader, controlPort, tcp = 24, 16, 14, 8, 8620, 6
	sender := -1
	for b = b[fileHeader:]; len(b) > 0; {
		end := recordHeader + binary.LittleEndian.Uint32(b[8:])
		ip := b[recordHeader+ethernetHeader : end]
		b = b[end:]
		l4 := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
		from := int(binary.BigEndian.Uint16(l4))
		switch {
		case ip[9] == tcp && from == controlPort:
			c.server = append(c.server, l4[int(l4[12]>>4)*4:]...)
		case ip[9] == tcp:
			c.client = append(c.client, l4[int(l4[12]>>4)*4:]...)
		case sender < 0 || sender == from:
			sender = from // who sends first is the sender
			c.requests = append(c.requests, l4[udpHeader:])
		}
	}
	return c
}

// terms are what the captured control connection agreed on.
func (c *capture) terms(t *testing.T, mode twamp.Mode) control.Terms {
	t.Helper()
	var g twamp.Greeting
	var r twamp.SetUpResponse
	if g.UnmarshalBinary(c.server) != nil || r.UnmarshalBinary(c.client) != nil {
		t.Fatal("the capture is too short")
	}
	tm := terms()
	tm.Mode, tm.Keys = mode, nil
	if mode.ProtectsControl() {
		keys, ok := twamp.OpenToken(twamp.DeriveKey("open sesame", &g), g.Challenge, r.Token)
		if !ok {
			t.Fatal("the token does not open")
		}
		tm.Keys = &keys
	}
	wire := twamp.NewConn(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(c.server[twamp.GreetingSize:]), io.Discard})
	if _, err := wire.ReceiveStart(tm.Keys, r.ClientIV); err != nil {
		t.Fatal(err)
	}
	var a twamp.AcceptSession
	if b, err := wire.Receive(twamp.AcceptSessionSize); err != nil || a.UnmarshalBinary(b) != nil {
		t.Fatal(err)
	}
	tm.SID = a.SID
	tm.Padding = len(c.requests[0]) - mode.SenderBase()
	return tm
}

// The test packets of captured clients are answered, by the keys and the SID of
// the capture.
func TestCapturedRequests(t *testing.T) {
	for name, mode := range map[string]twamp.Mode{
		"open.pcap": twamp.Unauthenticated, "open_short.pcap": twamp.Unauthenticated,
		"authenticated.pcap": twamp.Authenticated, "encrypted.pcap": twamp.Encrypted, "mixed.pcap": twamp.Mixed,
	} {
		c := readCapture(t, name)
		if len(c.requests) != 2 {
			t.Fatalf("%s: %d requests", name, len(c.requests))
		}
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, server, nil).start()
			tm := c.terms(t, mode)
			from, s := g.sender(client), g.open(tm)
			s.Start(time.Time{})
			from.send(netip.AddrPortFrom(tm.Receiver.Addr(), s.Port()).String(), c.requests...)
			got := from.replies()
			if len(got) != len(c.requests) {
				t.Fatalf("%s: %d replies, drops %v", name, len(got), g.drops())
			}
			for i, m := range got {
				var req stamp.SenderPacket
				var p stamp.ReflectorPacket
				request, pad := bytes.Clone(c.requests[i]), mode.ReflectorBase()
				if mode.ProtectsTest() {
					cipher := twamp.NewTestCipher(mode, tm.Keys, tm.SID)
					if !cipher.OpenSender(request) || !cipher.OpenReflector(m.Buf) {
						t.Fatalf("%s: packet %d does not verify", name, i)
					}
					_, _ = twamp.UnmarshalSender(request, &req), p.UnmarshalAuthenticated(m.Buf)
				} else {
					_, _ = req.UnmarshalBinary(request), p.UnmarshalBinary(m.Buf)
				}
				if p.Sequence != uint32(i) || p.SenderSequence != req.Sequence || p.SenderTimestamp != req.Timestamp || p.SenderErrorEstimate != req.ErrorEstimate {
					t.Errorf("%s: %+v is answered by %+v", name, req, p)
				}
				if len(m.Buf) != max(len(request), pad) || !bytes.Equal(m.Buf[pad:], request[mode.SenderBase():][:len(m.Buf)-pad]) {
					t.Errorf("%s: %d octets are answered by %d, or with another padding", name, len(request), len(m.Buf))
				}
			}
		})
	}
}
