package reflector

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// source is an IPv4 source of its own for each n.
func source(n int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(10<<24+n))))
}

// fullTable is full of sessions that never came back.
func fullTable(bound int, now int64) *table {
	tb := newTable(bound)
	for n := range bound {
		tb.touch(testKey(n), now, 0)
	}
	return tb
}

// Sessions that never came back give their place to new ones after a grace,
// the one that is silent for the longest first.
func TestUnprovenSessionsGiveWay(t *testing.T) {
	t.Parallel()
	tb := fullTable(3, 0)
	tb.touch(testKey(0), 1, 0) // now session 1 is silent for the longest
	if _, _, _, ok := tb.touch(testKey(10), int64(idleUnproven)-1, 0); ok || refusals(tb) != 1 {
		t.Errorf("a new session has a place within the grace: %v, %d refused", ok, refusals(tb))
	}
	if got, opened, _, ok := tb.touch(testKey(10), int64(idleUnproven), 0); !ok || !opened || got != 0 {
		t.Errorf("a new session after the grace: sequence %d, opened %v, ok %v", got, opened, ok)
	}
	gone, untold := tb.takeGone()
	if len(gone) != 1 || gone[0].key != testKey(1) || gone[0].packets != 1 || untold != 0 || displacements(tb) != 1 {
		t.Errorf("%+v made room, %d untold", gone, untold)
	}
	if gone, _ := tb.takeGone(); len(gone) != 0 {
		t.Errorf("%+v are told twice", gone)
	}
	if got, opened, _, _ := tb.touch(testKey(0), int64(idleUnproven), 0); got != 2 || opened {
		t.Errorf("a session that was not silent: sequence %d, opened %v", got, opened)
	}
	if tb.len() != 3 || len(tb.ids) != 3 {
		t.Errorf("%d sessions, %d ids in a table of 3", tb.len(), len(tb.ids))
	}
}

// A proven session keeps its place until it is silent for a minute, and after
// that as long as there are unproven ones.
func TestProvenSessionsKeepTheirPlace(t *testing.T) {
	t.Parallel()
	tb := newTable(2)
	for n := range int64(provenPackets) {
		tb.touch(testKey(0), n*int64(provenTime)/(provenPackets-1), 0)
	}
	last := int64(provenTime)
	for n := range 20 {
		tb.touch(testKey(1+n), last+int64(n)*int64(idleUnproven), 0)
	}
	later := last + 20*int64(idleUnproven)
	if got, _, _, ok := tb.touch(testKey(0), later, 0); !ok || got != provenPackets || displacements(tb) != 19 {
		t.Errorf("sequence %d, ok %v after %d displacements, want %d", got, ok, displacements(tb), provenPackets)
	}
	// A table of proven sessions only.
	tb = newTable(1)
	for n := range int64(provenPackets) {
		tb.touch(testKey(0), n*int64(provenTime)/(provenPackets-1), 0)
	}
	if _, _, _, ok := tb.touch(testKey(1), last+int64(idleProven)-1, 0); ok {
		t.Error("a proven session loses its place within a minute")
	}
	if _, _, _, ok := tb.touch(testKey(1), last+int64(idleProven), 0); !ok {
		t.Error("a new session finds no place after a minute")
	}
}

// Packets in no time do not prove a session.
func TestBurstIsNoProof(t *testing.T) {
	t.Parallel()
	tb := newTable(1)
	for range 100 {
		tb.touch(testKey(0), 0, 0)
	}
	if _, _, _, ok := tb.touch(testKey(1), int64(idleUnproven), 0); !ok {
		t.Error("a burst has proven a session")
	}
}

// For 15 minutes sessions are invented. All real ones that begin meanwhile,
// with a packet a second, soon have their place, and keep it.
func TestFloodOfInventedSessions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		perSecond int
		packets   int // of each
		within    int // packets of a real one until it has its place
	}{
		{"that would fill a table kept for long", 2, 1, 0},
		{"as many in the grace as the table holds, nearly", 45, 1, 1},
		{"of ten packets each", 45, 10, 1},
		{"five times as many", 250, 1, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const bound, seconds, every = 250, 900, 40 // a real one begins every 40 s
			random := rand.New(rand.NewPCG(1, 2))
			tb := newTable(bound)
			var genuine [20]struct{ next, waited int }
			invented := len(genuine)
			for second := range seconds {
				arrivals := make(map[int64]int) // who sends, by time
				at := func() int64 { return int64(second)*int64(time.Second) + random.Int64N(int64(time.Second)) }
				for range c.perSecond {
					arrivals[at()] = invented
					invented++
				}
				for n := range min(len(genuine), second/every) {
					arrivals[at()] = n
				}
				for _, now := range slices.Sorted(maps.Keys(arrivals)) {
					n := arrivals[now]
					k := key{peer: netip.AddrPortFrom(source(n), 40000), ssid: 1}
					sequence, _, _, ok := tb.touch(k, now, 0)
					switch {
					case n >= len(genuine):
						for range c.packets - 1 {
							tb.touch(k, now, 0)
						}
					case ok && int(sequence) == genuine[n].next:
						genuine[n].next++
					case ok || genuine[n].next > 0:
						t.Fatalf("session %d has lost its place after %d packets", n, genuine[n].next)
					default:
						genuine[n].waited++
					}
				}
				tb.expire(int64(second)*int64(time.Second), func(session) {})
			}
			for n, r := range genuine {
				if r.waited > c.within || r.next == 0 {
					t.Errorf("session %d was without state for %d packets, then had %d", n, r.waited, r.next)
				}
			}
		})
	}
}
