package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// What is on the bus is what was printed, between the session's beginning and
// its end.
func TestEvents(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	nats, r := bustest.NewServer(t), respond(t, "::1")
	conn := connect(ctx, t, nats)
	exit, stdout, stderr := once(t, nil, "-json", "-count", "4", "-interval", "1ms", "-name", "p1", "-nats-url", nats.URL(), r.at.String())
	if exit != service.ExitOK {
		t.Fatalf("exit %d, stderr %s", exit, stderr)
	}
	var kinds []string
	for _, d := range take(ctx, t, conn, 3) {
		e, err := events.Decode(d.Body)
		if err != nil || e.Source != "/prober/p1" {
			t.Fatalf("the event is %+v (%v)", e, err)
		}
		if d.Subject == events.RTTSubject("p1", r.at.String(), r.at) {
			if kinds = append(kinds, "rtt"); string(e.Data)+"\n" != stdout {
				t.Errorf("the event holds\n%s\nand stdout\n%s", e.Data, stdout)
			}
			continue
		}
		log, err := e.Log()
		if err != nil || d.Subject != events.LogSubject("p1") || log.Service != "prober" {
			t.Fatalf("%s: %+v (%v)", d.Subject, log, err)
		}
		for _, record := range log.Records {
			if kinds = append(kinds, string(record.Kind)); record.Peer != r.at || record.SSID == 0 {
				t.Errorf("the record is %+v", record)
			}
		}
	}
	if want := []string{"session_opened", "rtt", "session_ended"}; !slices.Equal(kinds, want) {
		t.Errorf("on the stream there are %v, want %v", kinds, want)
	}
}

// When NATS is away, it measures, prints, and says what it could not deliver.
func TestNATSIsAway(t *testing.T) {
	t.Parallel()
	r := respond(t, "::1")
	exit, stdout, stderr := once(t, nil, "-json", "-count", "2", "-interval", "1ms", "-nats-url", "nats://127.0.0.1:1", r.at.String())
	if exit != service.ExitUndelivered || !strings.Contains(stderr, "events were lost") {
		t.Errorf("exit %d, stderr %s", exit, stderr)
	}
	if e := reports(t, stdout)[0]; e.Received != 2 {
		t.Errorf("%d received", e.Received)
	}
}

func TestLogFile(t *testing.T) {
	t.Parallel()
	r, file := respond(t, "::1"), filepath.Join(t.TempDir(), "test.log")
	if exit, _, stderr := once(t, nil, "-log-file", file, "-name", "p1", "-count", "2", "-interval", "1ms", r.at.String()); exit != service.ExitOK {
		t.Fatalf("exit %d, stderr %s", exit, stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const when = `\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `
	want := regexp.MustCompile(`^` + when + `Session opened with \[::1\]
` + when + `Round-trip time: [0-9.]+(ns|µs|ms) \(p50 of 2 received, 2 sent, ` + regexp.QuoteMeta(r.at.String()) + `, from p1\)
` + when + `Client logged round-trip time: [0-9.]+(ns|µs|ms)
` + when + `Session with \[::1\] ended: test complete \(2 packets\)
$`)
	if !want.Match(b) {
		t.Errorf("the log file holds\n%s", b)
	}
	if exit, _, stderr := once(t, nil, "-log-file", t.TempDir(), r.at.String()); exit != service.ExitInternal || !strings.Contains(stderr, "cannot open the log file") {
		t.Errorf("a folder as log file: exit %d, stderr %s", exit, stderr)
	}
}
