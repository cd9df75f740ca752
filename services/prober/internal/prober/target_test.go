package prober

import (
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// RFC 8762 4.1-1, 4.1-2, 4.6-3
func TestParseTarget(t *testing.T) {
	good := map[string]Target{
		"192.0.2.1":              {Host: "192.0.2.1", Port: 862},
		"192.0.2.1:4000":         {Host: "192.0.2.1", Port: 4000},
		"2001:db8::1":            {Host: "2001:db8::1", Port: 862},
		"[2001:db8::1]":          {Host: "2001:db8::1", Port: 862},
		"[2001:db8::1]:65535":    {Host: "2001:db8::1", Port: 65535},
		"fe80::1%eth0":           {Host: "fe80::1%eth0", Port: 862},
		"[fe80::1%eth0]:1":       {Host: "fe80::1%eth0", Port: 1},
		"::ffff:192.0.2.1":       {Host: "::ffff:192.0.2.1", Port: 862},
		"reflector.example":      {Host: "reflector.example", Port: 862},
		"reflector.example:8620": {Host: "reflector.example", Port: 8620},
		"under_score":            {Host: "under_score", Port: 862},
	}
	for s, want := range good {
		want.Name = s
		if got, err := ParseTarget(s); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", ":862", "host:", "host:0", "host:65536", "host:-1", "host:http", "[2001:db8::1", "2001:db8::1]:862", "[]", "[]:862",
		"2001:db8::1::2", "two words", "a/b", "a,b", "a@b", "http://host", "tab\there", "nul\x00", strings.Repeat("a", 254),
	} {
		if got, err := ParseTarget(s); err == nil {
			t.Errorf("%q: got %+v, want an error", s, got)
		} else if !strings.Contains(err.Error(), strconv.Quote(s)) {
			t.Errorf("%q: the error does not quote it: %v", s, err)
		}
	}
}

func TestScope(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		t.Skip("NOT RUN: this host has no network interface")
	}
	first := interfaces[0]
	for s, want := range map[string]int{
		"[2001:db8::1]:1": 0, "[fe80::1%" + first.Name + "]:1": first.Index, "[fe80::1%4711]:1": 4711,
	} {
		bare, index, err := scope(netip.MustParseAddrPort(s))
		if err != nil || index != want || bare.Addr().Zone() != "" || bare.Port() != 1 {
			t.Errorf("%s: %v, %d, %v, want %d", s, bare, index, err, want)
		}
	}
	if _, _, err := scope(netip.MustParseAddrPort("[fe80::1%no-such]:1")); err == nil {
		t.Error("no error for an interface that is not there")
	}
}
