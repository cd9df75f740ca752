package service

import (
	"strings"
	"testing"
)

func TestFitName(t *testing.T) {
	tests := []struct{ host, want string }{
		{"probe_1-a", "probe_1-a"},
		{"probe.example.com", "probe-example-com"},
		{"größe a/b", "gr--e-a-b"},
		{"", "unnamed"},
		{strings.Repeat("n", 70), strings.Repeat("n", 63)},
	}
	for _, test := range tests {
		if got := fitName(test.host); got != test.want {
			t.Errorf("%q: got %q, want %q", test.host, got, test.want)
		}
	}
}

func TestReachable(t *testing.T) {
	tests := []struct{ host, want string }{
		{"", "127.0.0.1"},
		{"0.0.0.0", "127.0.0.1"},
		{"::", "::1"},
		{"192.0.2.1", "192.0.2.1"},
		{"localhost", "localhost"},
	}
	for _, test := range tests {
		if got := reachable(test.host); got != test.want {
			t.Errorf("%q: got %q, want %q", test.host, got, test.want)
		}
	}
}
