package control

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/twamp"
)

// Whatever a client sends, in clear or with its keys, the server comes to an end
// with it and keeps no session.
func FuzzServer(f *testing.F) {
	request, _ := wanted().AppendBinary(nil)
	start, _ := twamp.StartSessions{}.AppendBinary(nil)
	stop, _ := twamp.StopSessions{Number: 1}.AppendBinary(nil)
	all := append(append(append([]byte{}, request...), start...), stop...)
	open, _ := twamp.SetUpResponse{Mode: twamp.Unauthenticated}.AppendBinary(nil)
	for mode := range byte(8) {
		f.Add(mode, all)
		f.Add(mode, append(append([]byte{}, open...), all...))
		f.Add(mode, append(append([]byte{}, all...), all[:200]...))
		f.Add(mode, append(append(append([]byte{}, request...), request...), start...))
	}
	f.Fuzz(func(t *testing.T, how byte, sent []byte) {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, func(cfg *Config) { cfg.Limits = Limits{Sessions: 10} })
			mode := twamp.Mode(1) << (how & 3)
			if how&4 == 0 { // from the first octet on
				conn := g.connect(clientAddr)
				go io.Copy(io.Discard, conn)
				write(t, conn, sent)
			} else {
				c := g.client(mode | twamp.ReflectOctets)
				seal(c, sent)
			}
			time.Sleep(2 * g.cfg.ServWait)
			for _, s := range g.reflector.all() {
				s.end() // those that run, by REFWAIT
			}
			time.Sleep(2*g.cfg.ServWait + maxTimeout)
			synctest.Wait()
			if n := g.connections.len() + g.sessions.len() + g.ofKey.len() + g.reflector.left(); n > 0 {
				t.Errorf("%d connections and sessions are left", n)
			}
		})
	})
}

func write(t *testing.T, conn io.Writer, b []byte) {
	if _, err := conn.Write(b); err != nil && err != io.ErrClosedPipe {
		t.Fatal(err)
	}
}

// seal sends octets as commands, each with an HMAC that verifies, as far as
// their sizes are known, and the rest as it stands.
func seal(c *client, sent []byte) {
	sizes := map[byte]int{
		byte(twamp.CommandRequestSession): twamp.RequestSessionSize, byte(twamp.CommandStartSessions): twamp.StartSessionsSize,
		byte(twamp.CommandStopSessions): twamp.StopSessionsSize,
	}
	go io.Copy(io.Discard, c.Conn)
	for len(sent) > 0 {
		size := sizes[sent[0]]
		if size == 0 || size > len(sent) {
			write(c.T, c.Conn, sent)
			return
		}
		if c.wire.Send(octets(sent[:size])) != nil {
			return
		}
		sent = sent[size:]
	}
}
