package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// A report goes through the stream and the files into the history; once, also
// when the logger starts again, and when the history is removed in between.
func TestReportsGoIntoTheHistory(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	start := time.Now().Add(-time.Minute)
	for round := range 3 {
		i := launch(t, "-data", data, "-nats-embedded", filepath.Join(dir, "store"), "-nats-url", "nats://127.0.0.1:0", "-admin", "127.0.0.1:0", "-page", "127.0.0.1:0")
		admin := i.logged("admin http is listening")
		client := open(t, "nats://"+i.logged("nats server is running"))
		if round == 0 {
			client.Emit(time.Now(), &events.RTT{
				Target: events.Target{Name: "core", Address: netip.MustParseAddrPort("192.0.2.1:862")},
				Report: events.Report{Kind: events.ReportInterval, Start: start, End: start.Add(10 * time.Second)}, Sent: 10, Lost: 10,
			})
		}
		i.has(admin, history.MetricPaths+" 1\n")
		i.end(syscall.SIGTERM)
		i.exits(service.ExitOK)
		client.Close(0)
		if round == 1 {
			os.RemoveAll(filepath.Join(data, "history"))
		}
	}

	files, err := journal.Open(journal.Options{Dir: data}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	store, err := history.Open(filepath.Join(data, "history"), history.Options{Journal: files, Keep: time.Hour, Metrics: prometheus.NewRegistry()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	paths := store.Paths()
	if len(paths) != 1 || paths[0].Prober != "r1" || paths[0].Target != "core" || paths[0].Address != "192.0.2.1:862" {
		t.Fatalf("paths %+v", paths)
	}
	series, err := store.Series(paths[0].ID, start.Add(-time.Minute), start.Add(time.Minute), 100)
	if err != nil {
		t.Fatal(err)
	}
	lost := uint64(0)
	for _, p := range series.Points {
		lost += p.Lost
	}
	if lost != 10 {
		t.Errorf("%d packets lost in %v, want 10", lost, series.Points)
	}
}

// has waits until the metrics have a text.
func (i *instance) has(admin, text string) {
	i.Helper()
	ctx, cancel := context.WithTimeout(i.Context(), deadline)
	defer cancel()
	for ; ; time.Sleep(20 * time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", http.NoBody)
		if err != nil {
			i.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			i.Fatalf("waited in vain for %q: %v", text, err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if strings.Contains(string(body), text) {
			return
		}
	}
}

// Without a page nobody asks for it.
func TestNoHistoryWithoutPage(t *testing.T) {
	data := t.TempDir()
	i := launch(t, "-data", data, "-nats-url", "nats://127.0.0.1:1")
	i.line(i.stderr, "cannot take events from the stream")
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
	if _, err := os.Stat(filepath.Join(data, "history")); err == nil {
		t.Error("there is a folder for it")
	}
}
