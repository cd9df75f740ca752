//go:build e2e

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExamplesOfHelp runs what `prober -h` shows, as printed, in a shell,
// against a reflector that is started as it says.
func TestExamplesOfHelp(t *testing.T) {
	help := output(t, exec.Command(binary("prober"), "-h"))
	_, text, _ := strings.Cut(help, "\nExamples:\n")
	text, _, _ = strings.Cut(text, "\n\n")
	lines := strings.Split(text, "\n")
	start, ok := strings.CutPrefix(lines[0], "  # with a reflector here: ")
	if !ok {
		t.Fatalf("the first line is %q", lines[0])
	}
	for _, at := range regexp.MustCompile(`(?:\[::1\]|127\.0\.0\.1):\d+`).FindAllString(start, -1) {
		c, err := net.ListenPacket("udp", at)
		if err != nil {
			t.Skipf("NOT RUN: %s is taken on this machine: %v", at, err)
		}
		c.Close()
	}
	folder := t.TempDir()
	shell := func(command string) *exec.Cmd {
		c := exec.Command("sh", "-c", command)
		c.Dir = folder
		c.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		return c
	}
	admin := freeAddress(t)
	reflector := shell("exec " + start + " -log-file reflector.log -admin " + admin)
	if err := reflector.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reflector.Process.Signal(syscall.SIGTERM)
		reflector.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); exec.Command(binary("reflector"), "healthcheck", "-admin", admin).Run() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the reflector does not become ready")
		}
	}
	examples := 0
	for n := 1; n < len(lines); n++ {
		command := strings.TrimPrefix(lines[n], "  ")
		for strings.Count(command, "'")%2 == 1 { // a text over several lines
			n++
			command += "\n" + lines[n]
		}
		if strings.Contains(command, "-continuous") {
			command = strings.ReplaceAll(command, "prober -continuous", "exec timeout -s INT 4 prober -report-interval 1s -continuous")
		}
		out, err := shell(command).CombinedOutput()
		if code, ok := err.(*exec.ExitError); ok && code.ExitCode() == 124 && strings.Contains(command, "timeout") {
			err = nil // timeout(1) ended it
		}
		if err != nil {
			t.Errorf("%v from\n%s\n%s", err, command, out)
		}
		if strings.HasPrefix(command, "prober") {
			examples++
		}
	}
	if examples != 6 {
		t.Errorf("%d examples", examples)
	}
	if b, err := os.ReadFile(filepath.Join(folder, "result.json")); err != nil || !strings.Contains(string(b), `"mode":"light"`) {
		t.Errorf("result.json: %v, %s", err, b)
	}
}
