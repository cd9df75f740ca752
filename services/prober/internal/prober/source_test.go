package prober

import (
	"slices"
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

func TestPorts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ports{
		"": nil, "862": {862}, "50000-50003": {50000, 50001, 50002, 50003}, "5, 3-4,65535": {5, 3, 4, 65535},
	} {
		var p Ports
		if err := p.UnmarshalText([]byte(text)); err != nil || !slices.Equal(p, want) {
			t.Errorf("%q is %v (%v), want %v", text, p, err, want)
		}
	}
	for _, text := range []string{"0", "65536", "5-4", "x", "1-", "-1", "7,7", "1-5,5", "1-65", "1 2"} {
		var p Ports
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
}

func TestFamily(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Family{"any": AnyFamily, "ipv4": IPv4, "ipv6": IPv6} {
		var f Family
		if err := f.UnmarshalText([]byte(text)); err != nil || f != want || f.String() != text {
			t.Errorf("%q is %v (%v)", text, f, err)
		}
	}
	if err := new(Family).UnmarshalText([]byte("6")); err == nil {
		t.Error("6 is a family")
	}
}
