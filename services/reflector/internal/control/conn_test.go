package control

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

// A connection's life: two tests one after the other, the second with two
// sessions, in each mode.
func TestConnection(t *testing.T) {
	for _, mode := range []twamp.Mode{twamp.Unauthenticated, twamp.Authenticated, twamp.Encrypted, twamp.Mixed} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			c := g.client(mode)
			first := c.opened(wanted())
			if started, _, _ := first.state(); started {
				t.Error("a session starts before Start-Sessions")
			}
			if got := c.begin(); got != twamp.OK {
				t.Errorf("the start is answered with %v", got)
			}
			if started, stopped, _ := first.state(); !started || stopped {
				t.Error("the session is not started, or stopped")
			}
			c.stopAll(1)
			if _, stopped, over := first.state(); !stopped || over {
				t.Error("the session goes on after Stop-Sessions, or has ended before its Timeout")
			}
			second, third := c.opened(wanted()), c.opened(wanted())
			if second.terms.SID == third.terms.SID || second.terms.SID == first.terms.SID {
				t.Error("two sessions have one SID")
			}
			c.begin()
			c.stopAll(2)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if n := g.sessions.len(); n != 0 || g.reflector.left() != 0 {
				t.Errorf("%d sessions are left", n)
			}
			c.Close()
			g.ends(byClient)
			if g.log.Len() > 0 {
				t.Errorf("the log is %s", &g.log)
			}
			if got := g.records[0]; got.Kind != events.ControlOpened || got.Mode != mode.String() || (got.KeyID == "joe") != mode.ProtectsControl() {
				t.Errorf("the first record is %+v", got)
			}
		})
	}
}

// Commands in another order than the RFC's are refused, and do no harm.
func TestOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		c := g.client(twamp.Encrypted)
		if got := c.begin(); got != twamp.Failure {
			t.Errorf("a start without sessions is answered with %v", got)
		}
		c.stopAll(0)
		s := c.opened(wanted())
		c.begin()
		if got := c.begin(); got != twamp.NotSupported {
			t.Errorf("a second start is answered with %v", got)
		}
		if a := c.request(wanted()); a != (twamp.AcceptSession{Accept: twamp.NotSupported}) {
			t.Errorf("a request while a test runs is answered with %+v", a)
		}
		if told := g.told(events.SessionRefused); len(told) != 1 || told[0] != outOfOrder.String() {
			t.Errorf("the reasons are %q", told)
		}
		if started, stopped, _ := s.state(); !started || stopped || len(g.reflector.all()) != 1 {
			t.Error("the session that runs has suffered")
		}
		c.stopAll(1)
		c.opened(wanted())
		c.stopAll(0) // of a session that was not started
		if n := g.sessions.len(); n != 1 {
			t.Errorf("%d places are taken, want that of the first session", n)
		}
		if got := c.begin(); got != twamp.Failure {
			t.Errorf("a start after the stop is answered with %v", got)
		}
	})
}

// Numbers of sessions that some clients send, wrongly: they mean all.
func TestWrongNumberOfSessions(t *testing.T) {
	for _, n := range []uint32{0, 2, 65536, 1<<32 - 1} {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			c := g.client(twamp.Unauthenticated)
			s := c.opened(wanted())
			c.begin()
			c.stopAll(n)
			if _, stopped, _ := s.state(); !stopped {
				t.Errorf("%d sessions: not stopped", n)
			}
			if !bytes.Contains(g.log.Bytes(), []byte("another number of sessions")) {
				t.Errorf("%d sessions: the log is %q", n, &g.log)
			}
			c.opened(wanted())
		})
	}
}

// Nobody knows where an unknown command ends: it is answered with 3 (RFC 5357
// section 3.5), then the connection is closed.
func TestUnknownCommands(t *testing.T) {
	for _, mode := range []twamp.Mode{twamp.Unauthenticated, twamp.Mixed} {
		for _, number := range []byte{0, 1, 4, 6, 255} {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, nil)
				c := g.client(mode)
				s := c.opened(wanted())
				var a twamp.AcceptSession
				c.exchange(octets(append([]byte{number}, make([]byte, 15+16)...)[:16:16]), twamp.AcceptSessionSize, &a)
				if a != (twamp.AcceptSession{Accept: twamp.NotSupported}) {
					t.Errorf("%d is answered with %+v", number, a)
				}
				if _, err := c.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("%d: the connection goes on (%v)", number, err)
				}
				g.ends(unknownCommand)
				if _, _, over := s.state(); !over {
					t.Errorf("%d: the session is left", number)
				}
			})
		}
	}
}

// octets are a message as it stands.
type octets []byte

func (o octets) AppendBinary(b []byte) ([]byte, error) { return append(b, o...), nil }

// Who does not have the keys cannot command: one octet that is not as it was sent
// ends the connection.
func TestForgedCommand(t *testing.T) {
	for at := range twamp.StopSessionsSize {
		synctest.Test(t, func(t *testing.T) {
			g := newRig(t, nil)
			c := g.client(twamp.Authenticated)
			s := c.opened(wanted())
			c.begin()
			sent := c.Conn
			c.wire = nil
			b := make([]byte, twamp.StopSessionsSize)
			b[at] = 1 // what a stranger sends in clear
			if _, err := sent.Write(b); err != nil && err != io.ErrClosedPipe {
				t.Fatal(err)
			}
			synctest.Wait()
			if why := g.told(events.ControlClosed); len(why) != 1 || why[0] != badHMAC.String() && why[0] != unknownCommand.String() {
				t.Errorf("octet %d: the connection ended by %q", at, why)
			}
			if _, stopped, _ := s.state(); !stopped {
				t.Errorf("octet %d: the session goes on", at)
			}
		})
	}
}

