package prober

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
	"tinytwamp/shared/udp"
	"tinytwamp/shared/udp/udptest"
)

// A burst in each mode, with each extension: complete, and stopped in the end.
func TestTWAMPBurst(t *testing.T) {
	for _, mode := range []Auth{AuthNone, Mixed, Authenticated, Encrypted} {
		for _, ext := range []struct {
			reflect     int
			symmetrical bool
			octets      uint16
		}{{}, {reflect: 20}, {symmetrical: true}, {20, true, 0}, {20, false, 0x1234}, {20, true, 0x1234}} {
			name := fmt.Sprintf("%v, reflect %d, symmetrical %v, octets %#x", mode, ext.reflect, ext.symmetrical, ext.octets)
			twampBubble(t, func(b *twampBench) {
				if mode != AuthNone {
					b.withKey(mode)
				}
				b.server.Modes = mode.mode() | twamp.ReflectOctets | twamp.SymmetricalSize
				b.test.ReflectOctets, b.test.SymmetricalSize, b.octets = ext.reflect, ext.symmetrical, ext.octets
				b.test.Padding, b.test.Message, b.test.DSCP = PadMessage, "hello", 46
				b.run(0)
				if len(b.reports) != 1 || b.outcome != (Outcome{Sessions: 1, Answered: 1}) {
					b.Fatalf("%s: %d reports, outcome %+v\n%s", name, len(b.reports), b.outcome, b.log)
				}
				checkTWAMPBurst(b.T, name, b, mode)
				checkPadding(b.T, name, b)
			})
		}
	}
}

func checkTWAMPBurst(t *testing.T, name string, b *twampBench, mode Auth) {
	t.Helper()
	e := b.reports[0]
	if e.Planned != 10 || e.Sent != 10 || e.Received != 10 || e.Unexpected+e.HMACFailed+e.Unreflected+e.Implausible != 0 || e.Report.Cut {
		t.Errorf("%s: report is %+v", name, e)
	}
	if e.RTT == nil || e.RTT.MinNs < 9_999_000 || e.RTT.MaxNs > 10_001_000 || e.HopsForward == nil || e.HopsForward.Max != 3 {
		t.Errorf("%s: RTT %+v, hops %+v", name, e.RTT, e.HopsForward)
	}
	if e.LostForward == nil || *e.LostForward != 0 || e.LostBackward == nil || *e.LostBackward != 0 {
		t.Errorf("%s: the direction of loss is not known from the start", name)
	}
	if m := e.Marking; m.Remarked != 0 || m.ReturnedDSCP == nil || *m.ReturnedDSCP != 46 {
		t.Errorf("%s: marking %+v", name, m)
	}
	if e.Timestamps.T1Kernel != 10 || e.Timestamps.T4Kernel != 10 {
		t.Errorf("%s: timestamps %+v", name, e.Timestamps)
	}
	x := b.server.Sessions()[0]
	s := e.Session
	if s.Mode != "twamp" || s.Auth != mode.String() || s.SID != x.Accept.SID.String() || s.Port != x.Accept.Port || s.SSID != 0 || s.Size != len(b.requests[0]) {
		t.Errorf("%s: session %+v, accepted %+v", name, s, x.Accept)
	}
	if x.Timeout != b.test.Timeout || !x.Started || x.SenderPort != s.Source.Port() || x.ReceiverPort != s.Source.Port() || x.IPVersion != 6 {
		t.Errorf("%s: asked for %+v", name, x)
	}
	if stops := b.server.Stops(); !slices.Equal(stops, []twamp.StopSessions{{Number: 1}}) {
		t.Errorf("%s: stops %+v", name, stops)
	}
}

