package service_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/service"
)

// serveAdmin runs an admin HTTP on a free port until the test ends.
func serveAdmin(t *testing.T, s service.Settings, health *service.Health, metrics *prometheus.Registry) *service.Admin {
	t.Helper()
	s.Admin = "127.0.0.1:0"
	admin, err := service.ListenAdmin(s, health, metrics)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- admin.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if c, err := net.Dial("tcp", admin.Addr()); err == nil {
			c.Close()
			t.Error("listens after its end")
		}
	})
	return admin
}

func get(t *testing.T, admin *service.Admin, path string) (status int, body string) {
	t.Helper()
	answer, err := http.Get("http://" + admin.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func TestAdmin(t *testing.T) {
	health := service.NewHealth("loopback", "disk")
	metrics := prometheus.NewRegistry()
	packets := prometheus.NewCounter(prometheus.CounterOpts{Name: "twamp_packets_total", Help: "Packets."})
	metrics.MustRegister(packets)
	packets.Add(3)
	admin := serveAdmin(t, service.Settings{}, health, metrics)

	expect := func(path string, status int, body string) {
		t.Helper()
		if s, b := get(t, admin, path); s != status || !strings.Contains(b, body) {
			t.Errorf("%s: %d %q, want %d %q", path, s, b, status, body)
		}
	}
	expect("/livez", 200, "alive\n")
	expect("/readyz", 503, "not ready\ndisk: not checked yet\nloopback: not checked yet\n")
	health.Set("disk", nil)
	health.Set("loopback", errors.New("no answer within 1s"))
	expect("/readyz", 503, "not ready\nloopback: no answer within 1s\n")
	expect("/livez", 200, "alive\n")
	health.Set("loopback", nil)
	expect("/readyz", 200, "ready\n")
	beside := errors.New("no connection")
	health.Note("bus", func() error { return beside })
	expect("/readyz", 200, "ready\nbus: no connection\n")
	health.Set("late", errors.New("x"))
	expect("/readyz", 503, "not ready\nlate: x\nbus: no connection\n")
	beside = nil
	expect("/readyz", 503, "not ready\nlate: x\n")
	expect("/metrics", 200, "\ntwamp_packets_total 3\n")
	expect("/debug/pprof/", 404, "")
	expect("/", 404, "")
}

func TestAdminPprof(t *testing.T) {
	admin := serveAdmin(t, service.Settings{Pprof: true}, service.NewHealth(), prometheus.NewRegistry())
	if status, body := get(t, admin, "/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %q", status, body)
	}
}

func TestAdminOff(t *testing.T) {
	admin, err := service.ListenAdmin(service.Settings{}, service.NewHealth(), prometheus.NewRegistry())
	if err != nil || admin.Addr() != "" {
		t.Fatal(admin.Addr(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := admin.Serve(ctx); err != nil {
		t.Error(err)
	}
}

func TestAdminAddressInUse(t *testing.T) {
	admin := serveAdmin(t, service.Settings{}, service.NewHealth(), prometheus.NewRegistry())
	_, err := service.ListenAdmin(service.Settings{Admin: admin.Addr()}, service.NewHealth(), prometheus.NewRegistry())
	if err == nil || !strings.HasPrefix(err.Error(), "cannot listen on the admin address "+admin.Addr()+", choose another with -admin: ") {
		t.Errorf("got %v", err)
	}
}

func TestAdminEndsDespiteASlowClient(t *testing.T) {
	admin, err := service.ListenAdmin(service.Settings{Admin: "127.0.0.1:0"}, service.NewHealth(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	slow, err := net.Dial("tcp", admin.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET /livez HTTP/1.1\r\n")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- admin.Serve(ctx) }()
	if status, _ := get(t, admin, "/livez"); status != 200 { // Serve has taken the slow one, too
		t.Fatal(status)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("waits for a slow client")
	}
	slow.SetReadDeadline(time.Now().Add(5 * time.Second)) // before adminTimeout would close it
	if _, err := slow.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("leaves a connection open")
	}
}

func TestHealthcheck(t *testing.T) {
	health := service.NewHealth("loopback")
	admin := serveAdmin(t, service.Settings{}, health, prometheus.NewRegistry())
	_, port, err := net.SplitHostPort(admin.Addr())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(environ []string, args ...string) (exit int, output string) {
		var stdout, stderr strings.Builder
		_, exit, ok := program.Parse(new(config), append([]string{"healthcheck"}, args...), environ, &stdout, &stderr)
		if ok {
			t.Error("the program would go on")
		}
		return exit, stdout.String() + stderr.String()
	}
	expect := func(wantExit int, want string, environ []string, args ...string) {
		t.Helper()
		if exit, output := ask(environ, args...); exit != wantExit || !strings.Contains(output, want) {
			t.Errorf("healthcheck %q %q: exit %d, %q; want %d, %q", environ, args, exit, output, wantExit, want)
		}
	}
	address := []string{"TWAMP_ADMIN=" + admin.Addr(), "TWAMP_COUNT=bad"}
	expect(1, "demo: not ready: status 503: not ready\nloopback: not checked yet\n", address)
	health.Set("loopback", nil)
	expect(0, "ready\n", address)
	expect(0, "ready\n", nil, "-admin", ":"+port)
	expect(0, "ready\n", nil, "-admin", "0.0.0.0:"+port)
	expect(1, "demo: not ready: no answer: ", nil, "-admin", "127.0.0.1:1")
	expect(64, "TWAMP_ADMIN (-admin) must be the admin address of the instance to ask", nil)
	expect(64, "-nope: there is no such flag", address, "-nope")
}