// A connection that is lost, in the middle of any command, leaves nothing behind:
// sessions that run end by their Timeout, others at once.
func TestConnectionIsLost(t *testing.T) {
	request, _ := wanted().AppendBinary(nil)
	start, _ := twamp.StartSessions{}.AppendBinary(nil)
	stop, _ := twamp.StopSessions{Number: 1}.AppendBinary(nil)
	for _, command := range [][]byte{request, start, stop} {
		for n := range command {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, nil)
				c := g.client(twamp.Unauthenticated)
				running := command[0] == byte(twamp.CommandStopSessions)
				s := c.opened(wanted())
				if running {
					c.begin()
				}
				if _, err := c.Write(command[:n]); err != nil {
					t.Fatal(err)
				}
				c.Close()
				g.ends(byClient)
				if _, _, over := s.state(); over == running {
					t.Errorf("command %d, %d octets: a session that runs (%v) is over: %v", command[0], n, running, over)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if n := g.sessions.len(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
			})
		}
	}
}

// SERVWAIT bounds a client's silence, also one of an octet now and then, but not
// while it tests; and again when all its sessions have ended by themselves (RFC
// 5357 section 3.1).
func TestServWait(t *testing.T) {
	const servwait = 900 * time.Second
	up := func(t *testing.T) (*rig, *client, *fakeSession) {
		g := newRig(t, nil)
		c := g.client(twamp.Mixed)
		return g, c, c.opened(wanted())
	}
	silent := func(t *testing.T, g *rig) {
		t.Helper()
		time.Sleep(servwait - time.Nanosecond)
		synctest.Wait()
		if n := g.connections.len(); n != 1 {
			t.Fatalf("%d connections before SERVWAIT", n)
		}
		time.Sleep(time.Nanosecond)
		g.ends(idle)
	}
	synctest.Test(t, func(t *testing.T) {
		g, _, s := up(t)
		silent(t, g)
		if _, _, over := s.state(); !over {
			t.Error("a session that was never started is left")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g, c, _ := up(t)
		go func() {
			for {
				time.Sleep(100 * time.Second)
				if _, err := c.Write([]byte{5}); err != nil {
					return
				}
			}
		}()
		silent(t, g)
		time.Sleep(100 * time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		g, c, s := up(t)
		other := c.opened(wanted())
		c.begin()
		time.Sleep(10 * servwait)
		s.end()
		time.Sleep(10 * servwait)
		synctest.Wait()
		if n := g.connections.len(); n != 1 {
			t.Fatalf("%d connections while one session runs", n)
		}
		other.end() // as by REFWAIT
		silent(t, g)
	})
	synctest.Test(t, func(t *testing.T) {
		g, c, s := up(t)
		c.begin()
		time.Sleep(servwait)
		s.end()
		if got := c.request(wanted()); got.Accept != twamp.OK {
			t.Errorf("after REFWAIT a request is answered with %v", got.Accept)
		}
		c.begin()
		c.stopAll(1)
		silent(t, g)
	})
}

// A client that takes no answers does not keep its connection.
func TestClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		c := g.client(twamp.Unauthenticated)
		if err := c.wire.Send(wanted()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(sendTime)
		g.ends(idle)
		if n := g.sessions.len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// A server that is to end closes what is idle at once, lets tests come to their
// end, and closes the rest when the grace is over.
func TestGracefulStop(t *testing.T) {
	run := func(g *rig) (stop func(), ended <-chan time.Time) {
		ctx, cancel := context.WithCancel(context.Background())
		ch := make(chan time.Time, 1)
		go func() {
			if err := g.Server.Run(ctx); err != nil {
				g.Errorf("the server ended: %v", err)
			}
			ch <- time.Now()
		}()
		synctest.Wait()
		return cancel, ch
	}
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		stop, ended := run(g)
		c := g.client(twamp.Encrypted)
		s := c.opened(wanted()) // and not started
		g.dial(clientAddr)      // in its set-up
		begin := time.Now()
		stop()
		if at := <-ended; at != begin {
			t.Errorf("an idle server ends after %v", at.Sub(begin))
		}
		if _, _, over := s.state(); !over {
			t.Error("a session is left")
		}
		if n, err := g.connect(clientAddr).Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("a new connection gets %d octets (%v)", n, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		stop, ended := run(g)
		c, idler := g.client(twamp.Encrypted), g.client(twamp.Encrypted)
		s := c.opened(wanted())
		c.begin()
		stop()
		synctest.Wait()
		if _, err := idler.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("an idle connection goes on (%v)", err)
		}
		time.Sleep(3 * time.Second)
		if _, stopped, _ := s.state(); stopped {
			t.Error("the test was stopped")
		}
		begin := time.Now()
		c.stopAll(1)
		if at := <-ended; at != begin {
			t.Errorf("the server ends %v after the last test", at.Sub(begin))
		}
		g.ends(ending)
	})
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		stop, ended := run(g)
		c := g.client(twamp.Encrypted)
		s := c.opened(wanted())
		c.begin()
		begin := time.Now()
		stop()
		if at := <-ended; at != begin.Add(5*time.Second) {
			t.Errorf("the server ends after %v, want the grace", at.Sub(begin))
		}
		if _, stopped, _ := s.state(); !stopped {
			t.Error("the session is not stopped")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, nil)
		stop, ended := run(g)
		c := g.client(twamp.Encrypted)
		s := c.opened(wanted())
		c.begin()
		begin := time.Now()
		stop()
		synctest.Wait()
		s.end() // as by REFWAIT
		if at := <-ended; at != begin {
			t.Errorf("the server ends %v after the last session", at.Sub(begin))
		}
	})
}
