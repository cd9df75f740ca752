//go:build e2e && linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"tinytwamp/shared/events"
)

// continuous is a prober that runs until it is told to end.
type continuous struct {
	*testing.T
	*exec.Cmd
	reports chan *events.RTT
	seen    []*events.RTT // those that were taken from reports
	log     chan string   // lines on stderr
}

// continually starts one.
func continually(t *testing.T, command *exec.Cmd) *continuous {
	t.Helper()
	c := &continuous{T: t, Cmd: command, reports: make(chan *events.RTT, 100_000), log: make(chan string, 100_000)}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.reports)
		for d := json.NewDecoder(stdout); ; {
			e := new(events.RTT)
			if d.Decode(e) != nil {
				return
			}
			c.reports <- e
		}
	}()
	go func() {
		defer close(c.log)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			c.log <- s.Text()
		}
	}()
	t.Cleanup(func() {
		c.Process.Kill() // it has ended, unless the test failed
		c.Wait()
	})
	return c
}

// said waits for a line on stderr.
func (c *continuous) said(text string) {
	c.Helper()
	for deadline := time.After(30 * time.Second); ; {
		select {
		case line, ok := <-c.log:
			if !ok {
				c.Fatalf("ended without a line with %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			c.Fatalf("no line with %q", text)
		}
	}
}

// tested waits until an address of a target answers.
func (c *continuous) tested(target, address string) {
	c.Helper()
	for deadline := time.After(30 * time.Second); ; {
		select {
		case e, ok := <-c.reports:
			if !ok {
				c.Fatalf("ended before %s at %s was tested", target, address)
			}
			c.seen = append(c.seen, e)
			if e.Target.Name == target && e.Target.Address.Addr().String() == address && e.Received > 0 {
				return
			}
		case <-deadline:
			c.Fatalf("%s is not tested at %s", target, address)
		}
	}
}

// end ends it, and returns all of its reports.
func (c *continuous) end() []*events.RTT {
	c.Helper()
	c.Process.Signal(syscall.SIGTERM)
	for e := range c.reports {
		c.seen = append(c.seen, e)
	}
	for range c.log {
	}
	c.Wait()
	if code := c.ProcessState.ExitCode(); code != 0 {
		c.Errorf("exit %d", code)
	}
	return c.seen
}

// TestReloadUnderLoad changes the targets a hundred times, well and badly, by
// SIGHUP: the session that did not change misses nothing, and the reflector
// counts what the prober does.
func TestReloadUnderLoad(t *testing.T) {
	r := stand(t)
	file := filepath.Join(t.TempDir(), "targets.yaml")
	write := func(text string) {
		if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	base := fmt.Sprintf("targets:\n  - {name: stays, address: \"[::1]:%s\", interval: 1ms, reflector_state: stateful}\n", r.port)
	write(base)
	p := continually(t, exec.Command(binary("prober"), "-continuous", "-json", "-report-interval", "1s", "-timeout", "500ms",
		"-interval", "5ms", "-targets-file", file))
	p.tested("stays", "::1")
	for i := range 100 {
		switch i % 4 {
		case 0:
			write(base + fmt.Sprintf("  - {name: other, address: \"127.0.0.1:%s\", dscp: %d}\n", r.port, i%64))
		case 1:
			write(base + fmt.Sprintf("  - {name: other, address: \"127.0.0.1:%s\", source_ports: [0]}\n", r.port))
		case 2:
			write(base + fmt.Sprintf("  - {name: third, address: \"[::1]:%s\", interval: 2ms}\n", r.port))
		default:
			write(base)
		}
		p.Process.Signal(syscall.SIGHUP)
		if i%4 == 1 {
			p.said("targets refused")
		} else {
			p.said("targets taken over")
		}
		if i%20 == 0 {
			p.tested("stays", "::1") // another second has passed
		}
	}
	next := uint64(0)
	var sum events.RTT
	for _, e := range p.end() {
		if e.Target.Name != "stays" {
			continue
		}
		if e.Report.Index != next || e.Planned != e.Sent+e.SendErrors {
			t.Errorf("report %d follows on %d; %d planned, %d sent", e.Report.Index, next-1, e.Planned, e.Sent)
		}
		next++
		if e.LostForward == nil || e.Sent != e.Received || *e.LostForward != 0 || e.Duplicates != 0 {
			t.Errorf("%d sent, %d received, lost there %v", e.Sent, e.Received, e.LostForward)
		}
		sum.Sent += e.Sent
	}
	if next < 6 {
		t.Errorf("%d reports, %d packets", next, sum.Sent)
	}
}

// TestTerminalIsGone: a continuous prober that follows its files takes SIGHUP
// for a reload, but ends with the terminal that it runs on.
func TestTerminalIsGone(t *testing.T) {
	r := stand(t)
	file := filepath.Join(t.TempDir(), "targets.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "targets: [{name: a, address: \"[::1]:%s\"}]\n", r.port), 0o644); err != nil {
		t.Fatal(err)
	}
	screen, tty := pseudoTerminal(t)
	p := exec.Command(binary("prober"), "-continuous", "-report-interval", "1s", "-targets-file", file)
	p.Stdin, p.Stdout, p.Stderr = tty, tty, tty
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	ended := make(chan struct{})
	go func() {
		p.Wait()
		close(ended)
	}()
	t.Cleanup(func() { p.Process.Kill(); <-ended })
	var seen strings.Builder
	read := func(text string) {
		t.Helper()
		b := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			n, err := screen.Read(b)
			if err != nil {
				t.Fatalf("%v before %q in %q", err, text, &seen)
			}
			seen.Write(b[:n])
		}
	}
	read("round trip") // it runs
	p.Process.Signal(syscall.SIGHUP)
	read("targets taken over")
	screen.Close()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on without its terminal")
	}
}

// pseudoTerminal opens one, wide enough for a test.
func pseudoTerminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	control := func(request uintptr, value unsafe.Pointer) {
		t.Helper()
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), request, uintptr(value)); errno != 0 {
			t.Fatal(errno)
		}
	}
	var locked, number int32
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := [4]uint16{24, 80}
	control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return screen, tty
}
