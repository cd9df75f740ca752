package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

// ask gets a page, with a token if there is one.
func ask(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
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

// pageURL waits for the page.
func pageURL(i *instance) string {
	var l struct{ URL string }
	if err := json.Unmarshal([]byte(i.line(i.stderr, "page is served")), &l); err != nil {
		i.Fatal(err)
	}
	return l.URL
}

func TestPageShowsLinesAsTheyCome(t *testing.T) {
	dir := t.TempDir()
	i := launch(t, "-data", filepath.Join(dir, "data"), "-nats-embedded", filepath.Join(dir, "store"), "-nats-url", "nats://127.0.0.1:0", "-page", "127.0.0.1:0")
	nats := i.logged("nats server is running")
	page := pageURL(i)
	i.line(i.stderr, "taking events")
	if status, body := ask(t, page, ""); status != http.StatusOK || !strings.Contains(body, "No results yet.") {
		t.Errorf("%d %s", status, body)
	}
	publish(open(t, "nats://"+nats), `<b>"hello"</b>`, deadline)
	i.line(i.stdout, "hello")
	const want = `Received test packet from [2001:db8::1]: &#34;&lt;b&gt;\&#34;hello\&#34;&lt;/b&gt;&#34;`
	for end := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) { // the line is printed first
		_, body := ask(t, page+"events?kind=packet_received&service=reflector&text=hello", "")
		if strings.Contains(body, want) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no %q in\n%s", want, body)
		}
	}
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
}

func TestPageBeyondLoopbackWantsItsToken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	args := []string{"-data", filepath.Join(dir, "data"), "-nats-url", "nats://127.0.0.1:1", "-page", "0.0.0.0:0", "-page-token-file", file}
	i := launch(t, args...)
	i.line(i.stderr, "page token")
	i.exits(service.ExitUsage)

	const token = "a-token-that-is-long-enough"
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	i = launch(t, args...)
	page := pageURL(i)
	if status, body := ask(t, page, ""); status != http.StatusUnauthorized || strings.Contains(body, "Paths") {
		t.Errorf("without a token: %d %s", status, body)
	}
	if status, _ := ask(t, page, token); status != http.StatusOK {
		t.Errorf("with the token: %d", status)
	}
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
}
