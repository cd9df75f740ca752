//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// stack is docker-compose.yml, started under a name of its own.
type stack struct {
	project string // name of the compose project
	version string // of the images
	prefix6 string // of its networks
	prefix4 string
	command []string // docker compose, with the files
}

// startStack builds and starts the stack. It is removed with the test.
func startStack(t *testing.T) *stack {
	compose := needDocker(t)
	standIns(t)
	pid := os.Getpid()
	s := &stack{
		project: fmt.Sprintf("tinytwamp-e2e-%d", pid),
		version: fmt.Sprintf("e2e-%d", pid),
		prefix6: fmt.Sprintf("fd9e:40c5:%x:%x", pid>>16, pid&0xffff),
		prefix4: fmt.Sprintf("10.213.%d", pid&0xff),
	}
	s.command = append(compose, "-p", s.project, "-f", "docker-compose.yml", "-f", buildHere(t))
	t.Cleanup(func() { s.remove(t) })
	s.compose(t, "up", "--build", "-d")
	return s
}

// buildHere writes a compose file by which the images are built with the
// modules of this machine.
func buildHere(t *testing.T) string {
	t.Helper()
	type dict map[string]any
	build := dict{"build": dict{"network": "host", "args": dict{"GOPROXY": moduleProxy(t)}}}
	content, err := json.Marshal(dict{"services": dict{"init": build, "logger": build, "reflector": build, "prober": build}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "build.json") // JSON is YAML
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *stack) compose(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(s.command[0], append(slices.Clone(s.command[1:]), args...)...)
	c.Dir = root
	c.Env = append(os.Environ(), "TINYTWAMP_VERSION="+s.version, "TINYTWAMP_NET6="+s.prefix6, "TINYTWAMP_NET4="+s.prefix4)
	return output(t, c)
}

// remove takes away all that the stack was made of, and says what it said if
// the test failed.
func (s *stack) remove(t *testing.T) {
	if t.Failed() {
		t.Log(s.compose(t, "ps"))
		t.Log(s.compose(t, "logs", "--no-color", "--tail=40"))
	}
	s.compose(t, "down", "--volumes", "--remove-orphans")
	for _, service := range services {
		if image := "tinytwamp/" + service + ":" + s.version; hasImage(image) {
			docker(t, "image", "rm", image)
		}
	}
	mine := "label=com.docker.compose.project=" + s.project
	for _, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
		if left := docker(t, append(list, "--filter", mine)...); left != "" {
			t.Errorf("docker %s: left behind: %s", list[0], left)
		}
	}
}

// id returns the container of a service, whether it runs or not.
func (s *stack) id(t *testing.T, service string) string {
	t.Helper()
	return docker(t, "ps", "-aq",
		"--filter", "label=com.docker.compose.project="+s.project,
		"--filter", "label=com.docker.compose.service="+service)
}

// waitHealthy waits until the health checks of all services succeed.
func (s *stack) waitHealthy(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "all services healthy", func() string {
		for _, service := range services {
			if c := inspect(t, s.id(t, service)); c.State.Health.Status != "healthy" {
				return fmt.Sprintf("%s: %+v", service, c.State)
			}
		}
		return ""
	})
}

// records returns what the logger has kept so far.
func (s *stack) records(t *testing.T) []record {
	t.Helper()
	return readArchive(t, bytes.NewBufferString(docker(t, "cp", s.id(t, "logger")+":/data", "-")))
}

// tested returns the addresses of which there is a report, with replies, on a
// time that began after since.
func (s *stack) tested(t *testing.T, since time.Time) []netip.Addr {
	t.Helper()
	addrs := map[netip.Addr]bool{}
	for _, r := range reports(t, s.records(t)) {
		if r.Received > 0 && r.RTT != nil && r.Report.Start.After(since) {
			addrs[r.Target.Address.Addr()] = true
		}
	}
	return slices.SortedFunc(maps.Keys(addrs), netip.Addr.Compare)
}

