//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/deploy/e2e/internal/relay"
	"tinytwamp/shared/events"
)

// lab is a network of three namespaces: a prober's and a reflector's, and one
// between them where the test's own relay joins the two links.
//
//	a eth0 ---- left  middle  right ---- eth0 b
type lab struct{ a, middle, b string }

// families are b's addresses.
var families = map[string]string{"IPv4": "10.97.0.2", "IPv6": "fd97::2"}

// newLab makes the namespaces. They are removed with the test.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: network namespaces need root")
	}
	needTool(t, "ip")
	name := fmt.Sprintf("tinytwamp-%d-", os.Getpid())
	l := &lab{a: name + "a", middle: name + "m", b: name + "b"}
	for _, ns := range []string{l.a, l.middle, l.b} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("NOT RUN: this machine makes no network namespaces: %s", out)
		}
		t.Cleanup(func() { output(t, exec.Command("ip", "netns", "del", ns)) })
	}
	l.link(t, l.a, "left", "10.97.0.1/24", "fd97::1/64")
	l.link(t, l.b, "right", "10.97.0.2/24", "fd97::2/64")
	return l
}

// link joins namespace ns to the one in the middle.
func (l *lab) link(t *testing.T, ns, far string, addresses ...string) {
	t.Helper()
	ip := func(args ...string) { t.Helper(); output(t, exec.Command("ip", args...)) }
	ip("link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", far, "netns", l.middle)
	for _, address := range addresses {
		ip("-n", ns, "address", "add", address, "dev", "eth0", "nodad")
	}
	// As on a host whose addresses are managed: a link that goes down keeps them.
	l.run(t, ns, "", "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down")
	ip("-n", ns, "link", "set", "lo", "up")
	ip("-n", ns, "link", "set", "eth0", "up")
	ip("-n", l.middle, "link", "set", far, "up")
}

// run runs a command in a namespace.
func (l *lab) run(t *testing.T, ns, stdin string, command ...string) {
	t.Helper()
	c := inside(ns, command...)
	c.Stdin = strings.NewReader(stdin)
	output(t, c)
}

// inside makes a command that runs in a namespace.
func inside(ns string, command ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", ns}, command...)...)
}

func needTool(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("NOT RUN: no %s on this machine", tool)
	}
}

// join lets packets pass, from now to the end of the test.
func (l *lab) join(t *testing.T, forward, backward relay.Path) *relay.Relay {
	t.Helper()
	r, err := relay.Start("/run/netns/"+l.middle, "left", "right", forward, backward)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		if t.Failed() {
			t.Logf("relay: forward %+v, backward %+v", r.Forward.Counts(), r.Backward.Counts())
		}
	})
	return r
}

// startReflector starts a reflector in b, and returns when it listens. It is
// killed with the test, if it was not before.
func (l *lab) startReflector(t *testing.T) *os.Process {
	t.Helper()
	c := inside(l.b, binary("reflector"), "-realtime", "-log-format", "json", "-log-file", os.DevNull)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		c.Wait() // its error is the signal
	})
	lines := bufio.NewScanner(stderr)
	for listening := 0; listening < len(families); {
		if !lines.Scan() {
			t.Fatal("the reflector ended before it listened")
		}
		if strings.Contains(lines.Text(), `"listening"`) {
			listening++
		}
	}
	go io.Copy(io.Discard, stderr)
	return c.Process
}

// probing is a prober at work in a.
type probing struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// startProber starts a test of b at 100 packets/s. The prober is killed with
// the test, if it has not ended before.
func (l *lab) startProber(t *testing.T, address string, args ...string) *probing {
	t.Helper()
	command := append([]string{binary("prober"), "-json", "-realtime", "-interval", "10ms", "-timeout", "300ms"}, args...)
	p := &probing{Cmd: inside(l.a, append(command, address)...)}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.ProcessState == nil {
			p.Process.Kill()
			p.Wait() // its error is the signal
			t.Logf("prober: %s", p.stderr.String())
		}
	})
	return p
}

// reports waits for the prober's end, and returns what it measured.
func (p *probing) reports(t *testing.T) []events.RTT {
	t.Helper()
	deadline := time.AfterFunc(30*time.Second, func() { p.Process.Signal(syscall.SIGQUIT) })
	defer deadline.Stop()
	if err := p.Wait(); err != nil {
		t.Fatalf("prober: %v\n%s", err, p.stderr.String())
	}
	var list []events.RTT
	for d := json.NewDecoder(&p.stdout); ; {
		var r events.RTT
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("prober -json: %v", err)
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		t.Fatal("prober printed no report")
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, r := range list {
				t.Logf("report: %s", withoutHistograms(&r))
			}
		}
	})
	return list
}

// awaitPackets waits until so many more packets have come from a.
func awaitPackets(t *testing.T, r *relay.Relay, more uint64) {
	t.Helper()
	want := r.Forward.Counts().Arrived + more
	deadline := time.After(10 * time.Second)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for r.Forward.Counts().Arrived < want {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("%d packets came from the prober, want %d", r.Forward.Counts().Arrived, want)
		}
	}
}

// withoutHistograms is a report for a person.
func withoutHistograms(r *events.RTT) string {
	if r.RTT != nil {
		r.RTT.Histogram, r.Forward.Histogram, r.Backward.Histogram, r.Processing.Histogram = nil, nil, nil, nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
