package udp

import (
	"net/netip"
	"syscall"
	"testing"
)

func TestEventText(t *testing.T) {
	peer4, peer6 := netip.MustParseAddrPort("192.0.2.1:862"), netip.MustParseAddrPort("[2001:db8::1]:862")
	for _, test := range []struct {
		event Event
		want  string
	}{
		{Event{Kind: ICMPError, Peer: peer4, Type: 3, Code: 3}, "port unreachable"},
		{Event{Kind: ICMPError, Peer: peer4, Type: 3, Code: 13}, "communication prohibited"},
		{Event{Kind: ICMPError, Peer: peer4, Type: 3, Code: 99}, "destination unreachable, code 99"},
		{Event{Kind: ICMPError, Peer: peer4, Type: 11}, "time exceeded"},
		{Event{Kind: ICMPError, Peer: peer6, Type: 1, Code: 4}, "port unreachable"},
		{Event{Kind: ICMPError, Peer: peer6, Type: 2, MTU: 1280}, "packet too big"},
		{Event{Kind: ICMPError, Peer: peer6, Type: 3}, "time exceeded"},
		{Event{Kind: LocalError, Peer: peer6, Errno: syscall.EMSGSIZE}, "refused by this host: message too long"},
		{Event{Kind: TxStamp}, "transmitted"},
	} {
		if got := test.event.Text(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.event, got, test.want)
		}
	}
}
