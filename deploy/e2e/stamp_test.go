//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// standing is a reflector on a loopback port of its own.
type standing struct {
	port string
	log  string // file of its readable lines
	*exec.Cmd
}

// stand starts one, and returns when it answers. It is ended with the test.
func stand(t *testing.T, args ...string) *standing {
	t.Helper()
	s := &standing{port: freePort(t), log: filepath.Join(t.TempDir(), "reflector.log")}
	admin := freeAddress(t)
	s.Cmd = exec.Command(binary("reflector"), append([]string{
		"-listen", "[::1]:" + s.port + ",127.0.0.1:" + s.port, "-log-file", s.log, "-admin", admin,
	}, args...)...)
	s.Stderr = os.Stderr
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Process.Signal(syscall.SIGTERM)
		s.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); exec.Command(binary("reflector"), "healthcheck", "-admin", admin).Run() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the reflector does not become ready")
		}
	}
	return s
}

// probe runs the prober to its end, and returns its one report.
func probe(t *testing.T, args ...string) (exit int, e *events.RTT) {
	t.Helper()
	c := exec.Command(binary("prober"), append([]string{"-json"}, args...)...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("%v in %s; stderr %s", err, out, &stderr)
	}
	return c.ProcessState.ExitCode(), e
}

// keyFile writes a key file with one key for all.
func keyFile(t *testing.T, octet string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("* "+strings.Repeat(octet, 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// dropped waits until the reflector's log says that packets were dropped for a
// reason.
func (s *standing) dropped(t *testing.T, n int, reason string) {
	t.Helper()
	want := fmt.Sprintf("Dropped %d packets from [::1]: %s\n", n, reason)
	for deadline := time.Now().Add(20 * time.Second); ; {
		b, _ := os.ReadFile(s.log)
		if strings.Contains(string(b), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no line %q in\n%s", want, b)
		}
	}
}

// All of STAMP at once, in each combination of modes: authenticated or not, both
// timestamp formats, stateful or stateless, both families.
func TestSTAMP(t *testing.T) {
	keys := keyFile(t, "5c")
	for _, authenticated := range []bool{false, true} {
		for _, stateless := range []bool{false, true} {
			var args, how []string
			if authenticated {
				args, how = append(args, "-keys-file", keys), append(how, "-auth", "authenticated", "-key-file", keys)
			}
			if stateless {
				args = append(args, "-stateless")
			}
			r := stand(t, args...)
			for _, format := range []string{"ntp", "ptp"} {
				for _, host := range []string{"[::1]", "127.0.0.1"} {
					t.Run(fmt.Sprintf("authenticated %v, stateless %v, %s, %s", authenticated, stateless, format, host), func(t *testing.T) {
						exit, e := probe(t, append(how, "-count", "10", "-interval", "5ms", "-dscp", "EF", "-timestamp", format,
							"-tlv", "cos,follow-up,location,timestamp-info,direct,access-3gpp", host+":"+r.port)...)
						if exit != 0 || e.Received != 10 {
							t.Fatalf("exit %d, %+v", exit, e)
						}
						checkExtensions(t, e, stateless)
					})
				}
			}
		}
	}
}

// checkExtensions: each extension told what it is for.
func checkExtensions(t *testing.T, e *events.RTT, stateless bool) {
	t.Helper()
	x := e.Extensions
	if x == nil || x.Location == nil || x.TimestampInfo == nil || x.AccessReport == nil {
		t.Fatalf("%+v", x)
	}
	if x.Location.Translated || x.Location.Source != e.Session.Source || x.Location.Destination != e.Target.Address {
		t.Errorf("location %+v", x.Location)
	}
	if x.TimestampInfo.MethodIn != "sw_local" || *x.AccessReport != (events.AccessReport{Access: 1, ReturnCode: 1}) {
		t.Errorf("%+v, %+v", x.TimestampInfo, x.AccessReport)
	}
	if m := e.Marking; m.ReflectorDSCP == nil || *m.ReflectorDSCP != 46 || *m.ReturnedDSCP != 46 || x.DSCPRefused {
		t.Errorf("marking %+v", m)
	}
	if x.IntegrityFailed != 0 || len(x.Malformed) != 0 || e.Forward == nil || e.Backward == nil {
		t.Errorf("%+v", x)
	}
	if stateless {
		if x.DirectMeasurement != nil || strings.Join(x.Unrecognized, " ") != "direct_measurement" || e.Timestamps.T3Kernel != 0 {
			t.Errorf("a stateless reflector tells %+v", x)
		}
		return
	}
	if x.DirectMeasurement == nil || *x.DirectMeasurement != (events.DirectMeasurement{SenderTx: 10, ReflectorRx: 10, ReflectorTx: 10}) {
		t.Errorf("direct measurement %+v", x.DirectMeasurement)
	}
	if len(x.Unrecognized) != 0 || e.Timestamps.T3Kernel == 0 {
		t.Errorf("%+v, %+v", x, e.Timestamps)
	}
}

// Who has not the key gets no answer, and the reflector counts why.
func TestWrongKey(t *testing.T) {
	r := stand(t, "-keys-file", keyFile(t, "5c"))
	how := []string{"-count", "7", "-interval", "1ms", "-timeout", "100ms", "[::1]:" + r.port}
	exit, e := probe(t, append([]string{"-key-file", keyFile(t, "36")}, how...)...)
	if exit != 69 || e.Received != 0 || e.Lost != 7 {
		t.Errorf("wrong key: exit %d, %d received, %d lost", exit, e.Received, e.Lost)
	}
	r.dropped(t, 7, "hmac_failed")
	exit, e = probe(t, how...)
	if exit != 69 || e.Received != 0 {
		t.Errorf("no key: exit %d, %d received", exit, e.Received)
	}
	r.dropped(t, 7, "unauthenticated")
	exit, e = probe(t, append([]string{"-size", "200", "-padding", "zero"}, how...)...) // 112 octets and more
	if exit != 69 || e.Received != 0 {
		t.Errorf("a long packet without a key: exit %d, %d received", exit, e.Received)
	}
	r.dropped(t, 7, "hmac_failed")
}

// New keys are taken over without a restart, and broken ones are not.
func TestKeysAreReadAnew(t *testing.T) {
	keys, other := keyFile(t, "5c"), keyFile(t, "36")
	r := stand(t, "-keys-file", keys)
	received := func(file string) uint64 {
		_, e := probe(t, "-key-file", file, "-count", "3", "-interval", "1ms", "-timeout", "100ms", "[::1]:"+r.port)
		return e.Received
	}
	hangUp := func(text string) {
		if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r.Process.Signal(syscall.SIGHUP)
	}
	good, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if n := received(other); n != 0 {
		t.Errorf("%d received before the key was known", n)
	}
	hangUp(string(good))
	for deadline := time.Now().Add(20 * time.Second); received(other) != 3; {
		if time.Now().After(deadline) {
			t.Fatal("the new key is not taken over")
		}
	}
	hangUp("* not-a-key\n")
	if n := received(other); n != 3 {
		t.Errorf("%d received after a broken file", n)
	}
}
