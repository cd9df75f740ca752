package control

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

// What a captured perfSONAR client sent, to a server that has the captured
// server's random numbers: each answer is the captured one, but for the start of
// the server and the port.
func TestCapturedClients(t *testing.T) {
	for _, tt := range twamptest.Captures {
		t.Run(tt.File, func(t *testing.T) {
			c := twamptest.Read(t, tt.File)
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))) // of the captures
				replay(t, tt.Mode, &c)
			})
		})
	}
}

func replay(t *testing.T, mode twamp.Mode, c *twamptest.Capture) {
	start, captured := answers(t, c.Server[twamp.GreetingSize:], c.Keys, c.SetUp.ClientIV)
	random := append(c.Greeting.Challenge[:], c.Greeting.Salt[:]...)
	if c.Keys != nil {
		random = append(random, start.ServerIV[:]...)
	}
	random = append(random, captured.SID[:]...)
	g := newRig(t, func(cfg *Config) { cfg.Random = bytes.NewReader(random) })
	g.rounds = c.Greeting.Count
	conn := g.connect(netip.MustParseAddrPort("127.0.0.1:40000"))
	var got bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&got, conn)
		read <- err
	}()
	if _, err := conn.Write(c.Client); err != nil {
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

	if len(got.Bytes()) != len(c.Server) || !bytes.Equal(got.Bytes()[16:twamp.GreetingSize], c.Server[16:twamp.GreetingSize]) {
		t.Errorf("%d octets are sent, the captured server sent %d; or the greeting differs", got.Len(), len(c.Server))
	}
	ours, accept := answers(t, got.Bytes()[twamp.GreetingSize:], c.Keys, c.SetUp.ClientIV)
	if ours.Accept != twamp.OK || c.Keys != nil && ours.ServerIV != start.ServerIV {
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