// checkPadding looks for what must stand in each packet behind its base.
func checkPadding(t *testing.T, name string, b *twampBench) {
	t.Helper()
	mode := b.server.Sessions()[0].Mode
	want := []byte("hello\x00")
	if b.octets != 0 && b.test.ReflectOctets > 0 {
		want = append(binary.BigEndian.AppendUint16(nil, b.octets), want...)
	}
	for i, request := range b.requests {
		padding := request[paddingAt(mode):]
		if len(request) < mode.ReflectorBase() || !strings.HasPrefix(string(padding), string(want)) {
			t.Errorf("%s: packet %d has padding %x, want %x", name, i, padding, want)
		}
		if asked := b.server.Sessions()[0]; int(asked.Padding) != len(padding) || b.test.ReflectOctets > 0 && asked.Padding <= uint32(asked.PaddingToReflect) {
			t.Errorf("%s: %d octets of padding, %d announced, %d of them to reflect", name, len(padding), asked.Padding, asked.PaddingToReflect)
		}
	}
}

// Losses are told apart by direction from the first packet on: nothing has to
// differ before.
func TestTWAMPLoss(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.withKey(Encrypted)
		b.forward(udptest.Delay(5 * ms).Then(udptest.Lose(2)))
		b.back(udptest.Delay(5 * ms).Then(udptest.Lose(4, 6)))
		b.run(0)
		e := b.reports[0]
		if e.Received != 7 || e.Lost != 3 || *e.LostForward != 1 || *e.LostBackward != 2 {
			b.Errorf("received %d, lost %d: %v forward, %v backward", e.Received, e.Lost, *e.LostForward, *e.LostBackward)
		}
		last := b.server.Stops()
		if len(last) != 1 || time.Since(b.start) < 900*ms+10*ms {
			b.Errorf("stops are %v, after %v", last, time.Since(b.start))
		}
	})
}

// Replies that were changed on the way count as such, and their packets as lost.
func TestTWAMPForgedReplies(t *testing.T) {
	for _, mode := range []Auth{Authenticated, Encrypted} {
		twampBubble(t, func(b *twampBench) {
			b.withKey(mode)
			b.server.Modes = mode.mode()
			b.spoil = func(i int, reply []byte) {
				if i%2 == 0 {
					reply[3] ^= 1 // of what both modes protect
				}
			}
			b.run(0)
			if e := b.reports[0]; e.HMACFailed != 5 || e.Received != 5 || e.Lost != 5 || e.Unexpected != 0 {
				b.Errorf("%v: %d with a wrong HMAC, %d received, %d unexpected", mode, e.HMACFailed, e.Received, e.Unexpected)
			}
		})
	}
}

// Replies without the octets that were to come back are counted, and are replies.
func TestTWAMPUnreflected(t *testing.T) {
	for _, mode := range []Auth{Mixed, Authenticated, Encrypted} {
		twampBubble(t, func(b *twampBench) {
			b.withKey(mode)
			b.server.Modes = mode.mode() | twamp.ReflectOctets
			b.test.ReflectOctets, b.test.Padding = 30, PadRandom
			at := mode.mode().ReflectorBase()
			b.spoil = func(i int, reply []byte) {
				switch i {
				case 3:
					reply[at]++
				case 5:
					reply[at+29]++
				case 7:
					clear(reply[at+30:]) // not asked for
				}
			}
			b.run(0)
			if e := b.reports[0]; e.Unreflected != 2 || e.Received != 10 {
				b.Errorf("%v: %d unreflected, %d received", mode, e.Unreflected, e.Received)
			}
		})
	}
}

// A server is asked to reflect for no longer after the stop than one is ready to:
// the stop comes when no reply is waited for any more.
func TestTWAMPLongTimeout(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.test.Timeout = time.Hour
		b.run(0)
		if x := b.server.Sessions()[0]; x.Timeout != 10*time.Minute || b.reports[0].Received != 10 {
			b.Errorf("asked for a timeout of %v; %d received", x.Timeout, b.reports[0].Received)
		}
	})
}

// The reflector's port is the server's to choose.
func TestTWAMPPort(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.grant = func(int) uint16 { return 18760 }
		b.run(0)
		if e := b.reports[0]; e.Received != 10 || e.Session.Port != 18760 || e.Target.Address != reflectorAddr {
			b.Errorf("received %d from port %d of %v", e.Received, e.Session.Port, e.Target.Address)
		}
	})
}

