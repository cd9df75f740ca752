package main

import (
	"bytes"
	"fmt"
	"testing"
)

// RFC 8762 4.1-5
func TestAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[::]:862":               "[::]:862",
		"192.0.2.1":              "192.0.2.1:862",
		"192.0.2.1:1862":         "192.0.2.1:1862",
		"2001:db8::1":            "[2001:db8::1]:862",
		"[2001:db8::1]":          "[2001:db8::1]:862",
		"[2001:db8::1]:0":        "[2001:db8::1]:0",
		"fe80::1%eth0":           "[fe80::1%eth0]:862",
		"[::ffff:192.0.2.1]:862": "192.0.2.1:862",
		"::ffff:192.0.2.1":       "192.0.2.1:862",
	} {
		var a Address
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != want {
			t.Errorf("%s is %v (%v), want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"", "localhost", ":862", "192.0.2.1:", "192.0.2.1:65536", "[]", "[::1", "192.0.2", "192.0.2.0/24"} {
		var a Address
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, a)
		}
	}
}

// Only the default addresses may be missing on a host.
//
// RFC 8762 4.1-4
func TestDefaultListen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		named bool
	}{
		{nil, false},
		{[]string{"-listen", "0.0.0.0:862"}, true},
		{[]string{"-listen", "[::]:1862,0.0.0.0:1862"}, true},
	} {
		var cfg Config
		var stderr bytes.Buffer
		if _, _, ok := program.Parse(&cfg, c.args, nil, &stderr, &stderr); !ok {
			t.Fatalf("%q: %s", c.args, &stderr)
		}
		if cfg.listenNamed() != c.named {
			t.Errorf("%q: named is %v", c.args, cfg.listenNamed())
		}
		if !c.named && fmt.Sprint(cfg.Listen) != "[[::]:862 0.0.0.0:862]" {
			t.Errorf("the default is %v", cfg.Listen)
		}
	}
}
