package history_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/page"
	"tinytwamp/services/logger/internal/tail"
)

// The page over HTTP with 500 paths and a month of one-minute reports: the time
// until the first octet of an answer, and until its last.
func BenchmarkPageOfAMonth(b *testing.B) {
	store := history.Month(b, 500)
	p, err := page.Listen("127.0.0.1:0", page.Options{
		Name: "bench", Store: store, Tail: tail.New(), Zone: time.UTC, Metrics: prometheus.NewRegistry(),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
	}()
	all := store.Paths()
	for name, of := range map[string]func(id string) string{
		"fleet":         func(string) string { return "" },
		"path of 1h":    func(id string) string { return "path/" + id + "?range=1h" },
		"path of 30d":   func(id string) string { return "path/" + id + "?range=30d" },
		"JSON of 30d":   func(id string) string { return "api/path/" + id + ".json?range=30d&points=2000" },
		"JSON of fleet": func(string) string { return "api/paths.json" },
	} {
		b.Run(name, func(b *testing.B) {
			var first time.Duration
			var octets int64
			for i := 0; b.Loop(); i++ {
				f, n := visit(b, p.URL()+of(all[i%len(all)].ID))
				first, octets = first+f, octets+n
			}
			b.ReportMetric(float64(first)/float64(b.N)/1e6, "first-ms/op")
			b.ReportMetric(float64(octets)/float64(b.N), "octets/op")
		})
	}
	runtime.GC()
	b.Logf("resident %s after all this, with the generator", resident(b))
}

// visit asks for a page, and says how long its first octet took.
func visit(b *testing.B, url string) (first time.Duration, octets int64) {
	b.Helper()
	begun := time.Now()
	trace := &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Since(begun) }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(b.Context(), trace), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	octets, err = io.Copy(io.Discard, answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return first, octets
}

// resident is the memory of this process, where the system tells.
func resident(b *testing.B) string {
	b.Helper()
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
