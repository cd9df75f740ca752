package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/folder"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/service"
)

func TestEndToEndWithServerInside(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	args := []string{
		"-name", "l1", "-data", data, "-nats-embedded", filepath.Join(dir, "store"), "-nats-url", "nats://127.0.0.1:0",
		"-admin", "127.0.0.1:0",
	}
	for round := range 2 {
		i := launch(t, args...)
		admin := i.logged("admin http is listening")
		client := open(t, "nats://"+i.logged("nats server is running"))
		i.line(i.stderr, "taking events")
		if left := publish(client, fmt.Sprint("round ", round), deadline); left > 0 {
			t.Fatalf("%d events not published", left)
		}
		line := i.line(i.stdout, "Received")
		if want := fmt.Sprintf(`Received test packet from [2001:db8::1]: "round %d"`, round); !strings.HasSuffix(line, want) {
			t.Errorf("line %q, want %q", line, want)
		}
		if code := run(t.Context(), []string{"healthcheck", "-admin", admin}, nil, io.Discard, io.Discard); code != 0 {
			t.Errorf("healthcheck: exit code %d", code)
		}
		i.end(syscall.SIGTERM)
		i.exits(service.ExitOK)
		client.Close(0)
		if got := records(t, data); len(got) != round+1 {
			t.Errorf("%d records after %d rounds", len(got), round+1)
		}
	}
}

func TestServerInsideWithUsers(t *testing.T) {
	dir := t.TempDir()
	auth := filepath.Join(dir, "auth.conf")
	users := `authorization { users = [ { user = r1, password = secret, permissions = {
		publish = "twamp.v1.log.r1", subscribe = "_INBOX_r1.>" } } ] }`
	if err := os.WriteFile(auth, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	i := launch(t, "-data", filepath.Join(dir, "data"), "-nats-embedded", filepath.Join(dir, "store"),
		"-nats-url", "nats://0.0.0.0:0", "-nats-auth-file", auth)
	_, port, err := net.SplitHostPort(i.logged("nats server is running"))
	if err != nil {
		t.Fatal(err)
	}
	i.line(i.stderr, "taking events")
	stranger := open(t, "nats://127.0.0.1:"+port)
	if left := publish(stranger, "from a stranger", 200*time.Millisecond); left != 1 {
		t.Error("published without a password")
	}
	if left := publish(open(t, "nats://r1:secret@127.0.0.1:"+port), "from a user", deadline); left != 0 {
		t.Error("cannot publish with the password")
	}
	i.line(i.stdout, `"from a user"`)
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
}

func TestInit(t *testing.T) {
	server := bustest.NewServer(t)
	args := []string{"-init", "-nats-url", server.URL(), "-consumer", "c1", "-stream-max-age", "1h"}
	for range 2 {
		i := launch(t, args...)
		i.line(i.stdout, "Stream TWAMP and consumer c1 are there.")
		i.exits(service.ExitOK)
	}
	i := launch(t, append(args, "-stream-max-age", "2h")...)
	i.line(i.stderr, "max_age is 1h0m0s, asked for is 2h0m0s")
	i.exits(service.ExitUsage)
	if _, err := os.Stat("data"); err == nil {
		t.Error("-init made the folder of the event files")
	}
}

func TestInitWaitsForTheServer(t *testing.T) {
	server := bustest.NewServer(t)
	server.Stop()
	i := launch(t, "-init", "-nats-url", server.URL())
	i.line(i.stderr, "cannot connect to nats")
	server.Restart()
	i.exits(service.ExitOK)
}

func TestInitCutShort(t *testing.T) {
	i := launch(t, "-init", "-nats-url", "nats://127.0.0.1:1")
	i.line(i.stderr, "cannot connect to nats")
	i.end(syscall.SIGTERM)
	i.exits(service.SignalExit(syscall.SIGTERM))
}

func TestEndsWithoutNATS(t *testing.T) {
	i := launch(t, "-data", t.TempDir(), "-nats-url", "nats://127.0.0.1:1")
	i.line(i.stderr, "cannot take events from the stream")
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
}

func TestStreamThatDiffersEndsIt(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-data", filepath.Join(dir, "data"), "-nats-embedded", filepath.Join(dir, "store"), "-nats-url", "nats://127.0.0.1:0"}
	i := launch(t, args...)
	i.line(i.stderr, "taking events")
	i.end(syscall.SIGINT)
	i.exits(service.ExitOK)
	i = launch(t, append(args, "-stream-max-bytes", "2GiB")...)
	i.line(i.stderr, "max_bytes")
	i.exits(service.ExitUsage)
}

func TestWhatIsTakenIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	i := launch(t, "-data", t.TempDir(), "-nats-embedded", t.TempDir(), "-nats-url", "nats://"+l.Addr().String())
	i.line(i.stderr, "is in use")
	i.exits(service.ExitInternal)

	data := t.TempDir()
	release, err := folder.Claim(data)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	i = launch(t, "-data", data, "-nats-url", "nats://127.0.0.1:1")
	i.line(i.stderr, "in use by another process")
	i.exits(service.ExitInternal)
}

