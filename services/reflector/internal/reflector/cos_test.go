package reflector

import (
	"bytes"
	"testing"

	"tinytwamp/shared/stamp"
)

// What the request came in with is told in the reply, which has the DSCP that
// was asked for.
func TestClassOfService(t *testing.T) {
	t.Parallel()
	const came = 20<<2 | 1
	for name, c := range map[string]struct {
		request string
		tos     int
		want    string
		reply   int
	}{
		"asked":      {"80040004 b8000000", came, "00040004 b9440000", 46 << 2},
		"for 0":      {"80040004 00000000", came, "00040004 01440000", 0},
		"rubbish":    {"80040004 bbffffff", came, "00040004 b9440000", 46 << 2},
		"too long":   {"80040005 b800000000", came, "40040005 b800000000", 20 << 2},
		"unknown":    {"80040004 b8000000", -1, "80040004 b8000000", 0},
		"not asked":  {"80010001 00", came, "00010001 00", 20 << 2},
		"as padding": {"00040004 b8000000", came, "00040004 b8000000", 20 << 2},
	} {
		request := octets(t, sentBase+c.request)
		if got := replyTOS(request, c.tos, false); got != c.reply {
			t.Errorf("%s: the reply has TOS %#x, want %#x", name, got, c.reply)
		}
		var req stamp.SenderPacket
		if why := decode(&req, request); why != answered {
			t.Fatal(why)
		}
		n := respond(&req, request, len(request), arrival{time: testT2, ttl: 64, tos: c.tos}, reply{clock: testClock})
		if want := octets(t, c.want); !bytes.Equal(request[stamp.BaseSize:n], want) {
			t.Errorf("%s: answered with %x, want %x", name, request[stamp.BaseSize:n], want)
		}
	}
}
