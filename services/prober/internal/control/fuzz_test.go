package control_test

import (
	"testing"

	"tinytwamp/services/prober/internal/control"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

// octets are a message of any form.
type octets []byte

func (o octets) AppendBinary(b []byte) ([]byte, error) { return append(b, o...), nil }

// FuzzClient talks to a server that says anything: as it stands, and in a
// protected mode as one that has the passphrase says it. The client neither
// panics nor goes on for ever, and never agrees to less than it was told to.
func FuzzClient(f *testing.F) {
	for i, tt := range twamptest.Captures {
		f.Add(twamptest.Read(f, tt.File).Server, byte(i), false)
		f.Add(make([]byte, 200), byte(i), true)
	}
	f.Fuzz(func(t *testing.T, said []byte, which byte, sealed bool) {
		least := []twamp.Mode{twamp.Unauthenticated, twamp.Mixed, twamp.Authenticated, twamp.Encrypted}[which%4]
		cfg := control.Config{Least: least, Rand: zeros{}, Extensions: twamp.Mode(which) & (twamp.ReflectOctets | twamp.SymmetricalSize)}
		if which&0x10 == 0 {
			cfg.KeyID, cfg.Passphrase = "joe", "open sesame"
		}
		if sealed {
			said = seal(t, said, least|cfg.Extensions)
		} else if len(said) >= twamp.GreetingSize {
			said[48], said[49], said[50] = 0, 0, said[50]&0x0f // a count that is quick
		}
		wire := newTape(said)
		client, err := control.Connect(wire, cfg)
		if err != nil {
			return
		}
		if s := client.Mode(); !s.Valid(^twamp.Mode(0)) || cfg.Least.ProtectsTest() && !s.ProtectsTest() ||
			cfg.Least.ProtectsControl() && !s.ProtectsControl() || s&cfg.Extensions != cfg.Extensions {
			t.Fatalf("agreed to %v, where %v is the least", s, cfg.Least)
		}
		for range 3 {
			x, err := client.Request(control.Request{IPVersion: 4, Port: 1, Reflect: uint16(which)})
			if err == nil && x.Port == 0 {
				t.Fatal("a session without a port")
			}
		}
		_ = client.Start()
		_ = client.Wait()
		_ = client.Stop()
		if n := wire.out.Len(); n > twamp.SetUpResponseSize+3*twamp.RequestSessionSize+twamp.StartSessionsSize+twamp.StopSessionsSize {
			t.Fatalf("the client said %d octets", n)
		}
	})
}

// seal makes what a server sends that accepts the mode, and then says anything.
func seal(t *testing.T, said []byte, mode twamp.Mode) []byte {
	t.Helper()
	wire := newTape(nil)
	conn := twamp.NewConn(wire)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(conn.Send(twamp.Greeting{Modes: mode, Count: twamp.MinCount}))
	var keys *twamp.Keys
	if mode.ProtectsControl() {
		keys = new(twamp.Keys) // as zeros draw them
	}
	must(conn.SendStart(twamp.ServerStart{}, keys, [16]byte{}))
	for _, size := range []int{twamp.AcceptSessionSize, twamp.AcceptSessionSize, twamp.AcceptSessionSize, twamp.StartAckSize} {
		if len(said) < size {
			break
		}
		must(conn.Send(octets(append([]byte(nil), said[:size]...))))
		said = said[size:]
	}
	wire.out.Write(said)
	return wire.out.Bytes()
}
