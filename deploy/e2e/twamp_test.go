//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// passphrases writes a file with the passphrase of key id "joe".
func passphrases(t *testing.T, passphrase string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrases")
	if err := os.WriteFile(path, []byte("joe "+passphrase+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TWAMP with its control protocol, in each mode, over both families, with packets
// from the shortest to nearly a whole frame.
func TestTWAMP(t *testing.T) {
	file := passphrases(t, "open sesame")
	for _, mode := range []string{"none", "authenticated", "encrypted", "mixed"} {
		r := stand(t, "-control-modes", mode, "-passphrase-file", file)
		base := 14 // of a sender's packet
		if mode == "authenticated" || mode == "encrypted" {
			base = 48
		}
		for _, host := range []string{"[::1]", "127.0.0.1"} {
			for _, padding := range []int{0, 27, 64, 1400} {
				t.Run(fmt.Sprintf("%s, %s, padding %d", mode, host, padding), func(t *testing.T) {
					how := []string{
						"-mode", "twamp", "-auth", mode, "-count", "10", "-interval", "5ms", "-dscp", "EF",
						"-padding", "zero", "-size", strconv.Itoa(base + padding),
					}
					if mode != "none" {
						how = append(how, "-key-file", file)
					}
					exit, e := probe(t, append(how, host+":"+r.port)...)
					if exit != 0 || e.Received != 10 || e.Unexpected+e.Implausible+e.Late+e.Duplicates != 0 {
						t.Fatalf("exit %d, %+v", exit, e)
					}
					if e.Session.Mode != "twamp" || e.Session.Auth != mode || e.Session.Size != base+padding {
						t.Errorf("session %+v", e.Session)
					}
					if e.LostForward == nil || *e.LostForward != 0 || e.LostBackward == nil || *e.LostBackward != 0 {
						t.Errorf("loss by direction is %v, %v", e.LostForward, e.LostBackward)
					}
					if e.HopsForward == nil || e.HopsForward.Max != 0 || e.HopsBackward == nil || e.HopsBackward.Max != 0 {
						t.Errorf("hops are %+v, %+v", e.HopsForward, e.HopsBackward)
					}
					if m := e.Marking; m.ReturnedDSCP == nil || *m.ReturnedDSCP != 46 {
						t.Errorf("marking %+v", m)
					}
					if e.Forward == nil || e.Backward == nil || e.RTT == nil || e.RTT.N != 10 {
						t.Errorf("delays %+v, %+v, %+v", e.RTT, e.Forward, e.Backward)
					}
				})
			}
		}
	}
}

// RFC 6038: the octets that are asked for come back, with padding that stands
// where the reply has it, and without.
func TestTWAMPReflectOctets(t *testing.T) {
	file := passphrases(t, "open sesame")
	r := stand(t, "-passphrase-file", file)
	for _, auth := range []string{"mixed", "authenticated", "encrypted"} {
		for _, symmetrical := range []string{"true", "false"} {
			exit, e := probe(t, "-mode", "twamp", "-auth", auth, "-key-file", file, "-count", "5", "-interval", "5ms", "-padding", "random",
				"-size", "400", "-reflect-octets", "100", "-symmetrical-size="+symmetrical, "127.0.0.1:"+r.port)
			if exit != 0 || e.Received != 5 || e.Extensions != nil && len(e.Extensions.Malformed) > 0 {
				t.Errorf("%s, symmetrical %s: exit %d, %+v", auth, symmetrical, exit, e)
			}
		}
	}
}

// Who has not the passphrase, or wants more than is offered, gets nothing, and is
// told why.
func TestTWAMPRefused(t *testing.T) {
	file := passphrases(t, "open sesame")
	r := stand(t, "-passphrase-file", file)
	open := stand(t)
	for _, tt := range []struct {
		name, port string
		args       []string
		says       string
	}{
		{"wrong passphrase", r.port, []string{"-key-file", passphrases(t, "open sesam")}, "passphrase"},
		{"no passphrase", r.port, nil, "key"},
		{"weaker than asked", open.port, []string{"-key-file", file, "-auth", "encrypted"}, "offers"},
	} {
		c := exec.Command(binary("prober"), append(tt.args, "-mode", "twamp", "-count", "3", "127.0.0.1:"+tt.port)...)
		if out, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != 69 || !strings.Contains(string(out), tt.says) {
			t.Errorf("%s: exit %d, %s", tt.name, c.ProcessState.ExitCode(), out)
		}
	}
}

// A reflector that is told to end lets a running session come to its end.
func TestTWAMPGracefulStop(t *testing.T) {
	r := stand(t)
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		waitForLine(t, r.log, "Session opened")
		r.Process.Signal(syscall.SIGTERM)
	}()
	exit, e := probe(t, "-mode", "twamp", "-count", "100", "-interval", "20ms", "127.0.0.1:"+r.port)
	<-begun
	if exit != 0 || e.Received != 100 {
		t.Errorf("exit %d, %d received", exit, e.Received)
	}
}

// waitForLine waits until a file has a text in it.
func waitForLine(t *testing.T, file, text string) {
	t.Helper()
	eventually(t, 20*time.Second, text+" in "+file, func() string {
		b, _ := os.ReadFile(file)
		if strings.Contains(string(b), text) {
			return ""
		}
		return "only " + string(b)
	})
}