// waitTested waits for new results over both families.
func (s *stack) waitTested(t *testing.T, since time.Time) {
	t.Helper()
	want := []netip.Addr{netip.MustParseAddr(s.prefix4 + ".62"), netip.MustParseAddr(s.prefix6 + "::862")}
	eventually(t, time.Minute, "results over IPv6 and IPv4", func() string {
		if got := s.tested(t, since); !slices.Equal(got, want) {
			return fmt.Sprintf("there are results of %v, want %v", got, want)
		}
		return ""
	})
}

// TestStack is the life of the stack of docker-compose.yml.
func TestStack(t *testing.T) {
	s := startStack(t)
	s.waitHealthy(t)
	s.checkMade(t)
	s.waitTested(t, time.Time{})
	s.checkLines(t)

	s.compose(t, "restart", "reflector")
	restarted := time.Now()
	s.waitHealthy(t)
	s.waitTested(t, restarted)

	got := sources(s.records(t))
	if want := map[string]bool{"/prober/prober": true, "/reflector/reflector": true}; !maps.Equal(got, want) {
		t.Errorf("events are from %v, want %v", got, want)
	}
	s.checkStop(t)
}

// checkMade looks at what was made: the stream, the version.
func (s *stack) checkMade(t *testing.T) {
	t.Helper()
	if state := inspect(t, s.id(t, "init")).State; state.Status != "exited" || state.ExitCode != 0 {
		t.Errorf("init is %s with code %d, want exited with 0", state.Status, state.ExitCode)
	}
	for _, network := range inspect(t, s.id(t, "nats")).NetworkSettings.Networks {
		answer, err := http.Get("http://" + network.IPAddress + ":8222/healthz")
		if err != nil {
			t.Error(err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("/healthz of NATS says %s", answer.Status)
		}
	}
	for _, service := range services {
		got := docker(t, "run", "--rm", "--network=none", "tinytwamp/"+service+":"+s.version, "-version")
		if want := service + " " + s.version + " "; !strings.HasPrefix(got, want) {
			t.Errorf("version is %q, want %q", got, want)
		}
	}
}

// checkLines looks for the readable log of all services in the logger's.
func (s *stack) checkLines(t *testing.T) {
	t.Helper()
	prober := inspect(t, s.id(t, "prober"))
	for _, network := range prober.NetworkSettings.Networks {
		for _, addr := range []string{network.GlobalIPv6Address, network.IPAddress} {
			want := []string{
				"Received test packet from [" + addr + `]: "TWAMP test message"`,
				"Sent response to [" + addr + "]",
				"Test result for client [" + addr + "]: Round-trip time received: Round-trip time: ",
			}
			eventually(t, 30*time.Second, "lines on "+addr, func() string { return s.missing(t, want) })
		}
	}
	for _, addr := range []string{s.prefix6 + "::862", s.prefix4 + ".62"} {
		want := []string{"received, ", "sent, reflector [" + netip.MustParseAddr(addr).String() + "], from prober)"}
		eventually(t, 30*time.Second, "reports on "+addr, func() string { return s.missing(t, want) })
	}
}

// missing returns those of want that are not in the logger's log.
func (s *stack) missing(t *testing.T, want []string) string {
	t.Helper()
	log := docker(t, "logs", s.id(t, "logger"))
	return strings.Join(slices.DeleteFunc(slices.Clone(want), func(w string) bool { return strings.Contains(log, w) }), "; ")
}

// checkStop stops the stack: every service ends well, and nothing is kept twice.
func (s *stack) checkStop(t *testing.T) {
	t.Helper()
	s.compose(t, "stop")
	for _, service := range services {
		if state := inspect(t, s.id(t, service)).State; state.Status != "exited" || state.ExitCode != 0 {
			t.Errorf("%s is %s with code %d, want exited with 0", service, state.Status, state.ExitCode)
		}
	}
	wantOnce(t, s.records(t))
}
