//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pipeline is deploy/run.sh at work.
type pipeline struct {
	*exec.Cmd
	data  string      // its folder
	page  string      // address of its page
	lines chan string // on its stdout, as they come; closed at its end
	said  []string    // those that were taken from lines
}

// startPipeline runs deploy/run.sh with ports and files of its own, in its own
// process group, as a shell would.
func startPipeline(t *testing.T) *pipeline {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("NOT RUN: no bash for deploy/run.sh")
	}
	p := &pipeline{Cmd: exec.Command("deploy/run.sh"), data: t.TempDir(), page: freeAddress(t), lines: make(chan string)}
	p.Dir = root
	p.Env = append(os.Environ(), "TWAMP_RUN_BIN="+bin, "TWAMP_RUN_DATA="+p.data,
		"TWAMP_RUN_NATS=nats://"+freeAddress(t), "TWAMP_RUN_UDP="+freePort(t), "TWAMP_RUN_PAGE="+p.page)
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Stderr = os.Stderr
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		for _, pid := range p.processes() { // none, unless the test failed
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return p
}

// waitFor takes lines until one matched each pattern.
func (p *pipeline) waitFor(t *testing.T, patterns ...string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for len(patterns) > 0 {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("ended without lines that match %q:\n%s", patterns, strings.Join(p.said, "\n"))
			}
			p.said = append(p.said, line)
			patterns = slices.DeleteFunc(patterns, func(pattern string) bool {
				return regexp.MustCompile(pattern).MatchString(line)
			})
		case <-deadline:
			t.Fatalf("no lines that match %q:\n%s", patterns, strings.Join(p.said, "\n"))
		}
	}
}

// waitEnd takes the rest of the lines, and returns the exit code.
func (p *pipeline) waitEnd(t *testing.T) int {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if ok {
				p.said = append(p.said, line)
				continue
			}
			p.Wait() // its error is the code
			return p.ProcessState.ExitCode()
		case <-deadline:
			t.Fatalf("does not end:\n%s", strings.Join(p.said, "\n"))
		}
	}
}

// processes returns the pipeline's processes: they have its folder in their
// environment.
func (p *pipeline) processes() []int {
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, _ := os.ReadFile(file) // fails for those that have just ended
		if bytes.Contains(environ, []byte("TWAMP_RUN_DATA="+p.data+"\x00")) {
			var pid int
			fmt.Sscanf(file, "/proc/%d/", &pid)
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestRun is `make run` and Ctrl-C.
func TestRun(t *testing.T) {
	p := startPipeline(t)
	const stamp = `^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `
	p.waitFor(t,
		`^Paths and their history are shown at http://`+regexp.QuoteMeta(p.page)+`/$`,
		stamp+`Received test packet from \[(::1|127\.0\.0\.1)\]: "TWAMP test message"$`,
		stamp+`Sent response to \[(::1|127\.0\.0\.1)\]$`,
		stamp+`Test result for client \[(::1|127\.0\.0\.1)\]: Round-trip time received: Round-trip time: \S+s$`,
		stamp+`Round-trip time: \S+s \(p50 of \d+ received, \d+ sent, .*\[(::1|127\.0\.0\.1)\].*, from prober\)$`,
		stamp+`Client logged round-trip time: \S+s$`)

	if len(p.processes()) < 4 {
		t.Errorf("processes are %v, want the script and three services", p.processes())
	}
	if err := syscall.Kill(-p.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.waitEnd(t); code != 0 {
		t.Errorf("ended with code %d, want 0:\n%s", code, strings.Join(p.said, "\n"))
	}
	if left := p.processes(); len(left) > 0 {
		t.Errorf("processes %v were left behind", left)
	}
	p.compareWithFiles(t)
}

// compareWithFiles: each line that was read is that of an event on disk, and
// each event on disk was read.
func (p *pipeline) compareWithFiles(t *testing.T) {
	t.Helper()
	var records []record
	files, _ := filepath.Glob(filepath.Join(p.data, "events/*.ndjson"))
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		records = append(records, readRecords(t, file)...)
	}
	wantOnce(t, records)
	if len(reports(t, records)) == 0 {
		t.Error("no report was kept")
	}
	var want []string
	for _, r := range records {
		for _, line := range r.event.Lines() {
			want = append(want, line.Time.Local().Format("2006/01/02 15:04:05 ")+line.Text)
		}
	}
	got := slices.DeleteFunc(slices.Clone(p.said), func(line string) bool { return !strings.HasPrefix(line, "20") })
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("lines read:\n%s\n\nlines of the events kept:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRunServiceEnds: when a service ends by itself, the rest is ended as well.
func TestRunServiceEnds(t *testing.T) {
	p := startPipeline(t)
	p.waitFor(t, `Round-trip time: `)
	for _, pid := range p.processes() {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if strings.TrimSpace(string(name)) == "reflector" {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code := p.waitEnd(t); code == 0 {
		t.Error("ended with code 0, want another")
	}
	if left := p.processes(); len(left) > 0 {
		t.Errorf("processes %v were left behind", left)
	}
}
