package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

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
	if want := []string{"::1", "b.example", "192.0.2.1", "c.example:8620"}; !slices.Equal(names(targets), want) {
		t.Errorf("the targets are %q, want %q", names(targets), want)
	}
}
