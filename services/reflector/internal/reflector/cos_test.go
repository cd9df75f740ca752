package reflector

import (
	"bytes"
	"testing"

	"tinytwamp/shared/stamp"
)

// What the request came in with is told in the reply, which has the DSCP that
// was asked for.
//
// RFC 8972 4.4-12, 6-6
func TestClassOfService(t *testing.T) {
	t.Parallel()
	const came = 20<<2 | 1
	for name, c := range map[string]struct {
		request string
		tos     int
		want    string
		reply   int
		denied  uint64
	}{
		// RFC 8972 4.4-11
		"asked": {"80040004 b8000000", came, "00040004 b9440000", 46 << 2, 0},
		"for 0": {"80040004 00000000", came, "00040004 01440000", 0, 0},
		// RFC 8972 4.4-8, 4.4-9
		"rubbish": {"80040004 bbffffff", came, "00040004 b9440000", 46 << 2, 0},
		// RFC 8972 4.4-4
		"too long":  {"80040005 b800000000", came, "40040005 b800000000", 20 << 2, 0},
		"unknown":   {"80040004 b8000000", -1, "80040004 b8000000", 0, 0},
		"not asked": {"80010001 00", came, "00010001 00", 20 << 2, 0},
		// RFC 8972 4.4-13, 4.4-14
		"permitted": {"80040004 b8000000", came, "00040004 b9440000", 46 << 2, deniedDSCPs([]stamp.DSCP{0, 46})},
		// RFC 8972 4.4-13, 4.4-15, 4.4-16
		"denied":           {"80040004 b8000000", came, "00040004 b9450000", 20 << 2, deniedDSCPs([]stamp.DSCP{0, 20})},
		"twice":            {"80040004 b8000000 80040004 00000000", came, "00040004 b9440000 00040004 01440000", 46 << 2, 0},
		"second denied":    {"80040004 b8000000 80040004 fc000000", came, "00040004 b9440000 00040004 fd450000", 46 << 2, 1 << 63},
		"behind malformed": {"8003000100 80040004 b8000000", came, "4003000100 80040004 b8000000", 20 << 2, 0},
		"as padding":       {"00040004 b8000000", came, "00040004 b8000000", 20 << 2, 0},
	} {
		request := octets(t, sentBase+c.request)
		got, tos, why := exchanged(request, arrival{time: testT2, ttl: 64, tos: c.tos}, reply{clock: testClock, deniedDSCPs: c.denied})
		if tos != c.reply {
			t.Errorf("%s: the reply has TOS %#x, want %#x", name, tos, c.reply)
		}
		if want := octets(t, c.want); why != answered || !bytes.Equal(got[stamp.BaseSize:], want) {
			t.Errorf("%s: answered with %x, want %x", name, got[stamp.BaseSize:], want)
		}
	}
}
