package control_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"tinytwamp/services/prober/internal/control"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/twamp/twamptest"
)

// tape is a connection to a server that was recorded: what it said is read, and
// what is said to it is kept.
type tape struct {
	in     *bytes.Reader
	out    bytes.Buffer
	closed bool
}

func newTape(in []byte) *tape { return &tape{in: bytes.NewReader(in)} }

func (t *tape) Read(b []byte) (int, error)       { return t.in.Read(b) }
func (t *tape) Write(b []byte) (int, error)      { return t.out.Write(b) }
func (t *tape) Close() error                     { t.closed = true; return nil }
func (t *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (t *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (t *tape) SetDeadline(time.Time) error      { return nil }
func (t *tape) SetReadDeadline(time.Time) error  { return nil }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }

// Our client against the recorded server: with the same draws and the same wishes
// it says what the recorded client said, but for what it leaves open (addresses,
// when to begin) and its timeout. It takes the recorded replies.
func TestReplay(t *testing.T) {
	for _, tt := range twamptest.Captures {
		t.Run(tt.File, func(t *testing.T) {
			c := twamptest.Read(t, tt.File)
			wire := newTape(c.Offering(tt.Mode))
			cfg := control.Config{Least: tt.Mode, Rand: bytes.NewReader(c.Drawn())}
			if tt.Mode.ProtectsControl() {
				cfg.KeyID, cfg.Passphrase = twamptest.KeyID, twamptest.Passphrase
			}
			client, err := control.Connect(wire, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if client.Mode() != tt.Mode {
				t.Fatalf("the mode is %v", client.Mode())
			}
			recorded := said(t, &c, c.Client)
			var asked twamp.RequestSession
			if err := asked.UnmarshalBinary(recorded[0]); err != nil {
				t.Fatal(err)
			}
			dscp, _ := asked.TypeP.DSCP()
			s, err := client.Request(control.Request{
				IPVersion: 4, Port: c.Port, Padding: uint32(len(c.Tests[0]) - tt.Mode.SenderBase()), Timeout: 2 * time.Second, DSCP: dscp,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Start(); err != nil {
				t.Fatal(err)
			}
			if err := client.Wait(); err == nil || err.Error() != "control: the server closed the connection" {
				t.Errorf("the connection ended with %v", err)
			}
			if err := client.Stop(); err != nil || !wire.closed {
				t.Errorf("stopping: %v, closed is %v", err, wire.closed)
			}
			if s.Port != c.ReflectorPort || s.ServerOctets != 0 || client.Accepted() != 1 {
				t.Errorf("session is %+v", s)
			}
			if got, want := wire.out.Bytes()[:twamp.SetUpResponseSize], c.Client[:twamp.SetUpResponseSize]; !bytes.Equal(got, want) {
				t.Errorf("the set-up is\n%x\nwhere it was\n%x", got, want)
			}
			compareSaid(t, said(t, &c, wire.out.Bytes()), recorded)
			takeReplies(t, &c, s)
		})
	}
}

// said gives the commands of a client in clear.
func said(t *testing.T, c *twamptest.Capture, client []byte) (commands [][]byte) {
	t.Helper()
	conn := twamp.NewConn(newTape(client[twamp.SetUpResponseSize:]))
	if c.SetUp.Mode.ProtectsControl() {
		if err := conn.SendStart(twamp.ServerStart{}, c.Keys, c.SetUp.ClientIV); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []twamp.Command{twamp.CommandRequestSession, twamp.CommandStartSessions, twamp.CommandStopSessions} {
		command, b, err := conn.ReceiveCommand()
		if err != nil || command != want {
			t.Fatalf("command %d, not %d: %v", command, want, err)
		}
		commands = append(commands, bytes.Clone(b))
	}
	if _, _, err := conn.ReceiveCommand(); err == nil {
		t.Error("there is more after Stop-Sessions")
	}
	return commands
}

// compareSaid compares commands: all octets of all of them, but for those of the
// request that the two clients choose differently.
func compareSaid(t *testing.T, got, want [][]byte) {
	t.Helper()
	for i := range want {
		for at := range want[i] {
			own := i == 0 && (at >= 16 && at < 48 || at >= 68 && at < 84 || at >= 96) // addresses; Start Time and Timeout; HMAC
			if !own && got[i][at] != want[i][at] {
				t.Errorf("octet %d of command %d is %#x, where it was %#x", at, i, got[i][at], want[i][at])
			}
		}
	}
	if !bytes.Equal(got[0][16:48], make([]byte, 32)) || !bytes.Equal(got[0][68:84], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0}) {
		t.Errorf("the request is\n%x", got[0])
	}
}

// takeReplies opens the recorded replies with the session's cipher.
func takeReplies(t *testing.T, c *twamptest.Capture, s control.Session) {
	t.Helper()
	if (s.Cipher != nil) != c.SetUp.Mode.ProtectsTest() {
		t.Fatalf("there is a cipher: %v", s.Cipher != nil)
	}
	for i, pkt := range [][]byte{c.Tests[1], c.Tests[3]} {
		var p stamp.ReflectorPacket
		pkt = bytes.Clone(pkt)
		if s.Cipher == nil {
			_ = p.UnmarshalBinary(pkt)
		} else if !s.Cipher.OpenReflector(pkt) || p.UnmarshalAuthenticated(pkt) != nil {
			t.Fatalf("reply %d does not open", i)
		}
		if p.SenderSequence != uint32(i) || p.Sequence != uint32(i) || p.SenderTTL != 255 {
			t.Errorf("reply %d is %+v", i, p)
		}
	}
}

// A server whose messages are changed on the way gets nothing from us but an
// error, wherever that is, in each mode that notices.
func TestReplayTamperedWith(t *testing.T) {
	c := twamptest.Read(t, "encrypted.pcap")
	for at := twamp.GreetingSize + 15; at < len(c.Server); at++ {
		b := bytes.Clone(c.Server)
		b[at] ^= 0x40
		if err := talk(newTape(b), control.Config{
			Least: twamp.Encrypted, KeyID: twamptest.KeyID, Passphrase: twamptest.Passphrase, Rand: bytes.NewReader(c.Drawn()),
		}); err == nil {
			t.Errorf("octet %d can be changed", at)
		}
	}
}

// A connection that ends early ends the talk, wherever that is.
func TestReplayCutOff(t *testing.T) {
	for _, tt := range twamptest.Captures {
		c := twamptest.Read(t, tt.File)
		for n := range len(c.Server) {
			err := talk(newTape(c.Offering(tt.Mode)[:n]), control.Config{
				Least: tt.Mode, KeyID: twamptest.KeyID, Passphrase: twamptest.Passphrase, Rand: bytes.NewReader(c.Drawn()),
			})
			if err == nil {
				t.Fatalf("%s: %d of %d octets are enough", tt.File, n, len(c.Server))
			}
		}
	}
}

// talk is a whole talk with one session.
func talk(conn net.Conn, cfg control.Config) error {
	client, err := control.Connect(conn, cfg)
	if err != nil {
		return err
	}
	if _, err := client.Request(control.Request{IPVersion: 4, Port: 9741, Timeout: time.Second}); err != nil {
		return err
	}
	if err := client.Start(); err != nil {
		return err
	}
	_ = client.Wait()
	return client.Stop()
}

// zeros draws nothing.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

var _ io.Reader = zeros{}
