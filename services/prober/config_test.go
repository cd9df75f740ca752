package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestSource(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.1":              "192.0.2.1:0",
		"192.0.2.1:862":          "192.0.2.1:862",
		"2001:db8::1":            "[2001:db8::1]:0",
		"[2001:db8::1]":          "[2001:db8::1]:0",
		"[2001:db8::1]:862":      "[2001:db8::1]:862",
		":862":                   "[::]:862",
		"::ffff:192.0.2.1":       "192.0.2.1:0",
		"[::ffff:192.0.2.1]:862": "192.0.2.1:862",
	} {
		var s Source
		if err := s.UnmarshalText([]byte(text)); err != nil || s.String() != want {
			t.Errorf("%s is %v (%v), want %s", text, s, err, want)
		}
	}
	for _, text := range []string{"", ":", "862", "localhost", "eth0", "[]", "[::1", "::1]", "[[::1]]", "192.0.2.1:", ":65536", "192.0.2.0/24"} {
		var s Source
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
}

func TestDSCP(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]DSCP{"0": 0, "63": 63, "0x2e": 46, "EF": 46, "ef": 46, "af41": 34, "CS1": 8, "LE": 1} {
		var d DSCP
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want {
			t.Errorf("%s is %d (%v), want %d", text, d, err, want)
		}
	}
	for _, text := range []string{"", "64", "-1", "AF44", "EF ", "1.5"} {
		var d DSCP
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, d)
		}
	}
}

// Settings that are fine alone, and cannot work together.
func TestSettingsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-interval 10us -timeout 1m":              "TWAMP_TIMEOUT (-timeout) must be at most 10.48576s at this interval",
		"-size 66":                                "TWAMP_SIZE (-size) must be at least 67, so that the message fits in",
		"-size 46 -padding zero":                  "TWAMP_SIZE (-size) must be 44, or at least 48",
		"-size 62 -mode light":                    "TWAMP_SIZE (-size) must be at least 63",
		"-size 44 -message= -tlv follow-up":       "TWAMP_SIZE (-size) must be ",
		"-size 67":                                "",
		"-size 46 -padding zero -mode light":      "",
		"-size 44 -message=":                      "",
		"-interval 10us -timeout 10s":             "",
		"-size 65507 -padding random -interval 1": "TWAMP_INTERVAL (-interval) must ",
	} {
		var cfg Config
		var stderr bytes.Buffer
		_, _, ok := program.Parse(&cfg, append(strings.Fields(args), "::1"), nil, &stderr, &stderr)
		if ok != (want == "") || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: ok is %v, stderr %s", args, ok, &stderr)
		}
	}
}

func TestTargetsOfArgumentsComeFirst(t *testing.T) {
	t.Parallel()
	var cfg Config
	var stderr bytes.Buffer
	_, _, ok := program.Parse(&cfg, []string{"::1", "-targets", "192.0.2.1, c.example:8620", "b.example"}, nil, &stderr, &stderr)
	if !ok {
		t.Fatal(&stderr)
	}
	targets, problems := cfg.targets()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var names []string
	for _, target := range targets {
		names = append(names, target.Name)
	}
	if want := []string{"::1", "b.example", "192.0.2.1", "c.example:8620"}; !slices.Equal(names, want) {
		t.Errorf("the targets are %q, want %q", names, want)
	}
}