func TestAuthFileThatCannotBeUsed(t *testing.T) {
	i := launch(t, "-data", t.TempDir(), "-nats-embedded", t.TempDir(), "-nats-url", "nats://127.0.0.1:0", "-nats-auth-file", "absent")
	i.line(i.stderr, "authorization file")
	i.exits(service.ExitUsage)
}

func TestBadSettingsAreReportedAtOnce(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string // flags that are complained of
	}{
		{nil, []string{"nats-url"}},
		{
			[]string{
				"-name", "a b", "-data", "", "-rotate-size", "x", "-rotate-age", "-1s", "-compress-age", "-1s", "-retain-age", "-1s", "-consumer", "a.b",
				"-filter", "twamp.v1.>,other.>", "-stream-replicas", "6", "-stream-max-age", "1ms", "-stream-storage", "tape", "-nats-auth-file", "f",
			},
			[]string{"name", "data", "rotate-size", "rotate-age", "compress-age", "retain-age", "consumer", "filter", "stream-replicas", "stream-max-age", "stream-storage", "nats-url", "nats-auth-file"},
		},
		{[]string{"-nats-url", "nats://a", "-retain-size", "1MiB", "-history", "59m"}, []string{"retain-size", "history"}},
		{[]string{"-nats-url", "nats://a", "-history", "30000h"}, []string{"history"}},
		{
			[]string{"-nats-embedded", "x", "-data", "x/", "-init", "-nats-url", "nats://0.0.0.0:4222", "-nats-creds", "c", "-stream-replicas", "3"},
			[]string{"init", "nats-embedded", "nats-url", "stream-replicas"},
		},
		{[]string{"-nats-embedded", "x", "-nats-url", "nats://nats.example:4222"}, []string{"nats-url"}},
		{[]string{"-nats-url", "nats://a", "-page-token-file", "t", "-page-trusted-proxy", "192.0.2.0/24"}, []string{"page-token-file", "page-trusted-proxy"}},
		{[]string{"-nats-url", "nats://a", "-page", "0.0.0.0:8620"}, []string{"must be a loopback address such as 127.0.0.1:8620"}},
		{[]string{"-nats-url", "nats://a", "-page", ":8620"}, []string{"must be a loopback address such as 127.0.0.1:8620"}},
		{[]string{"-nats-url", "nats://a", "-page", "127.0.0.1"}, []string{"an address and a port"}},
		{[]string{"-nats-url", "nats://a", "-page", "127.0.0.1:8620", "-history", "0"}, []string{"history"}},
		{[]string{"-nats-embedded", "x", "extra"}, []string{"takes no arguments"}},
	} {
		var stderr strings.Builder
		code := run(t.Context(), c.args, nil, io.Discard, &stderr)
		if code != service.ExitUsage {
			t.Errorf("%q: exit code %d", c.args, code)
		}
		for _, w := range c.want {
			if !strings.Contains(stderr.String(), w) {
				t.Errorf("%q: nothing of %s in\n%s", c.args, w, stderr.String())
			}
		}
	}
}

func TestFilters(t *testing.T) {
	for _, good := range []string{"twamp.v1.>", "twamp.v1.rtt.>", "twamp.v1.rtt.*.*.x", "twamp.v1.log.r1"} {
		if !isFilter(good) {
			t.Errorf("%q refused", good)
		}
	}
	for _, bad := range []string{"", "twamp.v1", "twamp.v1.", "twamp.>", "twamp.v1..x", "twamp.v1.>.x", "twamp.v1.a b", "twamp.v1.r*", "other.v1.x"} {
		if isFilter(bad) {
			t.Errorf("%q taken", bad)
		}
	}
}

func TestHelpHasEverySetting(t *testing.T) {
	var stdout strings.Builder
	if code := run(t.Context(), []string{"-h"}, nil, &stdout, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, f := range []string{
		"name", "nats-url", "nats-creds", "nats-nkey", "nats-ca", "nats-cert", "nats-key", "outbox", "outbox-size", "log-file", "log-format",
		"log-level", "admin", "nats-embedded", "nats-auth-file", "init", "consumer", "filter", "data", "rotate-size", "rotate-age", "compress-age", "retain-size",
		"retain-age", "stream-replicas", "stream-storage", "stream-max-age", "stream-max-bytes",
		"page", "page-token-file", "page-trusted-proxy",
	} {
		if !slices.ContainsFunc(strings.Fields(stdout.String()), func(w string) bool { return strings.Trim(w, ",") == "-"+f }) {
			t.Errorf("nothing of -%s in -h", f)
		}
	}
}