// twampTargets are some that go together by their control connection.
func (b *twampBench) twampTargets(n int) {
	b.cfg.Targets = nil
	for i := range n {
		b.cfg.Targets = append(b.cfg.Targets, Target{Name: fmt.Sprint("r", i), Host: reflectorAddr.Addr().String(), Port: 862})
	}
}

// Targets at one server share a control connection, of which a refusal of one
// takes nothing from the others; more than fit have another one.
func TestTWAMPSharedControl(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.withKey(AuthNone)
		b.twampTargets(3)
		b.grant = func(i int) uint16 { return []uint16{2000, 0, 2002}[i] }
		b.run(0)
		if b.server.Opened() != 1 || b.outcome != (Outcome{Sessions: 2, Answered: 2}) || len(b.reports) != 2 {
			b.Errorf("%d connections, outcome %+v, %d reports", b.server.Opened(), b.outcome, len(b.reports))
		}
		for _, e := range b.reports {
			if e.Received != 10 || e.Session.Auth != "encrypted" {
				b.Errorf("%s: %d received, %s", e.Target.Name, e.Received, e.Session.Auth)
			}
		}
		if stops := b.server.Stops(); !slices.Equal(stops, []twamp.StopSessions{{Number: 2}}) {
			b.Errorf("stops %+v", stops)
		}
		if b.logged("target left out") != 1 || b.logged("targets=[r1]") != 1 || b.logged("temporary resource limitation") != 1 {
			b.Errorf("the log has\n%s", b.log)
		}
	})
	twampBubble(t, func(b *twampBench) {
		b.twampTargets(sessionsPerControl/2 + 1)
		b.test.SourcePorts = Ports{50000, 50001}
		b.test.Count = 2
		for i := range b.cfg.Targets { // each its own port to the same reflector
			b.cfg.Targets[i].Host = reflectorAddr.Addr().String()
		}
		b.run(0)
		if b.logged("too many tests") == 0 || b.outcome.Sessions != 2 {
			b.Errorf("outcome %+v, the log has\n%.500s", b.outcome, b.log)
		}
	})
	twampBubble(t, func(b *twampBench) { // more than there are sockets for: the server's ports tell them apart
		const n = 2*maxSockets + 1
		b.twampTargets(n)
		b.test.Count = 2
		b.grant = func(i int) uint16 { return 2000 + uint16(i) }
		b.run(0)
		sent, received, _ := sums(b.reports)
		if b.outcome != (Outcome{Sessions: n, Answered: n}) || sent != 2*n || received != 2*n {
			b.Errorf("outcome %+v, %d sent, %d received; the log has\n%.500s", b.outcome, sent, received, b.log)
		}
	})
	twampBubble(t, func(b *twampBench) {
		b.twampTargets(1)
		b.test.Count, b.test.SourcePorts = 2, nil
		for port := range uint16(maxPorts) {
			b.test.SourcePorts = append(b.test.SourcePorts, 50000+port)
		}
		b.cfg.Targets = append(b.cfg.Targets, Target{Name: "second", Host: "2001:db8::1", Port: 863})
		b.run(0)
		if b.outcome.Sessions != maxPorts || b.server.Opened() != 1 {
			b.Errorf("outcome %+v, %d connections", b.outcome, b.server.Opened())
		}
		if sum := b.reports[len(b.reports)-1]; len(sum.Session.Paths) != maxPorts || sum.Received != 2*maxPorts || sum.Session.SID != "" || sum.Session.Port != 0 {
			b.Errorf("the sum is %+v", sum.Session)
		}
	})
}

// What two targets ask for in different ways they do not share.
func TestTWAMPSeparateControls(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		f := newFleet(b.T, b.bench)
		b.log, f.cfg.Continuous = f.log, false
		a, c := f.target("a", "2001:db8::1"), f.target("c", "2001:db8::1")
		c.Test.SymmetricalSize = true
		d := f.target("d", "2001:db8::1")
		d.Test.Source = Source{netip.MustParseAddrPort("[2001:db8::77]:0")}
		f.cfg.Targets = []Target{a, c, d}
		stop := f.begin()
		<-f.done
		stop()
		if b.server.Opened() != 3 || f.outcome.Answered != 3 {
			b.Errorf("%d connections, outcome %+v", b.server.Opened(), f.outcome)
		}
		if !slices.Contains(b.from, d.Test.Source.Addr()) || !slices.Contains(b.from, netip.Addr{}) {
			b.Errorf("connections are from %v", b.from)
		}
	})
}

