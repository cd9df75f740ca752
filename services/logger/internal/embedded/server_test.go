package embedded_test

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tinytwamp/services/logger/internal/embedded"
	"tinytwamp/services/logger/internal/folder"
)

var quiet = slog.New(slog.DiscardHandler)

func options(t *testing.T) embedded.Options {
	return embedded.Options{
		Name:   "test",
		Store:  filepath.Join(t.TempDir(), "store"),
		Listen: netip.MustParseAddrPort("127.0.0.1:0"),
	}
}

func start(t *testing.T, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(o, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return s
}

func authFile(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "auth.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		embedded.DefaultURL:                 "127.0.0.1:4222",
		"nats://localhost":                  "127.0.0.1:4222",
		"nats://[::1]:5000":                 "[::1]:5000",
		"nats://0.0.0.0:0":                  "0.0.0.0:0",
		"nats://nats.example:4222":          "",
		"nats://a:b@127.0.0.1":              "",
		"tls://127.0.0.1:4222":              "",
		"nats://127.0.0.1:70000":            "",
		"nats://127.0.0.1,nats://127.0.0.2": "",
		"":                                  "",
	} {
		got, err := embedded.ParseURL(text)
		if want == "" {
			if err == nil {
				t.Errorf("%q: no error, %v", text, got)
			}
		} else if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %s", text, got, err, want)
		}
	}
}

func TestStartAgainOnTheSameStore(t *testing.T) {
	o := options(t)
	s := start(t, o)
	if _, err := embedded.Start(o, quiet); !errors.Is(err, folder.ErrTaken) {
		t.Errorf("second server on a store: %v, want ErrTaken", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	start(t, o)
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options(t)
	o.Listen = netip.MustParseAddrPort(l.Addr().String())
	if _, err := embedded.Start(o, quiet); err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "-nats-url") {
		t.Errorf("error %v", err)
	}
}

func TestBeyondLoopbackOnlyWithAuthorization(t *testing.T) {
	o := options(t)
	o.Listen = netip.MustParseAddrPort("0.0.0.0:0")
	if _, err := embedded.Start(o, quiet); err == nil {
		t.Error("an open server beyond loopback")
	}
}

func TestAuthFileThatCannotBeUsed(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                     ``,
		"no users":                  `authorization { timeout = 1 }`,
		"token":                     `authorization { token = "secret" }`,
		"open to all":               "authorization { users = [ { user = a, password = b } ] }\nno_auth_user = a",
		"other listeners":           "authorization { users = [ { user = a, password = b } ] }\nhttp = 8222",
		"not a file of nats-server": "a b\nc d",
		"our own name":              `authorization { users = [ { user = _embedded_logger, password = b } ] }`,
	} {
		o := options(t)
		o.AuthFile = authFile(t, text)
		if _, err := embedded.Start(o, quiet); !errors.Is(err, embedded.ErrAuthFile) {
			t.Errorf("%s: error %v, want ErrAuthFile", name, err)
		}
	}
	o := options(t)
	o.AuthFile = authFile(t, `authorization { user = a, password = b }`)
	if err := os.Chmod(o.AuthFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.Start(o, quiet); !errors.Is(err, embedded.ErrAuthFile) {
		t.Errorf("readable by all: error %v, want ErrAuthFile", err)
	}
}
