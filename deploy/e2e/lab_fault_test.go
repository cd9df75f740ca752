//go:build e2e && linux

package e2e

import (
	"net/netip"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"tinytwamp/deploy/e2e/internal/relay"
	"tinytwamp/shared/events"
)

// fiveMs is the path of the tests in which something else goes wrong.
var fiveMs = relay.Path{Delay: 5 * ms}

// TestLabSendRefused: a packet that the prober's own host refuses to send (here
// its firewall, with EPERM) is no loss, and does not shift the transmit
// timestamps of those behind it.
func TestLabSendRefused(t *testing.T) {
	needTool(t, "nft")
	l := newLab(t)
	l.startReflector(t)
	l.run(t, l.a, `table inet lab {
		chain output {
			type filter hook output priority 0
			udp dport 862 numgen inc mod 10 == 7 drop
		}
	}`, "nft", "-f", "-")
	for family, address := range families {
		t.Run(family, func(t *testing.T) {
			path := l.join(t, fiveMs, fiveMs)
			reports := l.startProber(t, address, "-count", "100").reports(t)
			r := &reports[0]
			wantCount(t, "planned", r.Planned, labCount)
			wantCount(t, "send_errors", r.SendErrors, labCount/10)
			wantCount(t, "sent", r.Sent, labCount-labCount/10)
			wantLoss(t, r, 0, 0)
			wantKernelTimes(t, r)
			wantTruth(t, r, path, ends)
		})
	}
}

// TestLabReflectorKilled: the session goes on with the reflector that is
// started in place of one that was killed. Its numbers begin anew, so that
// the directions of the losses are unknown, until the next report.
func TestLabReflectorKilled(t *testing.T) {
	l := newLab(t)
	for family, address := range families {
		t.Run(family, func(t *testing.T) {
			path := l.join(t, fiveMs, fiveMs)
			reflector := l.startReflector(t)
			p := l.startProber(t, address, "-continuous", "-report-interval", "1s")
			awaitPackets(t, path, 30)
			if err := reflector.Kill(); err != nil {
				t.Fatal(err)
			}
			awaitPackets(t, path, 15)
			l.startReflector(t)
			awaitPackets(t, path, 270)
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			reports := p.reports(t)
			if len(reports) < 3 {
				t.Fatalf("%d reports, want 3 or more", len(reports))
			}
			first, later := &reports[0], &reports[2]
			if first.Lost == 0 || first.LostForward != nil || first.LostBackward != nil {
				t.Errorf("first report: %d packets lost, by direction %v and %v; want some, of unknown direction",
					first.Lost, first.LostForward, first.LostBackward)
			}
			wantUnreachable(t, first, netip.MustParseAddr(address))
			wantKnown(t, "lost_forward of a later report", later.LostForward, 0)
			wantKnown(t, "lost_backward of a later report", later.LostBackward, 0)
		})
	}
}

// TestLabLinkDown: the session goes on when a link was down for a while, the
// prober's own or one that it cannot see.
func TestLabLinkDown(t *testing.T) {
	l := newLab(t)
	l.startReflector(t)
	for name, link := range map[string]struct{ namespace, device string }{
		"own":    {l.a, "eth0"},
		"beyond": {l.middle, "right"},
	} {
		for family, address := range families {
			t.Run(name+"/"+family, func(t *testing.T) {
				set := func(state string) {
					output(t, exec.Command("ip", "-n", link.namespace, "link", "set", link.device, state))
				}
				path := l.join(t, fiveMs, fiveMs)
				p := l.startProber(t, address, "-count", "250")
				awaitPackets(t, path, 30)
				set("down")
				time.Sleep(200 * ms) // the time that it is down is the test
				set("up")
				r := &p.reports(t)[0]
				wantCount(t, "planned", r.Planned, 250)
				wantCount(t, "sent and send_errors", r.Sent+r.SendErrors, r.Planned)
				if r.Lost+r.SendErrors == 0 || r.Received < 50 {
					t.Errorf("%d packets lost, %d refused and %d answered of 250, 20 of them while the link was down",
						r.Lost, r.SendErrors, r.Received)
				}
				wantKernelTimes(t, r)
				// The way back is not compared: when the link is up again, replies
				// wait in the reflector's kernel until the neighbour's address is
				// known, for 10 ms or, if the question was lost, for a second.
				wantDelays(t, "forward", r.Forward.Distribution, newTruth(t, path).forward, ends+10*ms)
			})
		}
	}
}

// wantUnreachable: the report names the ICMP errors of a host where nobody
// listens on the port.
func wantUnreachable(t *testing.T, r *events.RTT, from netip.Addr) {
	t.Helper()
	for _, e := range r.ICMP {
		if e.From == from && e.Text == "port unreachable" && e.Count > 0 {
			return
		}
	}
	t.Errorf("ICMP errors are %+v, want port unreachable from %v", r.ICMP, from)
}
