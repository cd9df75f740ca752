package twamp_test

import (
	"bytes"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

// half is one side's view of a captured connection: it reads what the other side
// sent, and what it writes is kept.
type half struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (h *half) Read(b []byte) (int, error)  { return h.in.Read(b) }
func (h *half) Write(b []byte) (int, error) { return h.out.Write(b) }

func newHalf(in []byte) *half { return &half{in: bytes.NewReader(in)} }

// A captured connection, read from both sides, decodes completely, and what our
// codec makes of its messages is again the octets of the capture.
func TestCapturedConnection(t *testing.T) {
	for _, tt := range twamptest.Captures {
		t.Run(tt.File, func(t *testing.T) {
			c := twamptest.Read(t, tt.File)
			replayServer(t, &c, tt.Mode)
			replayClient(t, &c, tt.Mode)
			checkTests(t, &c, tt.Mode)
		})
	}
}

// replayServer is the server's side: it reads what the client sent.
func replayServer(t *testing.T, c *twamptest.Capture, mode twamp.Mode) {
	t.Helper()
	g := c.Greeting
	if g.Modes.Security()&mode == 0 || g.CheckCount() != nil || g.Count != 2048 {
		t.Errorf("greeting is %+v", g)
	}
	wire := newHalf(c.Client)
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
	if mode.ProtectsControl() {
		if response.KeyID != twamptest.KeyID {
			t.Errorf("key id is %q", response.KeyID)
		}
		if _, ok := twamp.OpenToken(twamp.DeriveKey("open sesam", &g), g.Challenge, response.Token); ok {
			t.Error("the token opens with another passphrase")
		}
	}
	if err := conn.SendStart(c.Start, c.Keys, response.ClientIV); err != nil {
		t.Fatal(err)
	}
	var request twamp.RequestSession
	command, b, err := conn.ReceiveCommand()
	if err != nil || command != twamp.CommandRequestSession || request.UnmarshalBinary(b) != nil {
		t.Fatalf("command %d: %v", command, err)
	}
	checkRequest(t, c, mode, &request)
	send(c.Accept)
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
	if !bytes.Equal(wire.out.Bytes(), c.Server) {
		t.Errorf("what we send is\n%x\nwhere the captured server sent\n%x", wire.out.Bytes(), c.Server)
	}
}

func checkRequest(t *testing.T, c *twamptest.Capture, mode twamp.Mode, r *twamp.RequestSession) {
	t.Helper()
	if len(c.Tests[0]) != mode.SenderBase()+int(r.Padding) {
		t.Errorf("padding is %d, packets have %d octets", r.Padding, len(c.Tests[0]))
	}
	if r.IPVersion != 4 || r.Sender.String() != "127.0.0.1" || r.Receiver.String() != "127.0.0.1" || r.SenderPort == 0 ||
		r.ReceiverPort != r.SenderPort || r.ConfSender != 0 || r.ConfReceiver != 0 || r.Slots != 0 || r.Packets != 0 {
		t.Errorf("request is %+v", r)
	}
	if r.Timeout < 2*time.Second || r.Timeout > 3*time.Second {
		t.Errorf("timeout is %v, where twping has 2 s and some round trips", r.Timeout)
	}
}

// replayClient is the client's side: it reads what the server sent, and sends
// what the captured client did.
func replayClient(t *testing.T, c *twamptest.Capture, mode twamp.Mode) {
	t.Helper()
	wire := newHalf(c.Server)
	conn := twamp.NewConn(wire)
	if _, err := conn.Receive(twamp.GreetingSize); err != nil {
		t.Fatal(err)
	}
	if err := conn.Send(c.SetUp); err != nil {
		t.Fatal(err)
	}
	if start, err := conn.ReceiveStart(c.Keys, c.SetUp.ClientIV); err != nil || start.Accept != twamp.OK || start.StartTime>>32 != 0xeeadbc67 {
		t.Fatalf("start is %+v, %v", start, err)
	}
	if err := conn.Send(sentRequest(t, c, mode)); err != nil {
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
	if !bytes.Equal(wire.out.Bytes(), c.Client) {
		t.Errorf("what we send is\n%x\nwhere the captured client sent\n%x", wire.out.Bytes(), c.Client)
	}
}

// octets are a message as it stands. A request's Timeout is finer than a
// time.Duration, so that what is decoded does not encode to the same octets.
type octets []byte

func (o octets) AppendBinary(b []byte) ([]byte, error) { return append(b, o...), nil }

// sentRequest is the captured request in clear.
func sentRequest(t *testing.T, c *twamptest.Capture, mode twamp.Mode) octets {
	t.Helper()
	conn := twamp.NewConn(newHalf(c.Client[twamp.SetUpResponseSize:]))
	if mode.ProtectsControl() {
		if err := conn.SendStart(twamp.ServerStart{}, c.Keys, c.SetUp.ClientIV); err != nil {
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
func checkTests(t *testing.T, c *twamptest.Capture, mode twamp.Mode) {
	t.Helper()
	var cipher *twamp.TestCipher
	if mode.ProtectsTest() {
		cipher = twamp.NewTestCipher(mode, c.Keys, c.Accept.SID)
	}
	var request stamp.SenderPacket
	for i, pkt := range c.Tests {
		open := bytes.Clone(pkt)
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
