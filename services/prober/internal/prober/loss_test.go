package prober

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/udp/udptest"
)

const ms = time.Millisecond

// counts are the figures of a report that are about loss, directions -1 for null.
type counts struct {
	sent, received, late, lost    int
	forward, backward, unresolved int
}

func countsOf(e *events.RTT) counts {
	signed := func(n *uint64) int {
		if n == nil {
			return -1
		}
		return int(*n)
	}
	return counts{
		int(e.Sent), int(e.Received), int(e.Late), int(e.Lost),
		signed(e.LostForward), signed(e.LostBackward), signed(e.LostUnresolved),
	}
}

func checkCounts(t *testing.T, e *events.RTT, want counts) {
	t.Helper()
	if got := countsOf(e); got != want {
		t.Errorf("report %d: got %+v, want %+v", e.Report.Index, got, want)
	}
}

// both leads packets through two paths, the first for those with these indexes.
func both(p udptest.Path, indexes []int, other udptest.Path) udptest.Path {
	return func(pkt udptest.Packet) []udptest.Delivery {
		if slices.Contains(indexes, pkt.Index) {
			return p(pkt)
		}
		return other(pkt)
	}
}

// What a burst reports of packets that are lost, late, doubled or reordered.
//
// RFC 8762 4-6
func TestLoss(t *testing.T) {
	tests := map[string]struct {
		count     uint64
		forward   udptest.Path
		back      udptest.Path
		stateless bool
		origin    uint32
		restart   int // before this request; 0: never
		want      counts
		also      func(*events.RTT) bool
	}{
		"none":                   {want: counts{10, 10, 0, 0, -1, -1, -1}, also: func(e *events.RTT) bool { return e.LossPeriods == nil }},
		"forward":                {count: 100, forward: udptest.LoseEvery(10), want: counts{100, 90, 0, 10, 9, 0, 1}},
		"forward, then answered": {count: 101, forward: udptest.LoseEvery(10), want: counts{101, 91, 0, 10, 10, 0, 0}},
		// Of a reflector whose numbers never differ nobody knows whether it counts.
		"backward only": {count: 100, back: udptest.LoseEvery(10), want: counts{100, 90, 0, 10, -1, -1, -1}},
		"backward, one forward": {
			count: 102, forward: udptest.Lose(0), back: udptest.LoseEvery(10), want: counts{102, 91, 0, 11, 1, 10, 0},
		},
		"stateless":         {count: 100, forward: udptest.LoseEvery(10), stateless: true, want: counts{100, 90, 0, 10, -1, -1, -1}},
		"never an answer":   {forward: udptest.Blackhole, want: counts{10, 0, 0, 10, -1, -1, -1}},
		"restart":           {count: 20, forward: udptest.Lose(3), restart: 10, want: counts{20, 19, 0, 1, -1, -1, -1}},
		"known of old":      {origin: 7, want: counts{10, 10, 0, 0, -1, -1, -1}},
		"known of very old": {origin: 7000, want: counts{10, 10, 0, 0, -1, -1, -1}},
		"first one overtaken": {
			forward: both(udptest.Delay(150*ms), []int{0}, udptest.Instant), want: counts{10, 10, 0, 0, 0, 0, 0},
			also: func(e *events.RTT) bool { return e.Reordered == 1 },
		},
		"reordered, and one lost each way": {
			count:   20,
			forward: both(udptest.Delay(350*ms), []int{4, 9}, udptest.Lose(6)), back: udptest.Lose(12),
			want: counts{20, 18, 0, 2, 1, 1, 0}, also: func(e *events.RTT) bool { return e.Reordered == 2 },
		},
		"overtaken by one whose answer is lost": {
			forward: both(udptest.Delay(150*ms), []int{4}, udptest.Instant), back: udptest.Lose(4), // that of packet 5
			want: counts{10, 9, 0, 1, 0, 1, 0},
		},
		"doubled on the way there": {
			forward: both(udptest.Duplicate(10*ms), []int{0, 3, 5}, udptest.Lose(1, 6)), want: counts{10, 8, 0, 2, 2, 0, 0},
			also: func(e *events.RTT) bool {
				return e.Duplicates == 3 && *e.DuplicatesForward == 3 && *e.DuplicatesBackward == 0
			},
		},
		// The loss holds all later packets up until its timeout: the copies must
		// not be taken for losses on the way back.
		"doubled behind a loss": {
			forward: both(udptest.Duplicate(150*ms), []int{2, 3, 5}, udptest.Instant), back: udptest.Lose(1),
			want: counts{10, 9, 0, 1, 0, 1, 0}, also: func(e *events.RTT) bool { return *e.DuplicatesForward == 3 },
		},
		"doubled on the way back": {
			forward: udptest.Lose(1), back: udptest.Duplicate(10 * ms), want: counts{10, 9, 0, 1, 1, 0, 0},
			also: func(e *events.RTT) bool {
				return e.Duplicates == 9 && *e.DuplicatesForward == 0 && *e.DuplicatesBackward == 9
			},
		},
		"more doubled than sent": {
			forward: udptest.Duplicate(10 * ms).Then(udptest.Duplicate(10 * ms)), back: udptest.Delay(ms),
			want: counts{10, 10, 0, 0, 0, 0, 0}, also: func(e *events.RTT) bool { return e.Duplicates == 27 }, // the last one's come after the end
		},
		"late on the way back": {
			count: 40, forward: udptest.Lose(2), back: both(udptest.Delay(2500*ms), []int{5}, udptest.Instant),
			want: counts{40, 38, 1, 1, 1, 0, 0},
			also: func(e *events.RTT) bool { return e.Reordered == 0 && e.RTT.MaxNs == 0 && e.RTT.N == 38 },
		},
		"late on the way there": {
			count: 60, forward: both(udptest.Delay(2500*ms), []int{5}, udptest.Lose(2, 55)),
			want: counts{60, 57, 1, 2, 2, 0, 0},
		},
		"all late": {
			count: 40, forward: udptest.Delay(2500 * ms), want: counts{40, 0, 34, 6, -1, -1, -1},
			also: func(e *events.RTT) bool { return e.RTT == nil && e.Forward == nil && e.LossPeriods.Longest == 40 },
		},
		"loss periods": {
			count: 20, forward: udptest.Lose(2, 3, 4, 9, 15, 16), want: counts{20, 14, 0, 6, 6, 0, 0},
			also: func(e *events.RTT) bool {
				l := e.LossPeriods
				return l.Count == 3 && l.Longest == 3 && *l.MinDistance == 1 && *l.MaxDistance == 6
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bench) {
				if tt.count > 0 {
					b.test.Count = tt.count
				}
				b.reflector.stateful, b.reflector.next = !tt.stateless, tt.origin
				b.reflector.behave = func(i int, a *answering) { a.restart = tt.restart > 0 && i == tt.restart }
				if tt.forward != nil {
					b.forward(tt.forward)
				}
				if tt.back != nil {
					b.back(tt.back)
				}
				b.run(t, 0)
				if len(b.reports) != 1 {
					t.Fatalf("%d reports", len(b.reports))
				}
				e := b.reports[0]
				checkCounts(t, e, tt.want)
				if tt.also != nil && !tt.also(e) {
					t.Errorf("got %s", difference(e, nil))
				}
				if answered := e.Received+e.Late > 0; (b.outcome.Answered == 1) != answered {
					t.Errorf("outcome %+v", b.outcome)
				}
			})
		})
	}
}

