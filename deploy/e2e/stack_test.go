//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// stack is docker-compose.yml, started under a name of its own.
type stack struct {
	project     string // name of the compose project
	version     string // of the images
	prefix6     string // of its networks
	prefix4     string
	credentials string   // folder of the keys
	group       string   // of the keys' files
	command     []string // docker compose, with the files
}

// newStack describes a stack that is not started yet. It is removed with the
// test.
func newStack(t *testing.T, tool []string, name string) *stack {
	pid := os.Getpid()
	s := &stack{
		project: fmt.Sprintf("tinytwamp-e2e-%d-%s", pid, name),
		version: imageVersion(),
		prefix6: fmt.Sprintf("fd9e:40c5:%x:%x", pid>>16, pid&0xffff),
		prefix4: fmt.Sprintf("10.213.%d", pid&0xff),
	}
	s.command = append(slices.Clone(tool), "-p", s.project, "-f", "docker-compose.yml", "-f", buildHere(t))
	t.Cleanup(func() { s.remove(t) })
	return s
}

// imageVersion is that of all images which the tests make.
func imageVersion() string { return fmt.Sprintf("e2e-%d", os.Getpid()) }

func removeImages(t *testing.T) {
	for _, service := range services {
		if image := "tinytwamp/" + service + ":" + imageVersion(); hasImage(image) {
			docker(t, "image", "rm", image)
		}
	}
}

