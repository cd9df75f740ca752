package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/export"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// call runs the program to its end.
func call(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	code = run(t.Context(), args, environ, &out, &err)
	return code, out.String(), err.String()
}

func TestExportBesideARunningLogger(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	i := launch(t, "-data", data, "-nats-embedded", t.TempDir(), "-nats-url", "nats://127.0.0.1:0")
	client := open(t, "nats://"+i.logged("nats server is running"))
	i.line(i.stderr, "taking events")
	for n := range 3 {
		if left := publish(client, fmt.Sprint("message ", n), deadline); left > 0 {
			t.Fatal("not published")
		}
		i.line(i.stdout, "Received")
	}
	code, out, err := call(t, []string{"TWAMP_DATA=" + data}, "export", "-type", "log", "-prober", "r1")
	if code != service.ExitOK || err != "" || strings.Count(out, "\n") != 3 {
		t.Errorf("exit code %d, %q, %s", code, err, out)
	}
	for line := range strings.Lines(out) {
		if e, err := events.Decode([]byte(line)); err != nil || e.Type != events.TypeLog {
			t.Errorf("%v: %s", err, line)
		}
	}
	code, out, _ = call(t, nil, "export", "-data", data, "-format", "csv")
	if rows, err := csv.NewReader(strings.NewReader(out)).ReadAll(); code != service.ExitOK || err != nil || len(rows) != 1 {
		t.Errorf("exit code %d, %v, %v: want the header alone", code, rows, err)
	}
	i.end(syscall.SIGTERM)
	i.exits(service.ExitOK)
}

func TestExportFlags(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 29, 14, 0, 0, 0, time.UTC)
	o, err := parseExport([]string{"-data", dir, "-from", "90m", "-to", "2026-03-29T15:00:00+01:00", "-type", "rtt", "-target", "a"}, nil, now)
	if err != nil || !o.query.From.Equal(now.Add(-90*time.Minute)) || !o.query.To.Equal(now) || len(o.query.Types) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, c := range []struct{ args, want string }{
		{"-from yesterday", "-from must be"},
		{"-to 2026-13-01", "-to must be"},
		{"-from 1h -to 2h", "-from must be before -to"},
		{"-type rtt,x", "-type must be"},
		{"-format xml", "-format must be"},
		{"-format csv -type log", "reports only"},
		{"-target a -type rtt,log", "reports only"},
		{"-nonsense", "nonsense"},
		{"extra", "takes flags only"},
		{"-data " + dir + "/absent", "-data must be"},
	} {
		code, out, stderr := call(t, nil, append([]string{"export", "-data", dir}, strings.Fields(c.args)...)...)
		if code != service.ExitUsage || out != "" || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "logger export -h") {
			t.Errorf("%s: exit code %d, %q, %q", c.args, code, out, stderr)
		}
	}
}

func TestExportHelpHasFlagsAndColumns(t *testing.T) {
	code, out, _ := call(t, nil, "export", "-h")
	if code != service.ExitOK {
		t.Errorf("exit code %d", code)
	}
	for _, c := range export.Columns {
		if !strings.Contains(out, "\n  "+c.Name+" ") {
			t.Errorf("nothing of column %s", c.Name)
		}
	}
	for _, f := range []string{"data", "from", "to", "type", "prober", "target", "format"} {
		if !strings.Contains(out, "\n  -"+f+" ") {
			t.Errorf("nothing of -%s", f)
		}
	}
	if _, help, _ := call(t, nil, "-h"); !strings.Contains(help, "logger export") {
		t.Error("logger -h says nothing of it")
	}
}

func TestExportThatIsNotWhole(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "20260329T140901.000Z-00000000000000000001.ndjson.zst")
	if err := os.WriteFile(file, []byte("no zstd"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := call(t, nil, "export", "-data", dir)
	if code != service.ExitInternal || !strings.Contains(stderr, file) {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