// A target on which nobody listens: each ICMP error is counted, and the test
// goes on.
func TestICMPErrorsDoNotEndTheTest(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.cfg.Targets[0].Port = 863
		b.run(t, 0)
		e := b.reports[0]
		checkCounts(t, e, counts{10, 0, 0, 10, -1, -1, -1})
		want := events.ICMP{From: reflectorAddr.Addr(), Type: 1, Code: 4, Text: "port unreachable", Count: 10}
		if len(e.ICMP) != 1 || e.ICMP[0] != want {
			t.Errorf("got %+v, want %+v", e.ICMP, want)
		}
		if b.outcome.Answered != 0 || e.RTT != nil || e.Forward != nil || e.Processing != nil {
			t.Errorf("a delay, or an answer, of nothing: %+v", e)
		}
	})
}

// A packet that the host refuses takes no sequence number, and the kernel's
// transmit times after it go to the right packets.
func TestSendErrors(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.forward(udptest.Delay(5 * ms))
		b.tune = func(tap *tap) {
			tap.FailWrites(nil, nil, syscall.EPERM, nil, syscall.EPERM, syscall.ENOBUFS)
			tap.txDelay = func(i int) (time.Duration, bool) { return time.Duration(i) * 100 * time.Microsecond, true }
		}
		b.run(t, 0)
		e := b.reports[0]
		checkCounts(t, e, counts{7, 7, 0, 0, -1, -1, -1})
		if e.Planned != 10 || e.SendErrors != 3 || e.Timestamps.T1Kernel != 7 || !e.Health.Suspect {
			t.Errorf("planned %d, send errors %d, %d kernel transmit times, suspect %v", e.Planned, e.SendErrors, e.Timestamps.T1Kernel, e.Health.Suspect)
		}
		for i, x := range b.reflector.reflected {
			if x.sender != uint32(i) {
				t.Errorf("sequence number %d at the reflector, want %d", x.sender, i)
			}
		}
		// The i-th packet left i*100us after T1 in user space.
		if e.RTT.MaxNs != int64(5*ms) || e.RTT.MinNs != int64(5*ms-600*time.Microsecond) {
			t.Errorf("rtt from %d to %d", e.RTT.MinNs, e.RTT.MaxNs)
		}
	})
}

// A copy counts as one also when a loss holds up more packets than the window
// has numbers.
func TestDoubledFarBehindALoss(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.Count, b.test.Interval = 150, 10*ms
		b.forward(both(udptest.Duplicate(ms), []int{100, 120}, udptest.Lose(102, 122)))
		b.back(udptest.Lose(1))
		b.run(t, 0)
		checkCounts(t, b.reports[0], counts{150, 147, 0, 3, 2, 1, 0})
	})
}

func TestMarking(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.DSCP = 46
		b.back(udptest.On(udptest.Remark(10<<2|3), 4, 9))
		b.run(t, 0)
		if m := b.reports[0].Marking; m.SentDSCP != 46 || m.Remarked != 2 || *m.ReturnedDSCP != 10 || *m.ReturnedECN != 3 {
			t.Errorf("%+v, returned %d, %d", m, *m.ReturnedDSCP, *m.ReturnedECN)
		}
		if b.replies[0].Hops != 0 || !b.replies[0].Known || b.replies[0].Duplicate {
			t.Errorf("a person sees %+v", b.replies[0])
		}
	})
}

// Packets that happen to leave close together are all waited for until their
// timeout.
func TestPoissonBurstsAreNotLost(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.test.Schedule, b.test.Interval, b.test.Timeout, b.test.Count = Poisson, 100*ms, 200*ms, 10_000
		b.back(func(p udptest.Packet) []udptest.Delivery { return []udptest.Delivery{{Delay: 190 * ms, TTL: 250}} })
		b.run(t, 0)
		if e := b.reports[0]; e.Received != b.test.Count {
			t.Errorf("%d of %d received, %d lost, %d late", e.Received, b.test.Count, e.Lost, e.Late)
		}
	})
}
