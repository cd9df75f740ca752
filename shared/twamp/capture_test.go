package twamp_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// capture is a whole control connection with its test packets.
type capture struct {
	server, client []byte   // of the control connection, all that each side sent
	tests          [][]byte // payloads in the order of the wire: requests and replies in turn
	fromClient     []bool   // of each test packet
}

// readCapture reads a little-endian pcap file of IPv4 in Ethernet frames, whose
// control connection lost nothing. It trusts the file: the tests bring their own.
func readCapture(t testing.TB, name string) (c capture) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader, recordHeader, ethernetHeader, udpHeader, controlPort = 24, 16, 14, 8, 8620
	var senderPort uint16
	for b = b[fileHeader:]; len(b) > 0; {
		end := recordHeader + binary.LittleEndian.Uint32(b[8:])
		ip := b[recordHeader+ethernetHeader : end]
		b = b[end:]
		l4 := ip[int(ip[0]&15)*4 : binary.BigEndian.Uint16(ip[2:])]
		from := binary.BigEndian.Uint16(l4)
		switch ip[9] {
		case 6:
			payload := l4[int(l4[12]>>4)*4:]
			if from == controlPort {
				c.server = append(c.server, payload...)
			} else {
				c.client = append(c.client, payload...)
			}
		case 17:
			if senderPort == 0 {
				senderPort = from
			}
			c.tests = append(c.tests, l4[udpHeader:])
			c.fromClient = append(c.fromClient, from == senderPort)
		}
	}
	return c
}

// half is one side's view of a captured connection: it reads what the other side
// sent, and what it writes is kept.
type half struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (h *half) Read(b []byte) (int, error)  { return h.in.Read(b) }
func (h *half) Write(b []byte) (int, error) { return h.out.Write(b) }

func newHalf(in []byte) *half { return &half{in: bytes.NewReader(in)} }

var captures = []struct {
	file string
	mode twamp.Mode
}{
	{"open.pcap", twamp.Unauthenticated},
	{"open_short.pcap", twamp.Unauthenticated},
	{"authenticated.pcap", twamp.Authenticated},
	{"encrypted.pcap", twamp.Encrypted},
	{"mixed.pcap", twamp.Mixed},
}

const passphrase = "open sesame" // of key id joe

// A captured connection, read from both sides, decodes completely, and what our
// codec makes of its messages is again the octets of the capture.
func TestCapturedConnection(t *testing.T) {
	for _, tt := range captures {
		t.Run(tt.file, func(t *testing.T) {
			c := readCapture(t, tt.file)
			keys, accept := replayServer(t, c, tt.mode)
			replayClient(t, c, tt.mode, keys)
			checkTests(t, c, tt.mode, keys, accept.SID)
		})
	}
}

// setUp decodes the set-up of a capture, which is in clear.
func setUp(t *testing.T, c capture) (g twamp.Greeting, r twamp.SetUpResponse, s twamp.ServerStart) {
	t.Helper()
	for _, err := range []error{g.UnmarshalBinary(c.server), r.UnmarshalBinary(c.client), s.UnmarshalBinary(c.server[twamp.GreetingSize:])} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return g, r, s
}

