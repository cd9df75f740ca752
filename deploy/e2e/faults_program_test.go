package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a part of the system as a real process, which may be killed and
// started again with the same arguments.
type program struct {
	*testing.T
	name   string
	path   string
	args   []string
	env    []string
	admin  string            // address of its admin HTTP; empty: it has none
	outbox string            // its folder; empty: it has none
	line   func(line string) // takes what it says on stdout; nil: nobody does
	log    string            // file with what all its runs said on stderr
	runs   int

	cmd   *exec.Cmd     // nil: it does not run
	ended chan struct{} // closed once it has ended and line has had the last
}

func (r *rig) program(name, path string, args ...string) *program {
	p := &program{T: r.T, name: name, path: path, args: args, log: filepath.Join(r.dir, name+".log")}
	r.Cleanup(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill() // it may have ended
			<-p.ended
		}
		if r.Failed() {
			r.Logf("%s, run %d times, said last:\n%s", p.name, p.runs, lastLines(p.log, 12))
		}
	})
	return p
}

func lastLines(file string, n int) string {
	b, _ := os.ReadFile(file)
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

// start starts the program, unless it runs.
func (p *program) start() {
	p.Helper()
	if p.cmd != nil {
		return
	}
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		p.Fatal(err)
	}
	defer log.Close()
	p.cmd, p.ended = exec.Command(p.path, p.args...), make(chan struct{})
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	p.runs++
	go func(cmd *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if p.line != nil {
				p.line(lines.Text())
			}
		}
		_ = cmd.Wait() // how it ended is in its state
	}(p.cmd, p.ended)
}

// strike sends SIGKILL to a program that runs, and does not wait for its end.
func (p *program) strike() {
	p.Helper()
	select {
	case <-p.ended:
		p.Errorf("%s has ended by itself: %v", p.name, p.cmd.ProcessState)
	default:
	}
	if err := p.cmd.Process.Kill(); err != nil {
		p.Errorf("%s: %v", p.name, err)
	}
}

// gone waits for the end of a program, and returns its exit code.
func (p *program) gone() int {
	p.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.Fatalf("%s does not end", p.name)
	}
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code
}

// stop ends the program as a person would, and wants it to end well.
func (p *program) stop() { p.stopWith(0) }

// stopWith ends the program as a person would, and wants an exit code.
func (p *program) stopWith(want int) {
	p.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Errorf("%s: %v", p.name, err)
	}
	if code := p.gone(); code != want {
		p.Errorf("%s ended with code %d, want %d:\n%s", p.name, code, want, lastLines(p.log, 5))
	}
}

// ask returns what the program's admin HTTP says, and 0 when it does not answer.
func (p *program) ask(path string) (status int, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + p.admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(b)
}

// ready waits until the program says that it is.
func (p *program) ready() {
	p.Helper()
	eventually(p.T, 30*time.Second, p.name+" ready", func() string {
		if status, body := p.ask("/readyz"); status != http.StatusOK {
			return body
		}
		return ""
	})
}

// metric returns a figure of the program, added up over its labels.
func (p *program) metric(name string) (sum float64) {
	_, body := p.ask("/metrics")
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, " "):]), 64)
		if err != nil {
			p.Errorf("%s: metric %q: %v", p.name, line, err)
		}
		sum += value
	}
	return sum
}