// A target without a session says why, and has no figures; others go on.
func TestTWAMPNoSession(t *testing.T) {
	for name, tt := range map[string]struct {
		how  func(b *twampBench)
		says string
	}{
		"refused": {func(b *twampBench) { b.refuse = errors.New("connection refused") }, "no control connection: connection refused"},
		"another passphrase": {func(b *twampBench) {
			b.withKey(AuthNone)
			b.server.Passphrases = map[string]string{"joe": "close sesame"}
		}, "have another passphrase for it"},
		"never weaker": {func(b *twampBench) {
			b.withKey(Encrypted)
			b.server.Modes = 0xb
		}, "the server offers mode none+authenticated+mixed, where -auth asks for encrypted or stronger"},
		"no octets": {func(b *twampBench) {
			b.test.ReflectOctets = 10
			b.server.Modes = 1
		}, "does not offer reflect-octets"},
		"session refused": {func(b *twampBench) { b.grant = func(int) uint16 { return 0 } }, "the server refuses the session: temporary resource limitation"},
		"too short for what is offered": {func(b *twampBench) {
			b.withKey(Mixed)
			b.test.Size = 20
		}, "size must be at least 48 in mode encrypted"},
		"silent": {func(b *twampBench) { b.silent = true }, "its greeting did not come within 10s"},
	} {
		twampBubble(t, func(b *twampBench) {
			tt.how(b)
			f := newFleet(b.T, b.bench)
			b.log, f.cfg.Continuous = f.log, false
			light := f.target("light", reflectorAddr.Addr().String())
			light.Test = Test{Mode: ModeLight, Count: 3, Interval: ms, Timeout: 100 * ms, Padding: PadZero}
			f.cfg.Targets = []Target{f.target("a", reflectorAddr.Addr().String()), light}
			stop := f.begin()
			<-f.done
			stop()
			if len(b.reports) != 1 || b.reports[0].Target.Name != "light" || b.reports[0].Received != 3 || f.outcome != (Outcome{Sessions: 1, Answered: 1}) {
				b.Errorf("%s: %d reports, outcome %+v", name, len(b.reports), f.outcome)
			}
			if b.logged("target left out") != 1 || b.logged("targets=[a]") != 1 || !strings.Contains(b.log.String(), tt.says) {
				b.Errorf("%s: the log has\n%s", name, b.log)
			}
			if len(b.reflected) != 0 {
				b.Errorf("%s: %d packets were sent", name, len(b.reflected))
			}
		})
	}
}

// A control connection that is lost in the middle of a burst ends it: what was
// measured until then is reported, and marked.
func TestTWAMPControlLost(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		time.AfterFunc(555*ms, b.server.Cut)
		b.run(0)
		e := b.reports[0]
		if !e.Report.Cut || e.Report.Why != whyControl || e.Sent != 6 || e.Received != 6 || e.Planned != 6 || b.outcome.Cut != 1 {
			b.Errorf("%d of %d received, cut is %v, %q, outcome %+v", e.Received, e.Sent, e.Report.Cut, e.Report.Why, b.outcome)
		}
		if n := len(b.reflected); n != 6 || b.logged("control connection lost") != 1 || len(b.server.Stops()) != 0 {
			b.Errorf("%d packets were sent; %v; the log has\n%s", n, b.server.Stops(), b.log)
		}
	})
}

// One that is lost when all was sent, but not yet answered, makes a difference,
// and none when all was answered.
func TestTWAMPControlLostAtTheEnd(t *testing.T) {
	for after, cut := range map[time.Duration]int{905 * ms: 1, 950 * ms: 0} {
		twampBubble(t, func(b *twampBench) {
			time.AfterFunc(after, b.server.Cut)
			b.run(0)
			if e := b.reports[0]; e.Sent != 10 || e.Received != 10 || b.outcome.Cut != cut || e.Report.Cut != (cut > 0) {
				b.Errorf("after %v: sent %d, received %d, cut %v, outcome %+v", after, e.Sent, e.Received, e.Report.Cut, b.outcome)
			}
		})
	}
}

