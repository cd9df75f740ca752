package page

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// listen asks for news over a connection, and returns its lines.
func listen(t *testing.T, url string) (lines <-chan string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r) //nolint:bodyclose // by the reader below
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", answer.Status, answer.Header)
	}
	ch := make(chan string, 100)
	go func() {
		defer answer.Body.Close()
		defer close(ch)
		for s := bufio.NewScanner(answer.Body); s.Scan(); {
			ch <- s.Text()
		}
	}()
	return ch, cancel
}

// hears waits for a line.
func hears(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				t.Fatalf("ended before %q", want)
			}
			if l == want {
				return
			}
		case <-deadline:
			t.Fatalf("no %q", want)
		}
	}
}

// until waits for a condition.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestNewsReachTheBrowser(t *testing.T) {
	s := fleet(time.Now())
	p := testPage(s)
	server := httptest.NewServer(p.handler())
	defer server.Close()
	lines, leave := listen(t, server.URL+"/live/paths")
	hears(t, lines, "retry: 3000")
	until(t, func() bool { return s.tell() > 0 }) // it listens
	hears(t, lines, "data: new")
	leave()
	until(t, func() bool { return s.tell() == 0 && testutil.ToFloat64(p.metrics.streams) == 0 }) // it is gone
}

func TestStreamsEndWithThePage(t *testing.T) {
	p := testPage(fleet(time.Now()))
	server := httptest.NewServer(p.handler())
	defer server.Close()
	lines, leave := listen(t, server.URL+"/live/lines")
	defer leave()
	hears(t, lines, "retry: 3000")
	p.end()
	for range lines { // ends
	}
}

func TestStreamsAreBounded(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for range maxStreams {
		p.streams <- struct{}{}
	}
	p.end() // or a stream that is let in would not end
	w := get(p, "/live/paths", func(r *http.Request) { r.Header.Del("Accept") })
	shows(t, w, http.StatusServiceUnavailable, "Too many")
	if w.Header().Get("Retry-After") == "" || testutil.ToFloat64(p.metrics.refused.WithLabelValues(string(refusedStreams))) != 1 {
		t.Error("neither counted nor told when to come again")
	}
	<-p.streams
	w = get(p, "/live/paths", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
	shows(t, w, http.StatusForbidden)
	if len(p.streams) != maxStreams-1 {
		t.Error("a stranger's page took a place")
	}
}

func TestServe(t *testing.T) {
	o := testPage(fleet(time.Now())).Options
	o.Metrics = prometheus.NewRegistry()
	p, err := Listen("127.0.0.1:0", o, testPage(&fakeStore{}).log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx) }()
	lines, leave := listen(t, p.URL()+"live/paths")
	defer leave()
	hears(t, lines, "retry: 3000")
	answer, err := http.Get(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := Listen("192.0.2.1:1", o, p.log); err == nil || !strings.Contains(err.Error(), "choose another with -page") {
		t.Errorf("an address that is not ours: %v", err)
	}
}
