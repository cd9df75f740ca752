package twamp_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

// protected is a connection's two ends with the set-up behind them, over buffers.
func protected(t testing.TB) (client, server *twamp.Conn, toServer, toClient *bytes.Buffer) {
	t.Helper()
	toServer, toClient = new(bytes.Buffer), new(bytes.Buffer)
	client, server = twamp.NewConn(ends{toClient, toServer}), twamp.NewConn(ends{toServer, toClient})
	keys := &twamp.Keys{AES: [16]byte{1, 2, 3}, HMAC: [32]byte{4, 5, 6}}
	iv := [16]byte{7, 8, 9}
	start := twamp.ServerStart{ServerIV: [16]byte{10, 11}, StartTime: 0x0102030405060708}
	if err := server.SendStart(start, keys, iv); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(toClient.Bytes(), []byte{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Error("Start-Time goes in clear")
	}
	if got, err := client.ReceiveStart(keys, iv); err != nil || got != start {
		t.Fatalf("start is %+v, %v", got, err)
	}
	return client, server, toServer, toClient
}

type ends struct {
	io.Reader
	io.Writer
}

// Both directions are streams: the same message twice is not the same octets.
func TestProtectedConversation(t *testing.T) {
	client, server, toServer, toClient := protected(t)
	var sent [][]byte
	for i := range 3 {
		if err := client.Send(twamp.StopSessions{Number: 7}); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, bytes.Clone(toServer.Bytes()))
		if i > 0 && bytes.Equal(sent[i], sent[i-1]) {
			t.Error("a message repeats on the wire")
		}
		command, b, err := server.ReceiveCommand()
		var stop twamp.StopSessions
		if err != nil || command != twamp.CommandStopSessions || stop.UnmarshalBinary(b) != nil || stop.Number != 7 {
			t.Fatalf("command %d, %+v, %v", command, stop, err)
		}
		if err := server.Send(twamp.StartAck{Accept: twamp.Accept(i)}); err != nil {
			t.Fatal(err)
		}
		var ack twamp.StartAck
		if b, err := client.Receive(twamp.StartAckSize); err != nil || ack.UnmarshalBinary(b) != nil || ack.Accept != twamp.Accept(i) {
			t.Fatalf("acknowledgement is %+v, %v", ack, err)
		}
	}
	if toServer.Len()+toClient.Len() > 0 {
		t.Error("octets are left")
	}
}