// replayServer is the server's side: it reads what the client sent.
func replayServer(t *testing.T, c capture, mode twamp.Mode) (*twamp.Keys, twamp.AcceptSession) {
	t.Helper()
	g, _, start := setUp(t, c)
	if g.Modes.Security()&mode == 0 || g.CheckCount() != nil || g.Count != 2048 {
		t.Errorf("greeting is %+v", g)
	}
	wire := newHalf(c.client)
	conn := twamp.NewConn(wire)
	send := func(m interface{ AppendBinary([]byte) ([]byte, error) }) {
		t.Helper()
		if err := conn.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	send(g)
	b, err := conn.Receive(twamp.SetUpResponseSize)
	if err != nil {
		t.Fatal(err)
	}
	var response twamp.SetUpResponse
	if err := response.UnmarshalBinary(b); err != nil || response.Mode != mode || !response.Mode.Valid(g.Modes) {
		t.Fatalf("response is %+v, %v", response, err)
	}
	var keys *twamp.Keys
	if mode.ProtectsControl() {
		if response.KeyID != "joe" {
			t.Errorf("key id is %q", response.KeyID)
		}
		k, ok := twamp.OpenToken(twamp.DeriveKey(passphrase, &g), g.Challenge, response.Token)
		if !ok {
			t.Fatal("the token does not open")
		}
		if _, ok := twamp.OpenToken(twamp.DeriveKey("open sesam", &g), g.Challenge, response.Token); ok {
			t.Error("the token opens with another passphrase")
		}
		keys = &k
		start = clearStart(t, c, keys, response)
	}
	if err := conn.SendStart(start, keys, response.ClientIV); err != nil {
		t.Fatal(err)
	}
	var request twamp.RequestSession
	command, b, err := conn.ReceiveCommand()
	if err != nil || command != twamp.CommandRequestSession || request.UnmarshalBinary(b) != nil {
		t.Fatalf("command %d: %v", command, err)
	}
	checkRequest(t, c, mode, &request)
	accept := sentAccept(t, c, mode, keys, response)
	send(accept)
	if command, _, err := conn.ReceiveCommand(); err != nil || command != twamp.CommandStartSessions {
		t.Fatalf("command %d: %v", command, err)
	}
	send(twamp.StartAck{})
	var stop twamp.StopSessions
	command, b, err = conn.ReceiveCommand()
	if err != nil || command != twamp.CommandStopSessions || stop.UnmarshalBinary(b) != nil || stop != (twamp.StopSessions{Number: 1}) {
		t.Fatalf("command %d: %+v, %v", command, stop, err)
	}
	if wire.in.Len() > 0 {
		t.Errorf("%d octets are left", wire.in.Len())
	}
	if !bytes.Equal(wire.out.Bytes(), c.server) {
		t.Errorf("what we send is\n%x\nwhere the captured server sent\n%x", wire.out.Bytes(), c.server)
	}
	return keys, accept
}

func checkRequest(t *testing.T, c capture, mode twamp.Mode, r *twamp.RequestSession) {
	t.Helper()
	if len(c.tests[0]) != mode.SenderBase()+int(r.Padding) {
		t.Errorf("padding is %d, packets have %d octets", r.Padding, len(c.tests[0]))
	}
	if r.IPVersion != 4 || r.Sender.String() != "127.0.0.1" || r.Receiver.String() != "127.0.0.1" || r.SenderPort == 0 ||
		r.ReceiverPort != r.SenderPort || r.ConfSender != 0 || r.ConfReceiver != 0 || r.Slots != 0 || r.Packets != 0 {
		t.Errorf("request is %+v", r)
	}
	if r.Timeout < 2*time.Second || r.Timeout > 3*time.Second {
		t.Errorf("timeout is %v, where twping has 2 s and some round trips", r.Timeout)
	}
}

// clearStart is the ServerStart of a protected capture in clear, and sentAccept
// its AcceptSession: as the client reads them.
func clearStart(t *testing.T, c capture, keys *twamp.Keys, r twamp.SetUpResponse) twamp.ServerStart {
	t.Helper()
	s, _ := startAndAccept(t, c, keys, r)
	return s
}

func sentAccept(t *testing.T, c capture, _ twamp.Mode, keys *twamp.Keys, r twamp.SetUpResponse) twamp.AcceptSession {
	t.Helper()
	_, a := startAndAccept(t, c, keys, r)
	return a
}

func startAndAccept(t *testing.T, c capture, keys *twamp.Keys, r twamp.SetUpResponse) (twamp.ServerStart, twamp.AcceptSession) {
	t.Helper()
	conn := twamp.NewConn(newHalf(c.server[twamp.GreetingSize:]))
	s, err := conn.ReceiveStart(keys, r.ClientIV)
	if err != nil {
		t.Fatal(err)
	}
	b, err := conn.Receive(twamp.AcceptSessionSize)
	if err != nil {
		t.Fatal(err)
	}
	var a twamp.AcceptSession
	if err := a.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return s, a
}

// replayClient is the client's side: it reads what the server sent, and sends
// what the captured client did.
func replayClient(t *testing.T, c capture, mode twamp.Mode, keys *twamp.Keys) {
	t.Helper()
	_, response, _ := setUp(t, c)
	wire := newHalf(c.server)
	conn := twamp.NewConn(wire)
	if _, err := conn.Receive(twamp.GreetingSize); err != nil {
		t.Fatal(err)
	}
	if err := conn.Send(response); err != nil {
		t.Fatal(err)
	}
	if start, err := conn.ReceiveStart(keys, response.ClientIV); err != nil || start.Accept != twamp.OK || start.StartTime>>32 != 0xeeadbc67 {
		t.Fatalf("start is %+v, %v", start, err)
	}
	if err := conn.Send(sentRequest(t, c, mode, keys, response)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Receive(twamp.AcceptSessionSize); err != nil {
		t.Fatal(err)
	}
	if err := conn.Send(twamp.StartSessions{}); err != nil {
		t.Fatal(err)
	}
	var ack twamp.StartAck
	if b, err := conn.Receive(twamp.StartAckSize); err != nil || ack.UnmarshalBinary(b) != nil || ack.Accept != twamp.OK {
		t.Fatalf("acknowledgement is %+v, %v", ack, err)
	}
	if err := conn.Send(twamp.StopSessions{Number: 1}); err != nil {
		t.Fatal(err)
	}
	if wire.in.Len() > 0 {
		t.Errorf("%d octets are left", wire.in.Len())
	}
	if !bytes.Equal(wire.out.Bytes(), c.client) {
		t.Errorf("what we send is\n%x\nwhere the captured client sent\n%x", wire.out.Bytes(), c.client)
	}
}

// octets are a message as it stands. A request's Timeout is finer than a
// time.Duration, so that what is decoded does not encode to the same octets.
type octets []byte

func (o octets) AppendBinary(b []byte) ([]byte, error) { return append(b, o...), nil }

// sentRequest is the captured request in clear.
func sentRequest(t *testing.T, c capture, mode twamp.Mode, keys *twamp.Keys, r twamp.SetUpResponse) octets {
	t.Helper()
	conn := twamp.NewConn(newHalf(c.client[twamp.SetUpResponseSize:]))
	if mode.ProtectsControl() {
		if err := conn.SendStart(twamp.ServerStart{}, keys, r.ClientIV); err != nil {
			t.Fatal(err)
		}
	}
	_, b, err := conn.ReceiveCommand()
	if err != nil {
		t.Fatal(err)
	}
	var request twamp.RequestSession
	if err := request.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	again, _ := request.AppendBinary(nil)
	const timeout = 76 // 8 octets
	if body := twamp.RequestSessionSize - 16; !bytes.Equal(again[:timeout+4], b[:timeout+4]) || !bytes.Equal(again[timeout+8:body], b[timeout+8:body]) {
		t.Errorf("the request is again\n%x\nwhere it was\n%x", again, b)
	}
	return bytes.Clone(b)
}

// checkTests decodes the captured test packets, and makes them again.
func checkTests(t *testing.T, c capture, mode twamp.Mode, keys *twamp.Keys, sid twamp.SID) {
	t.Helper()
	var cipher *twamp.TestCipher
	if mode.ProtectsTest() {
		cipher = twamp.NewTestCipher(mode, keys, sid)
	}
	if len(c.tests) != 4 {
		t.Fatalf("%d test packets", len(c.tests))
	}
	var request stamp.SenderPacket
	for i, pkt := range c.tests {
		open := bytes.Clone(pkt)
		if c.fromClient[i] != (i%2 == 0) {
			t.Fatalf("packet %d goes the wrong way", i)
		}
		if i%2 == 0 {
			request = openRequest(t, open, cipher)
			if request.Sequence != uint32(i/2) || request.Timestamp>>32 != 0xeeadbcaa && request.Timestamp>>32 < 0xeeadbc00 || !request.ErrorEstimate.Valid() {
				t.Errorf("request %d is %+v", i, request)
			}
			again := encodeRequest(open, request, cipher)
			if !bytes.Equal(again, pkt) {
				t.Errorf("request %d is\n%x\nwhere it was\n%x", i, again, pkt)
			}
			continue
		}
		reply := openReply(t, open, cipher)
		if reply.SenderSequence != request.Sequence || reply.SenderTimestamp != request.Timestamp || reply.SenderTTL != 255 ||
			reply.SenderErrorEstimate != request.ErrorEstimate || reply.Sequence != request.Sequence {
			t.Errorf("reply %d is %+v, its request %+v", i, reply, request)
		}
		if cipher == nil {
			continue
		}
		reply.SSID = 0
		again := append(reply.AppendAuthenticated(nil), pkt[twamp.ReflectorAuthSize:]...)
		cipher.SealReflector(again)
		if !bytes.Equal(again, pkt) {
			t.Errorf("reply %d is\n%x\nwhere it was\n%x", i, again, pkt)
		}
		t1, _ := request.Timestamp.UnixNano(stamp.NTP)
		t2, _ := reply.ReceiveTimestamp.UnixNano(stamp.NTP)
		t3, _ := reply.Timestamp.UnixNano(stamp.NTP)
		if t2 < t1 || t3 < t2 || t3-t1 > int64(10*time.Millisecond) {
			t.Errorf("T1, T2, T3 are %d, %d, %d", t1, t2, t3)
		}
	}
}

func openRequest(t *testing.T, pkt []byte, c *twamp.TestCipher) (p stamp.SenderPacket) {
	t.Helper()
	if c == nil {
		if err := p.UnmarshalBinary(pkt); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if !c.OpenSender(pkt) {
		t.Fatal("the request does not verify")
	}
	if err := twamp.UnmarshalSender(pkt, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func encodeRequest(pkt []byte, p stamp.SenderPacket, c *twamp.TestCipher) []byte {
	if c == nil {
		b, _ := p.AppendBinary(nil)
		return append(b[:twamp.SenderSize:twamp.SenderSize], pkt[twamp.SenderSize:]...)
	}
	b := append(twamp.AppendSender(nil, p), pkt[twamp.SenderAuthSize:]...)
	c.SealSender(b)
	return b
}

func openReply(t *testing.T, pkt []byte, c *twamp.TestCipher) (p stamp.ReflectorPacket) {
	t.Helper()
	if c == nil {
		if err := p.UnmarshalBinary(pkt); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if !c.OpenReflector(pkt) {
		t.Fatal("the reply does not verify")
	}
	if err := p.UnmarshalAuthenticated(pkt); err != nil {
		t.Fatal(err)
	}
	return p
}
