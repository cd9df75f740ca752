package e2e

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// makeCredentials makes the keys of NATS users, as make credentials does, in a
// folder of the test.
func makeCredentials(t *testing.T, users ...string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "credentials")
	if out, err := exec.Command(binary("users"), append([]string{"-dir", dir}, users...)...).CombinedOutput(); err != nil {
		t.Fatalf("no credentials: %v\n%s", err, out)
	}
	return dir
}

// natsOptions reads a server's configuration in deploy/nats, with the users in
// a file of credentials.
func natsOptions(t *testing.T, conf, users string) *server.Options {
	t.Helper()
	dir := t.TempDir()
	for to, from := range map[string]string{
		"nats.conf":   filepath.Join(root, "deploy/nats", conf),
		"common.conf": filepath.Join(root, "deploy/nats/common.conf"),
		"users.conf":  users,
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	options := &server.Options{CheckConfig: true} // unknown words are errors
	if err := options.ProcessConfigFile(filepath.Join(dir, "nats.conf")); err != nil {
		t.Fatal(err)
	}
	options.CheckConfig = false
	return options
}

// startNATS starts the server of docker-compose.yml inside the test, on a
// loopback port of its own, and returns its URL.
func startNATS(t *testing.T, users string) string {
	t.Helper()
	options := natsOptions(t, "nats-server.conf", users)
	options.Host, options.Port, options.HTTPHost, options.HTTPPort = "127.0.0.1", server.RANDOM_PORT, "", 0
	options.StoreDir, options.NoLog, options.NoSigs = t.TempDir(), true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return s.ClientURL()
}

// TestNATSServers: what the servers of the compose files hold themselves to.
func TestNATSServers(t *testing.T) {
	users := filepath.Join(makeCredentials(t), "users.conf")
	for conf, host := range map[string]string{"nats-server.conf": "::", "nats-host.conf": "127.0.0.1"} {
		o := natsOptions(t, conf, users)
		if o.Host != host || o.HTTPHost != host {
			t.Errorf("%s: listens on %s, monitoring on %s, want %s", conf, o.Host, o.HTTPHost, host)
		}
		if !o.SyncAlways {
			t.Errorf("%s: acknowledges before an event is on the disk", conf)
		}
		if o.MaxPayload != 1<<20 || o.MaxConn <= 0 || o.JetStreamMaxStore <= 0 || o.JetStreamMaxMemory <= 0 {
			t.Errorf("%s: something has no bound", conf)
		}
		if o.NoAuthUser != "" || len(o.Users) > 0 || len(o.Nkeys) != 4 {
			t.Errorf("%s: others than the 4 services are let in", conf)
		}
	}
}

// login connects as the user with a file's seed. What the server says without being
// asked goes to said.
func login(t *testing.T, url, file string, said func(error)) *nats.Conn {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(url, key, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { said(err) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// daemon is a service that runs until the test ends.
type daemon struct {
	t      *testing.T
	stderr string // file of its own log
	*exec.Cmd
}

// start runs a service in the background.
func start(t *testing.T, service string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t, filepath.Join(t.TempDir(), service+".log"), exec.CommandContext(t.Context(), binary(service), args...)}
	stderr, err := os.Create(d.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	d.Stderr = stderr
	d.Cancel = func() error { return d.Process.Signal(os.Interrupt) }
	d.WaitDelay = 20 * time.Second
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Wait() })
	return d
}

func (d *daemon) log() string {
	d.t.Helper()
	content, err := os.ReadFile(d.stderr)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(content)
}

// says waits until one line of its log holds all words.
func (d *daemon) says(words ...string) {
	d.t.Helper()
	defer func() {
		if d.t.Failed() {
			d.t.Log(d.log())
		}
	}()
	await(d.t, d.Path+" says "+strings.Join(words, ", "), func() bool {
		for line := range strings.Lines(d.log()) {
			if holdsAll(line, words) {
				return true
			}
		}
		return false
	})
}

func holdsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// await waits for something that must come within seconds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !done() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// finish runs a service to its end, and returns its code and its own log.
func finish(t *testing.T, service string, args ...string) (code int, log string) {
	t.Helper()
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), binary(service), args...)
	c.Stderr = &stderr
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stderr.String()
}

// freeUDP returns a loopback address that no reflector listens on.
func freeUDP(t *testing.T) string {
	t.Helper()
	l, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.LocalAddr().String()
}