// A signal in the middle of a burst still stops the sessions, after their last
// replies.
func TestTWAMPSignal(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.run(553 * ms)
		e := b.reports[0]
		if e.Sent != 6 || e.Received != 6 || e.Report.Why != whySignal {
			b.Errorf("%d of %d, %q", e.Received, e.Sent, e.Report.Why)
		}
		if stops := b.server.Stops(); !slices.Equal(stops, []twamp.StopSessions{{Number: 1}}) {
			b.Errorf("stops %+v", stops)
		}
	})
}

// A signal does not wait for a server that says nothing, nor for the next
// attempt.
func TestTWAMPSignalBeforeSessions(t *testing.T) {
	for _, refuse := range []error{nil, errors.New("connection refused")} {
		twampBubble(t, func(b *twampBench) {
			b.silent, b.refuse, b.cfg.Continuous = true, refuse, true
			b.run(5 * time.Second)
			if len(b.reports) != 0 || time.Since(b.start) != 5*time.Second {
				b.Errorf("%d reports, after %v", len(b.reports), time.Since(b.start))
			}
		})
	}
}

// sums adds the counts of reports up.
func sums(reports []*events.RTT) (sent, received, lost uint64) {
	for _, e := range reports {
		sent, received, lost = sent+e.Sent, received+e.Received, lost+e.Lost
	}
	return sent, received, lost
}

// A continuous test without a server tries again, ever more rarely, and says so
// once; it begins when there is one, and counts no loss for the time before.
func TestTWAMPRetry(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.cfg.Continuous = true
		b.refuse = errors.New("connection refused")
		time.AfterFunc(5*time.Minute, func() { b.set(func() { b.refuse = nil }) })
		b.run(7 * time.Minute)
		var gaps []time.Duration
		for i := range b.dialled[1:] {
			gaps = append(gaps, b.dialled[i+1].Sub(b.dialled[i]))
		}
		for i, gap := range gaps {
			most := min(time.Second<<i, time.Minute)
			if gap < most/2 || gap > most {
				b.Errorf("attempt %d came after %v, not %v to %v", i+1, gap, most/2, most)
			}
		}
		sent, received, lost := sums(b.reports)
		if len(gaps) < 9 || lost != 0 || sent != received || sent < 10*59 || b.reports[0].Report.Start.Before(b.start.Add(5*time.Minute)) {
			b.Errorf("%d attempts, sent %d, lost %d, first report from %v", len(gaps)+1, sent, lost, b.reports[0].Report.Start)
		}
		if b.logged("level=ERROR") != 1 || b.logged("control connection is there") != 1 {
			b.Errorf("the log has\n%s", b.log)
		}
	})
}

// One that loses its control connection closes its report, sends nothing until
// there is another one, and goes on with a session of its own.
func TestTWAMPControlLostContinuous(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.withKey(AuthNone)
		b.cfg.Continuous, b.cfg.ReportInterval = true, 10*time.Second
		b.grant = func(i int) uint16 { return 2000 + uint16(i) }
		b.twampTargets(2)
		time.AfterFunc(33333*ms, func() {
			b.set(func() { b.refuse = errors.New("connection refused") })
			b.server.Cut()
		})
		time.AfterFunc(93*time.Second, func() { b.set(func() { b.refuse = nil }) })
		b.run(5 * time.Minute)
		for _, at := range b.reflected {
			if d := at.Sub(b.start); d > 33400*ms && d < 93*time.Second {
				b.Errorf("a packet came at %v", d)
			}
		}
		sent, received, lost := sums(b.reports)
		if lost != 0 || sent != received || sent < 2*10*170 || b.server.Opened() != 2 || len(b.server.Sessions()) != 4 {
			b.Errorf("sent %d, lost %d; %d connections, %d sessions", sent, lost, b.server.Opened(), len(b.server.Sessions()))
		}
		cut := 0
		for _, e := range b.reports {
			if e.Report.Why == whyControl {
				cut++
			}
		}
		if cut != 2 || b.logged("control connection lost") != 1 || b.logged("no session with the server") != 1 || b.logged("control connection is there") != 1 {
			b.Errorf("%d reports are cut, the log has\n%s", cut, b.log)
		}
		if b.outcome.Cut != 0 || len(b.server.Stops()) != 1 {
			b.Errorf("outcome %+v, stops %v", b.outcome, b.server.Stops())
		}
	})
}

