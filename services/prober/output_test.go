package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tinytwamp/shared/bus"
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
	if exit != service.ExitUndelivered || !strings.Contains(stderr, "lost: 3") { // two records and the report
		t.Errorf("exit %d, stderr %s", exit, stderr)
	}
	if e := reports(t, stdout)[0]; e.Received != 2 {
		t.Errorf("%d received", e.Received)
	}
}

// What a run could not deliver the next one with the same outbox does, under
// whichever name. Meanwhile the outbox is nobody else's.
func TestNextRunDelivers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	r, nats, dir := respond(t, "::1"), bustest.NewServer(t), filepath.Join(t.TempDir(), "outbox")
	conn := connect(ctx, t, nats)
	run := func(name, url string) (exit int, stderr string) {
		exit, _, stderr = once(t, nil, "-name", name, "-outbox", dir, "-nats-url", url, "-count", "2", "-interval", "1ms", r.at.String())
		return exit, stderr
	}
	if exit, stderr := run("one", "nats://127.0.0.1:1"); exit != service.ExitUndelivered || !strings.Contains(stderr, "kept in "+dir) || strings.Contains(stderr, "lost: ") {
		t.Errorf("exit %d, stderr %s", exit, stderr)
	}
	held, err := bus.Open(bus.Settings{URL: "nats://127.0.0.1:1", Outbox: dir, OutboxSize: 1 << 20}, "prober", "other", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if exit, stderr := run("two", nats.URL()); exit != service.ExitUsage || !strings.Contains(stderr, "in use by another process") {
		t.Errorf("with the outbox of another: exit %d, stderr %s", exit, stderr)
	}
	if kept, lost := held.Close(0); kept != 3 || lost != 0 {
		t.Errorf("%d kept, %d lost", kept, lost)
	}
	if exit, stderr := run("two", nats.URL()); exit != service.ExitOK {
		t.Errorf("exit %d, stderr %s", exit, stderr)
	}
	from := map[string]int{}
	for _, d := range take(ctx, t, conn, 6) {
		from[d.Subject]++
		if first := strings.Contains(d.Subject, ".one"); first != (d.Attempt > 1) {
			t.Errorf("%s is try %d", d.Subject, d.Attempt)
		}
	}
	if from["twamp.v1.log.one"] != 2 || from["twamp.v1.log.two"] != 2 || len(from) != 4 {
		t.Errorf("on the stream there are %v", from)
	}
	if exit, _, stderr := once(t, nil, "-outbox", dir, r.at.String()); exit != service.ExitUsage || !strings.Contains(stderr, "-outbox) must be empty without -nats-url") {
		t.Errorf("without NATS: exit %d, stderr %s", exit, stderr)
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
