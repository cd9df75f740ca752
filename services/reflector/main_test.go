package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// From the start over a test and its result to SIGTERM: what a person reads,
// what the admin HTTP says, and what arrives on the bus.
//
// RFC 8762 4.1-5
func TestWholeLife(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	nats := bustest.NewServer(t)
	conn := connect(ctx, t, nats)
	at, admin := freeUDP(t), freeTCP(t)
	i := launch(t, "-listen", at.String(), "-nats-url", nats.URL(), "-name", "r1", "-admin", admin)
	i.line(i.stderr, "listening")

	self, reply := exchange(t, at, 0x1234, "TWAMP test message")
	if reply.SSID != 0x1234 || reply.SenderSequence != 3 || reply.Sequence != 0 {
		t.Errorf("the reply is %+v", reply)
	}
	i.line(i.stdout, "Session opened with [::1]")
	i.line(i.stdout, `Received test packet from [::1]: "TWAMP test message"`)
	i.line(i.stdout, "Sent response to [::1]")
	stop := publishResults(t, nats, at, self)
	i.line(i.stdout, "Test result for client [::1]: Round-trip time received: Round-trip time: 20ms")
	stop()

	for ready := false; !ready; {
		exit, _, said := once(t, nil, "healthcheck", "-admin", admin)
		if ready = exit == service.ExitOK; !ready && (exit != service.ExitThreshold || ctx.Err() != nil) {
			t.Fatalf("the health check exits with %d: %s", exit, said)
		}
	}
	for _, want := range []string{
		"twamp_reflector_sessions 1", `twamp_reflector_packets_dropped_total{reason="loop"} 0`, "twamp_reflector_replies_sent_total",
	} {
		if body := get(t, "http://"+admin+"/metrics"); !strings.Contains(body, want) {
			t.Errorf("the metrics lack %q:\n%s", want, body)
		}
	}

	i.terminate(service.ExitOK)
	i.line(i.stdout, "Session with [::1] ended: reflector stopped (1 packet)")
	want := []events.RecordKind{events.SessionOpened, events.PacketReceived, events.ResponseSent, events.ResultReceived, events.SessionEnded}
	if got := slices.Compact(kinds(ctx, t, conn)); !slices.Equal(got, want) {
		t.Errorf("on the bus there are %v, want %v", got, want)
	}
}

// Without a bus nothing is missing but the events; readable lines go where
// they are told to.
func TestWithoutNATS(t *testing.T) {
	t.Parallel()
	at, file := freeUDP(t), filepath.Join(t.TempDir(), "test.log")
	i := launch(t, "-listen", at.String(), "-log-file", file, "-stateless")
	i.line(i.stderr, "listening")
	if _, reply := exchange(t, at, 1, "hello"); reply.Sequence != 3 {
		t.Errorf("a stateless reply has sequence %d, want the sender's", reply.Sequence)
	}
	i.terminate(service.ExitOK)
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), `Received test packet from [::1]: "hello"`) {
		t.Errorf("the log file holds %q (%v)", b, err)
	}
	for l := range i.stdout {
		t.Errorf("stdout: %s", l)
	}
	for l := range i.stderr {
		if strings.Contains(l, "nats") || strings.Contains(l, "WARN") || strings.Contains(l, "ERROR") {
			t.Errorf("stderr: %s", l)
		}
	}
}

// It goes on reflecting when NATS is away, and says at the end what it could
// not deliver.
func TestNATSIsAway(t *testing.T) {
	t.Parallel()
	at := freeUDP(t)
	i := launch(t, "-listen", at.String(), "-nats-url", "nats://127.0.0.1:1")
	i.line(i.stderr, "listening")
	exchange(t, at, 1, "hello")
	i.line(i.stdout, "Sent response to [::1]")
	i.terminate(service.ExitOK)
	for l := range i.stderr {
		if strings.Contains(l, "events could not be delivered, lost: ") {
			return
		}
	}
	t.Error("nothing is said of the events that were lost")
}

func TestAddressesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	taken, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		taken.LocalAddr().String(): "another process holds it; stop that process or choose another port",
		"203.0.113.9:862":          "no interface of this host has it; choose an address of this host or a wildcard",
	} {
		exit, stdout, stderr := once(t, nil, "-listen", address)
		if exit != service.ExitInternal || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, address) {
			t.Errorf("%s: exit %d, stderr %s", address, exit, stderr)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if exit, _, stderr := once(t, nil, "-listen", "[::1]:0", "-admin", l.Addr().String()); exit != service.ExitInternal || !strings.Contains(stderr, "choose another with -admin") {
		t.Errorf("admin address in use: exit %d, stderr %s", exit, stderr)
	}
}

func TestHealthcheckOfNobody(t *testing.T) {
	t.Parallel()
	if exit, _, stderr := once(t, nil, "healthcheck", "-admin", freeTCP(t)); exit != service.ExitThreshold || !strings.Contains(stderr, "not ready") {
		t.Errorf("exit %d, stderr %q", exit, stderr)
	}
}

func TestBadSettingsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	exit, stdout, stderr := once(
		t, []string{"TWAMP_LOG_PACKETS=some", "TWAMP_WORKERS=0", "TWAMP_NAME=a b"},
		"-listen", "localhost", "-allow", "192.0.2.1", "-session-table", "0", "-sessions", "1@::1",
		"-rate-limit", "-1", "-rate-limit-total", "10000001", "-control-listen", "localhost", "-control-modes", "open", "-test-ports", "0", "-passphrase-file", "/nowhere", "-servwait", "0s", "-refwait", "25h", "-stop-grace", "-1s", "-control-connections", "0", "-test-sessions-per-key", "9000", "-nats-url", "nowhere",
		"-keys-file", secretFile(t, "* 5c5c"), "-replay-window", "16m", "-cos-allow", "0,64", "-allow-unauthenticated", "x",
	)
	if exit != service.ExitUsage || stdout != "" {
		t.Errorf("exit %d, stdout %q", exit, stdout)
	}
	for _, v := range []string{"LISTEN", "ALLOW", "SESSION_TABLE", "SESSIONS", "RATE_LIMIT", "RATE_LIMIT_TOTAL", "CONTROL_LISTEN", "LOG_PACKETS", "WORKERS", "NAME", "NATS_URL", "CONTROL_MODES", "TEST_PORTS", "PASSPHRASE_FILE", "SERVWAIT", "REFWAIT", "STOP_GRACE", "CONTROL_CONNECTIONS", "TEST_SESSIONS_PER_KEY", "KEYS_FILE", "REPLAY_WINDOW", "COS_ALLOW", "ALLOW_UNAUTHENTICATED"} {
		flag := strings.ToLower(strings.ReplaceAll(v, "_", "-"))
		if want := fmt.Sprintf("TWAMP_%s (-%s) must ", v, flag); !strings.Contains(stderr, want) {
			t.Errorf("no line with %q in\n%s", want, stderr)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	exit, stdout, stderr := once(t, nil, "-h")
	if exit != service.ExitOK || stderr != "" {
		t.Errorf("-h: exit %d, stderr %q", exit, stderr)
	}
	for _, want := range []string{"-listen ADDRESSES", "TWAMP_LISTEN", "[::]:862,0.0.0.0:862", "-nats-url", "-admin", "healthcheck", "-log-packets"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("-h lacks %q", want)
		}
	}
	if exit, stdout, _ := once(t, nil, "-version"); exit != service.ExitOK || !strings.HasPrefix(stdout, "reflector ") {
		t.Errorf("-version: exit %d, stdout %q", exit, stdout)
	}
}