// A change of any bit is found, in the message or in Server-Start before it.
func TestChangedMessages(t *testing.T) {
	for at := range twamp.RequestSessionSize {
		client, server, toServer, _ := protected(t)
		if err := client.Send(twamp.RequestSession{IPVersion: 4}); err != nil {
			t.Fatal(err)
		}
		toServer.Bytes()[at] ^= 0x10
		_, _, err := server.ReceiveCommand()
		// In the first block the command number may change with it.
		if !errors.Is(err, twamp.ErrHMAC) && (at >= 16 || !errors.Is(err, twamp.ErrCommand) && !errors.Is(err, io.ErrUnexpectedEOF)) {
			t.Errorf("octet %d changed: %v", at, err)
		}
	}
	for at := 32; at < twamp.ServerStartSize; at++ {
		var wire bytes.Buffer
		keys := &twamp.Keys{AES: [16]byte{1}}
		server := twamp.NewConn(&wire)
		if err := server.SendStart(twamp.ServerStart{}, keys, [16]byte{}); err != nil {
			t.Fatal(err)
		}
		if err := server.Send(twamp.AcceptSession{}); err != nil {
			t.Fatal(err)
		}
		wire.Bytes()[at] ^= 1
		client := twamp.NewConn(&wire)
		if _, err := client.ReceiveStart(keys, [16]byte{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Receive(twamp.AcceptSessionSize); !errors.Is(err, twamp.ErrHMAC) {
			t.Errorf("octet %d of Server-Start changed: %v", at, err)
		}
	}
}

// A message that was taken out, repeated or sent back is found, too.
func TestMessagesOutOfPlace(t *testing.T) {
	for name, change := range map[string]func(first, second []byte) []byte{
		"repeated":  func(first, _ []byte) []byte { return append(bytes.Clone(first), first...) },
		"taken out": func(_, second []byte) []byte { return second },
		"swapped":   func(first, second []byte) []byte { return append(bytes.Clone(second), first...) },
	} {
		client, server, toServer, _ := protected(t)
		var parts [2][]byte
		for i := range parts {
			if err := client.Send(twamp.StopSessions{Number: uint32(i)}); err != nil {
				t.Fatal(err)
			}
			parts[i] = bytes.Clone(toServer.Bytes())
			toServer.Reset()
		}
		toServer.Write(change(parts[0], parts[1]))
		var err error
		for range 2 {
			if _, _, err = server.ReceiveCommand(); err != nil {
				break
			}
		}
		if !errors.Is(err, twamp.ErrHMAC) && !errors.Is(err, twamp.ErrCommand) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownCommands(t *testing.T) {
	for c := range 256 {
		wire := bytes.NewBuffer(append([]byte{byte(c)}, make([]byte, 200)...))
		command, _, err := twamp.NewConn(wire).ReceiveCommand()
		known := c == 2 || c == 3 || c == 5
		if command != twamp.Command(c) || (err == nil) != known || !known && !errors.Is(err, twamp.ErrCommand) {
			t.Errorf("command %d is %d, %v", c, command, err)
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	for n := range twamp.RequestSessionSize {
		client, server, toServer, _ := protected(t)
		if err := client.Send(twamp.RequestSession{}); err != nil {
			t.Fatal(err)
		}
		toServer.Truncate(n)
		if _, _, err := server.ReceiveCommand(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

// A refusal is in clear: there is nothing to decrypt it with.
func TestRefusalIsInClear(t *testing.T) {
	var wire bytes.Buffer
	if err := twamp.NewConn(&wire).Send(twamp.ServerStart{Accept: twamp.Failure}); err != nil {
		t.Fatal(err)
	}
	s, err := twamp.NewConn(&wire).ReceiveStart(new(twamp.Keys), [16]byte{})
	if err != nil || s.Accept != twamp.Failure || s.StartTime != 0 {
		t.Errorf("start is %+v, %v", s, err)
	}
}

// FuzzConn feeds both ends octets of anybody, in clear and protected.
func FuzzConn(f *testing.F) {
	for _, tt := range twamptest.Captures {
		c := twamptest.Read(f, tt.File)
		f.Add(c.Server, tt.Mode.ProtectsControl())
		f.Add(c.Client, tt.Mode.ProtectsControl())
	}
	f.Fuzz(func(t *testing.T, b []byte, protect bool) {
		var keys *twamp.Keys
		if protect {
			keys = &twamp.Keys{AES: [16]byte{1}, HMAC: [32]byte{2}}
		}
		server := twamp.NewConn(newHalf(b))
		if err := server.SendStart(twamp.ServerStart{}, keys, [16]byte{3}); err != nil {
			t.Fatal(err)
		}
		for range len(b) {
			_, msg, err := server.ReceiveCommand()
			if err != nil {
				break
			}
			var r twamp.RequestSession
			var s twamp.StopSessions
			_, _ = r.UnmarshalBinary(msg), s.UnmarshalBinary(msg)
		}
		client := twamp.NewConn(newHalf(b))
		if msg, err := client.Receive(twamp.GreetingSize); err == nil {
			var g twamp.Greeting
			_ = g.UnmarshalBinary(msg)
		}
		if _, err := client.ReceiveStart(keys, [16]byte{3}); err != nil {
			return
		}
		for range len(b) {
			msg, err := client.Receive(twamp.AcceptSessionSize)
			if err != nil {
				break
			}
			var a twamp.AcceptSession
			_ = a.UnmarshalBinary(msg)
		}
	})
}
