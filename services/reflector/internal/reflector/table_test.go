package reflector

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// testKey is a session of its own for each n.
func testKey(n int) key {
	return key{
		peer:  netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), uint16(40000+n/4)),
		local: netip.MustParseAddrPort("[2001:db8::2]:862"),
		ssid:  uint16(n % 4),
	}
}

func endedKeys(f func(func(session))) (keys []key) {
	f(func(s session) { keys = append(keys, s.key) })
	return keys
}

// RFC 8762 4-8, 4.3.1-4, RFC 8972 3-5
func TestSequencePerSession(t *testing.T) {
	t.Parallel()
	tb := newTable(10)
	other := testKey(0)
	other.local = netip.MustParseAddrPort("[2001:db8::3]:862") // a session of its own: RFC 8972 section 3
	for want := range uint32(3) {
		for _, k := range []key{testKey(0), testKey(1), testKey(5), other} {
			got, opened, _, ok := tb.touch(k, int64(want), 0)
			if !ok || got != want || opened != (want == 0) {
				t.Errorf("%v: sequence %d, opened %v, ok %v; want %d", k, got, opened, ok, want)
			}
		}
	}
	if tb.len() != 4 {
		t.Errorf("%d sessions, want 4", tb.len())
	}
}

// refusals and displacements of a table.
func refusals(tb *table) uint64 { n, _ := tb.pressure(); return n }

func displacements(tb *table) uint64 { _, n := tb.pressure(); return n }

func TestIdleSessionsExpire(t *testing.T) {
	t.Parallel()
	tb := newTable(10)
	start := time.Now().UnixNano()
	for n := range 3 {
		tb.touch(testKey(n), start+int64(n), 0)
	}
	tb.touch(testKey(0), start+10, 0) // the oldest lives on
	if keys := endedKeys(func(f func(session)) { tb.expire(start+int64(idle), f) }); len(keys) != 0 {
		t.Errorf("%v expired early", keys)
	}
	if keys := endedKeys(func(f func(session)) { tb.expire(start+2+int64(idle), f) }); !slices.Equal(keys, []key{testKey(1), testKey(2)}) {
		t.Errorf("%v expired, want sessions 1 and 2", keys)
	}
	if !tb.knows(0, 40000) || tb.knows(1, 40000) {
		t.Error("the live session is not known, or an expired one is")
	}
	// It begins anew after that.
	if got, opened, _, _ := tb.touch(testKey(1), start+3+int64(idle), 0); got != 0 || !opened {
		t.Errorf("sequence %d, opened %v after the session expired", got, opened)
	}
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	tb := newTable(10)
	now := time.Now().UnixNano()
	tb.touch(testKey(0), now, int64(LogSampled))
	tb.touch(testKey(1), now, int64(LogSampled))
	now -= int64(time.Hour)
	if _, _, note, _ := tb.touch(testKey(1), now, int64(LogSampled)); !note {
		t.Error("the test log is silent until the clock is where it was")
	}
	if keys := endedKeys(func(f func(session)) { tb.expire(now, f) }); !slices.Equal(keys, []key{testKey(0)}) {
		t.Errorf("%v expired, want the session that seems to be of the future", keys)
	}
}

// What is done with ended sessions may block, for instance on a pipe that
// nobody reads; packets are answered all the same.
func TestEndedSessionsDoNotHoldTheTable(t *testing.T) {
	t.Parallel()
	tb := newTable(10)
	tb.touch(testKey(0), 0, 0)
	touched := make(chan struct{})
	tb.drain(func(session) {
		go func() {
			tb.touch(testKey(1), 0, 0)
			close(touched)
		}()
		select {
		case <-touched:
		case <-time.After(5 * time.Second):
			t.Error("the table is held while a session's end is told")
		}
	})
}

// model is what a table should do, in the plainest way.
type model struct {
	bound              int
	sessions           map[key]*session
	refused, displaced uint64
}

func (m *model) touch(k key, now, every int64) (uint32, bool, bool, bool) {
	s := m.sessions[k]
	if s == nil {
		if len(m.sessions) == m.bound && !m.displace(now) {
			m.refused++
			return 0, false, false, false
		}
		s = &session{noted: now - every, opened: now}
		m.sessions[k] = s
	}
	s.packets++
	s.seen = now
	if s.packets >= provenPackets && now-s.opened >= int64(provenTime) {
		s.proven = true
	}
	note := now-s.noted >= every
	if note {
		s.noted = now
	}
	return s.packets - 1, s.packets == 1, note, true
}

