package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/service"
)

// targetsFile writes a targets file and returns its path.
func targetsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "targets.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func names(list []prober.Target) (names []string) {
	for _, t := range list {
		names = append(names, t.Name)
	}
	return names
}

// A target of the file has its own settings, else those of the command line.
func TestTargetsFile(t *testing.T) {
	t.Parallel()
	a, b := respond(t, "::1"), respond(t, "127.0.0.1")
	path := targetsFile(t, "targets:\n  - {name: b, address: "+b.at.String()+", count: 2, message: from b}\n")
	exit, stdout, stderr := once(t, nil, "-json", "-count", "3", "-interval", "2ms", "-targets-file", path, a.at.String())
	if exit != service.ExitOK {
		t.Fatalf("exit %d, stderr %s", exit, stderr)
	}
	sent := make(map[string]uint64)
	for _, e := range reports(t, stdout) {
		if sent[e.Target.Name] = e.Sent; e.Session.IntervalNs != 2_000_000 {
			t.Errorf("the interval of %s is %d ns", e.Target.Name, e.Session.IntervalNs)
		}
	}
	if len(sent) != 2 || sent[a.at.String()] != 3 || sent["b"] != 2 {
		t.Errorf("sent %v", sent)
	}
}

// load reads the file as it is now, and the command line's settings and targets
// stay what they were.
func TestLoadAgain(t *testing.T) {
	t.Parallel()
	path := targetsFile(t, "targets: [{address: c.example}]")
	var cfg Config
	var stderr strings.Builder
	if _, _, ok := program.Parse(&cfg, []string{"a.example", "-targets", "b.example", "-targets-file", path, "-interval", "3s"}, nil, &stderr, &stderr); !ok {
		t.Fatal(&stderr)
	}
	if want := []string{"a.example", "b.example", "c.example"}; !slices.Equal(names(cfg.found), want) {
		t.Errorf("found %q, want %q", names(cfg.found), want)
	}
	if err := os.WriteFile(path, []byte("defaults: {count: 7}\ntargets: [{address: d.example}, {address: e.example}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := cfg.load()
	if want := []string{"a.example", "b.example", "d.example", "e.example"}; err != nil || !slices.Equal(names(list), want) {
		t.Fatalf("loaded %q (%v), want %q", names(list), err, want)
	}
	if a, e := list[0].Test, list[3].Test; a.Count != 10 || e.Count != 7 || a.Interval != 3*time.Second || e.Interval != 3*time.Second {
		t.Errorf("loaded %+v and %+v", a, e)
	}
	if err := os.WriteFile(path, []byte("targets: [{address: a.example}, {address: d.example, interval: 0s}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = cfg.load(); err == nil || err.Error() != path+":1:54: interval must be between 10µs and 24h0m0s" {
		t.Errorf("a bad file: %v", err)
	}
	if err := os.WriteFile(path, []byte("targets: [{address: a.example}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = cfg.load(); err == nil || !strings.HasPrefix(err.Error(), `target "a.example" is named twice`) {
		t.Errorf("a name that an argument has: %v", err)
	}
}

// load reads the key file as it is now, too.
func TestLoadReadsTheKeys(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("* 000102030405060708090a0b0c0d0e0f")
	var cfg Config
	var stderr strings.Builder
	if _, _, ok := program.Parse(&cfg, []string{"a.example", "-key-file", keys}, nil, &stderr, &stderr); !ok {
		t.Fatal(&stderr)
	}
	write("* 0f0e0d0c0b0a09080706050403020100")
	if list, err := cfg.load(); err != nil || reflect.DeepEqual(list, cfg.found) {
		t.Errorf("with another key the targets are the same (%v)", err)
	}
	write("none")
	if _, err := cfg.load(); err == nil {
		t.Error("a bad key file is taken")
	}
}

// What is wrong with the file is told with what is wrong else.
func TestBadTargetsFile(t *testing.T) {
	t.Parallel()
	path := targetsFile(t, "targets:\n  - address: a.example\n    intervall: 1s\n  - address: b.example\n    dscp: high\n")
	exit, stdout, stderr := once(t, nil, "-targets-file", path, "-size", "7", "-targets", "x:y,::1,::1")
	if exit != service.ExitUsage || stdout != "" {
		t.Errorf("exit %d, stdout %s", exit, stdout)
	}
	for _, want := range []string{
		"TWAMP_SIZE (-size) must be",
		"TWAMP_TARGETS (-targets) \"x:y\"",
		"\n  " + path + ":3:5: there is no key \"intervall\" here; did you mean interval?\n",
		"\n  " + path + ":5:5: dscp must be a number",
		"\n  target \"::1\" is named twice",
	} {
		if strings.Count(stderr, want) != 1 {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
}

func TestCheckFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"targets: [{address: a.example}]": "1 target, 1 session and more, 5 packets/s",
		"targets: [{address: ::1, interval: 8s}, {address: 192.0.2.1, source_ports: 50000-50002, interval: 5s}]": "2 targets, 4 sessions, 0.725 packets/s",
		"targets: [{address: ::1, interval: 3s}, {address: 192.0.2.1, source_ports: 50000-50002, interval: 1s}]": "2 targets, 4 sessions, 3.3 packets/s",
	} {
		path := targetsFile(t, text)
		exit, stdout, stderr := once(t, []string{"TWAMP_INTERVAL=200ms"}, "-check", path)
		if exit != service.ExitOK || stdout != path+" is good: "+want+"\n" || stderr != "" {
			t.Errorf("%s: exit %d, stdout %s, stderr %s", text, exit, stdout, stderr)
		}
	}
	path := targetsFile(t, "targets:\n  - address: a.example\n    count: 0\n  - name: b\n")
	exit, stdout, stderr := once(t, nil, "-check", path)
	if want := path + ":3:5: count must be at least 1\n" + path + ":4:5: a target needs an address\n"; exit != service.ExitUsage || stdout != "" || stderr != want {
		t.Errorf("exit %d, stdout %s, stderr %s", exit, stdout, stderr)
	}
}

// The README's example of a targets file is good, and -check says of it what
// stands there.
func TestREADMETargetsFile(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "    # targets.yaml\n")
	text, rest, ok := strings.Cut(text, "\n\n`-check`")
	if !ok {
		t.Fatal("there is no example")
	}
	path := targetsFile(t, text)
	_, stdout, stderr := once(t, nil, "-check", path)
	says, ok := strings.CutPrefix(stdout, path)
	if !ok || !strings.Contains(rest, "\n    targets.yaml"+says) {
		t.Errorf("-check says %s%s", stdout, stderr)
	}
}