// Where no socket can be had for the session that is to take the place of one
// whose control connection was lost, since the own address went with it, there is
// one when it is back.
func TestTWAMPSocketComesBack(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.cfg.Continuous, b.cfg.ReportInterval = true, 10*time.Second
		b.grant = func(i int) uint16 { return 2000 + uint16(i) }
		listen, gone := b.cfg.Listen, false
		b.cfg.Listen = func(c udp.Config) (conn, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if gone {
				return nil, udp.ErrNotAvailable
			}
			return listen(c)
		}
		time.AfterFunc(30*time.Second, func() {
			b.set(func() { gone = true })
			b.server.Cut()
		})
		time.AfterFunc(2*time.Minute, func() { b.set(func() { gone = false }) })
		b.run(5 * time.Minute)
		if sent, received, _ := sums(b.reports); b.outcome.Sessions != 2 || sent != received || sent < 10*(30+120) {
			b.Errorf("outcome %+v, sent %d, received %d; the log has\n%s", b.outcome, sent, received, b.log)
		}
		if b.logged("address left out") != 1 {
			b.Errorf("the log has\n%s", b.log)
		}
	})
}

// A server that ends each connection at once is not asked every second.
func TestTWAMPServerThatEndsAtOnce(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		b.cfg.Continuous = true
		cut := time.NewTicker(100 * ms)
		defer cut.Stop()
		done := make(chan struct{})
		go func() {
			for {
				select {
				case <-cut.C:
					b.server.Cut()
				case <-done:
					return
				}
			}
		}()
		b.run(10 * time.Minute)
		close(done)
		if n := b.dials(); n < 10 || n > 30 {
			b.Errorf("%d attempts in 10 minutes", n)
		}
	})
}

// A reload leaves what did not change alone, its control connection included; one
// ends with the last of its sessions.
func TestTWAMPReload(t *testing.T) {
	twampBubble(t, func(b *twampBench) {
		f := newFleet(b.T, b.bench)
		b.log = f.log
		a, c := f.target("a", "2001:db8::1"), f.target("c", "2001:db8::1")
		f.cfg.Targets = []Target{a, c}
		stop := f.begin()
		time.Sleep(10 * time.Second)
		changed := c
		changed.Test.DSCP = 46
		f.prober.Reload([]Target{a, changed}) // c, on another connection
		time.Sleep(10 * time.Second)
		if b.server.Opened() != 2 || b.server.Open() != 2 || len(b.server.Stops()) != 0 {
			b.Errorf("%d connections, of which %d are open, after %v", b.server.Opened(), b.server.Open(), b.server.Stops())
		}
		f.prober.Reload([]Target{changed})
		time.Sleep(10 * time.Second)
		if b.server.Opened() != 2 || b.server.Open() != 1 || !slices.Equal(b.server.Stops(), []twamp.StopSessions{{Number: 2}}) {
			b.Errorf("%d connections, of which %d are open, after %v", b.server.Opened(), b.server.Open(), b.server.Stops())
		}
		stop()
		if got := f.ended["a 2001:db8::1"]; !slices.Equal(got, []string{whyRemoved}) {
			b.Errorf("a ended %q", got)
		}
		if got := f.ended["c 2001:db8::1"]; !slices.Equal(got, []string{whyChanged, whySignal}) {
			b.Errorf("c ended %q", got)
		}
		if sent, received, lost := sums(f.of("a")); lost != 0 || sent != received || sent < 195 {
			b.Errorf("a: sent %d, lost %d", sent, lost)
		}
	})
}