// buildHere writes a compose file by which the images are built with the
// modules of this machine, and the reports are more frequent.
func buildHere(t *testing.T) string {
	t.Helper()
	type dict map[string]any
	build := dict{"build": dict{"network": "host", "args": dict{"GOPROXY": moduleProxy(t)}}}
	content, err := json.Marshal(dict{"services": dict{"init": build, "logger": build, "reflector": build, "prober": dict{
		"build": build["build"], "environment": dict{"TWAMP_INTERVAL": "100ms", "TWAMP_REPORT_INTERVAL": "2s"},
	}}})
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
	c.Env = append(os.Environ(), "TINYTWAMP_VERSION="+s.version, "TINYTWAMP_NET6="+s.prefix6, "TINYTWAMP_NET4="+s.prefix4,
		"TINYTWAMP_CREDENTIALS="+s.credentials, "TINYTWAMP_GROUP="+s.group)
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

// TestStack is the life of the stack of docker-compose.yml, with each compose
// tool that is here: the whole of it with the first.
func TestStack(t *testing.T) {
	tools := needCompose(t)
	standIns(t)
	t.Cleanup(func() { removeImages(t) })
	for i, tool := range tools {
		t.Run(strings.Join(tool, " "), func(t *testing.T) {
			s := newStack(t, tool, strconv.Itoa(i))
			if i > 0 {
				s.startAgain(t)
				return
			}
			s.life(t)
			t.Run("images", s.testImages)
		})
	}
}

// startAgain starts the stack of images that are there, with keys that an
// ordinary user made.
func (s *stack) startAgain(t *testing.T) {
	s.credentials, s.group = ordinaryCredentials(t)
	s.compose(t, "up", "-d")
	s.waitHealthy(t)
	s.waitTested(t, time.Time{})
	s.checkStop(t)
}

func (s *stack) life(t *testing.T) {
	s.credentials, s.group = makeCredentials(t), "65532"
	s.compose(t, "up", "--build", "-d")
	s.waitHealthy(t)
	s.checkMade(t)
	s.waitTested(t, time.Time{})
	s.checkLines(t)
	s.checkForbidden(t)
	s.killNATS(t)
	for _, service := range []string{"logger", "reflector", "prober", "nats"} {
		s.compose(t, "restart", service)
	}
	restarted := time.Now()
	s.waitHealthy(t)
	s.waitTested(t, restarted)

	got := sources(s.records(t))
	if want := map[string]bool{"/prober/prober": true, "/reflector/reflector": true}; !maps.Equal(got, want) {
		t.Errorf("events are from %v, want %v", got, want)
	}
	s.checkStop(t)
}

// ordinaryCredentials makes keys as a user who is not root, if it can.
func ordinaryCredentials(t *testing.T) (dir, group string) {
	t.Helper()
	if os.Getuid() != 0 {
		return makeCredentials(t), strconv.Itoa(os.Getgid())
	}
	const id = 1000
	home, err := os.MkdirTemp("", "tinytwamp-e2e-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	for _, err := range []error{os.Chown(home, id, id), os.Chmod(bin, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(home, "credentials")
	users := exec.Command(binary("users"), "-dir", dir)
	users.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	output(t, users)
	return dir, strconv.Itoa(id)
}

// health returns what the health check of a service has found.
func (s *stack) health(t *testing.T, service string) string {
	t.Helper()
	return inspect(t, s.id(t, service)).State.Health.Status
}

// killNATS kills the server, as a failing machine would, and starts it again
// when all have had to do without it.
func (s *stack) killNATS(t *testing.T) {
	t.Helper()
	docker(t, "kill", s.id(t, "nats"))
	killed := time.Now()
	eventually(t, time.Minute, "the logger is not healthy without NATS", func() string {
		if got := s.health(t, "logger"); got != "unhealthy" {
			return "it is " + got
		}
		return ""
	})
	for _, service := range []string{"reflector", "prober"} { // which go on
		if got := s.health(t, service); got != "healthy" {
			t.Errorf("%s is %s without NATS", service, got)
		}
	}
	s.compose(t, "restart", "reflector") // its events wait in its outbox
	back := time.Now()
	s.compose(t, "start", "nats")
	s.waitHealthy(t)
	s.waitTested(t, back)
	for _, r := range reports(t, s.records(t)) {
		if r.Report.Start.After(killed) && r.Report.End.Before(back) {
			return
		}
	}
	t.Error("there is no report of the time without NATS")
}

// checkForbidden has the server of the stack refuse what it must.
func (s *stack) checkForbidden(t *testing.T) {
	t.Helper()
	url := "nats://" + net.JoinHostPort(s.natsAddress(t), "4222")
	if nc, err := nats.Connect(url); err == nil {
		nc.Close()
		t.Error("somebody without a key was let in")
	}
	refused := make(chan error, 1)
	nc := login(t, url, seedFile(s.credentials, "prober"), func(err error) { refused <- err })
	const subject = "twamp.v1.log.reflector"
	if err := nc.Publish(subject, []byte("forged")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
			t.Errorf("the server says %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the prober can publish as the reflector")
	}
}

func (s *stack) natsAddress(t *testing.T) string {
	t.Helper()
	for _, network := range inspect(t, s.id(t, "nats")).NetworkSettings.Networks {
		return network.IPAddress
	}
	t.Fatal("NATS has no address")
	return ""
}

// checkMade looks at what was made: the stream, the version.
func (s *stack) checkMade(t *testing.T) {
	t.Helper()
	if state := inspect(t, s.id(t, "init")).State; state.Status != "exited" || state.ExitCode != 0 {
		t.Errorf("init is %s with code %d, want exited with 0", state.Status, state.ExitCode)
	}
	var healthz struct{ Status string }
	s.askNATS(t, "/healthz", &healthz)
	if healthz.Status != "ok" {
		t.Errorf("/healthz of NATS says %+v", healthz)
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

// askNATS asks the monitoring of the server.
func (s *stack) askNATS(t *testing.T, path string, answer any) {
	t.Helper()
	got, err := http.Get("http://" + net.JoinHostPort(s.natsAddress(t), "8222") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if err := json.NewDecoder(got.Body).Decode(answer); err != nil {
		t.Fatalf("%s of NATS: %v", path, err)
	}
}

// checkStop stops the stack: every service ends well, and each event is kept
// once.
func (s *stack) checkStop(t *testing.T) {
	t.Helper()
	s.compose(t, "stop", "prober", "reflector")
	var jsz struct{ Messages int }
	s.askNATS(t, "/jsz", &jsz)
	eventually(t, 30*time.Second, "all events of the stream in the logger's files", func() string {
		if kept := len(s.records(t)); kept != jsz.Messages {
			return fmt.Sprintf("%d of %d", kept, jsz.Messages)
		}
		return ""
	})
	s.compose(t, "stop")
	for _, service := range services {
		if state := inspect(t, s.id(t, service)).State; state.Status != "exited" || state.ExitCode != 0 {
			t.Errorf("%s is %s with code %d, want exited with 0", service, state.Status, state.ExitCode)
		}
	}
	records := s.records(t)
	wantOnce(t, records)
	wantAll(t, records)
	said := s.compose(t, "logs", "--no-color")
	for _, bad := range []string{"does not allow", "events were lost", "violation"} {
		if strings.Contains(said, bad) {
			t.Errorf("%q is in the logs of the stack", bad)
		}
	}
}