// displace removes the unproven session that is silent for the longest, else
// the proven one.
func (m *model) displace(now int64) bool {
	for _, c := range []struct {
		proven bool
		idle   time.Duration
	}{{false, idleUnproven}, {true, idleProven}} {
		var victim key
		var longest *session
		for k, s := range m.sessions {
			if s.proven == c.proven && (longest == nil || s.seen < longest.seen) {
				victim, longest = k, s
			}
		}
		if longest != nil && now-longest.seen >= int64(c.idle) {
			delete(m.sessions, victim)
			m.displaced++
			return true
		}
	}
	return false
}

func (m *model) expire(now int64) (keys []key) {
	for k, s := range m.sessions {
		if now-s.seen >= int64(idle) {
			keys = append(keys, k)
			delete(m.sessions, k)
		}
	}
	return keys
}

func (m *model) knows(ssid, port uint16) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(m.sessions)), func(k key) bool {
		return k.ssid == ssid && k.peer.Port() == port
	})
}

func TestTableAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		tb, m := newTable(10), model{bound: 10, sessions: map[key]*session{}}
		var now int64
		for step := range 2000 {
			now += 1 + random.Int64N(int64(time.Second)<<random.IntN(8))
			n := random.IntN(16)
			switch k := testKey(n); random.IntN(10) {
			case 0:
				got := endedKeys(func(f func(session)) { tb.expire(now, f) })
				compareSets(t, got, m.expire(now))
			case 1:
				if got, want := tb.knows(k.ssid, k.peer.Port()), m.knows(k.ssid, k.peer.Port()); got != want {
					t.Fatalf("seed %d, step %d: knows %v is %v", seed, step, k, got)
				}
			default:
				seq, opened, note, ok := tb.touch(k, now, int64(time.Minute))
				wantSeq, wantOpened, wantNote, wantOK := m.touch(k, now, int64(time.Minute))
				if seq != wantSeq || opened != wantOpened || note != wantNote || ok != wantOK {
					t.Fatalf("seed %d, step %d: touch gave %d %v %v %v, want %d %v %v %v", seed, step,
						seq, opened, note, ok, wantSeq, wantOpened, wantNote, wantOK)
				}
			}
			checkTable(t, tb, &m)
		}
		compareSets(t, endedKeys(tb.drain), slices.Collect(maps.Keys(m.sessions)))
		if tb.len() != 0 || len(tb.ids) != 0 || tb.unproven != (list{}) || tb.proven != (list{}) {
			t.Fatalf("seed %d: a drained table holds %d sessions, %d ids", seed, tb.len(), len(tb.ids))
		}
	}
}

// checkTable holds the table's parts to each other and to the model.
func checkTable(t *testing.T, tb *table, m *model) {
	t.Helper()
	listed, ids := 0, 0
	for _, l := range []*list{&tb.unproven, &tb.proven} {
		for s := l.oldest; s != nil; s = s.next {
			listed++
			if s.next == nil && l.newest != s || s.next != nil && (s.next.prev != s || s.next.seen < s.seen) {
				t.Fatal("a list is not in order")
			}
		}
	}
	for _, n := range tb.ids {
		ids += n
	}
	if want := len(m.sessions); listed != want || ids != want || tb.len() != want || refusals(tb) != m.refused || displacements(tb) != m.displaced {
		t.Fatalf("%d sessions in the lists, %d ids, %d in the map, %d refused, %d displaced; want %d, %d refused, %d displaced",
			listed, ids, tb.len(), refusals(tb), displacements(tb), want, m.refused, m.displaced)
	}
}

func compareSets(t *testing.T, got, want []key) {
	t.Helper()
	set := map[key]bool{}
	for _, k := range want {
		set[k] = true
	}
	for _, k := range got {
		if !set[k] {
			t.Fatalf("%v ended", k)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d sessions ended, want %d", len(got), len(want))
	}
}

// Workers share the table, and others look at it.
func TestTableConcurrently(t *testing.T) {
	t.Parallel()
	tb := newTable(8)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 500 {
				tb.touch(testKey((w+i)%12), int64(i), 0)
				tb.knows(1, 40000)
				tb.expire(int64(i), func(session) {})
				tb.takeGone()
			}
		})
	}
	all.Wait()
	packets := refusals(tb) // and nothing is silent for long enough to be displaced
	tb.drain(func(s session) { packets += uint64(s.packets) })
	if packets != 4*500 {
		t.Errorf("%d of 2000 packets are accounted for", packets)
	}
}
