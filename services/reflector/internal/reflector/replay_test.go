package reflector

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/shared/stamp"
)

func TestReplayOfNumbers(t *testing.T) {
	t.Parallel()
	type packet struct {
		sequence uint32
		t1       int64
		fresh    bool
	}
	for name, packets := range map[string][]packet{
		"in order":                         {{0, 10, true}, {1, 11, true}, {2, 12, true}},
		"again":                            {{0, 10, true}, {0, 10, false}, {1, 11, true}, {0, 10, false}, {1, 11, false}},
		"overtaken":                        {{5, 15, true}, {7, 17, true}, {6, 16, true}, {6, 16, false}, {5, 15, false}},
		"lost between":                     {{5, 15, true}, {60, 70, true}, {6, 16, true}, {5, 15, false}},
		"at the edge":                      {{0, 10, true}, {63, 73, true}, {0, 10, false}, {1, 11, true}, {64, 74, true}, {0, 10, false}},
		"far behind":                       {{0, 10, true}, {64, 74, true}, {0, 10, false}, {1, 11, true}, {65, 75, true}, {1, 11, false}},
		"far ahead":                        {{0, 10, true}, {1000, 1010, true}, {999, 1009, true}, {936, 946, false}, {937, 947, true}},
		"starts anew":                      {{100, 110, true}, {0, 200, true}, {1, 201, true}, {100, 110, false}, {0, 200, false}},
		"anew, near":                       {{3, 13, true}, {3, 200, true}, {3, 200, false}, {3, 13, false}},
		"anew at the same, and overtaken":  {{2, 12, true}, {3, 13, true}, {3, 200, true}, {2, 199, true}},
		"anew, and the old again":          {{0, 10, true}, {1, 11, true}, {2, 12, true}, {2, 202, true}, {1, 201, true}, {1, 11, false}, {0, 10, false}, {3, 203, true}, {0, 10, false}, {0, 200, true}},
		"anew, the first one lost":         {{0, 10, true}, {1, 11, true}, {5, 15, true}, {1, 201, true}, {0, 10, false}, {0, 200, true}},
		"a coarse clock":                   {{5, 15, true}, {6, 15, true}, {8, 15, true}, {7, 15, true}, {8, 15, false}, {7, 15, false}, {6, 15, false}, {9, 16, true}},
		"numbers wrap":                     {{1<<32 - 1, 10, true}, {0, 11, true}, {1<<32 - 1, 10, false}, {1<<32 - 2, 9, true}},
		"earlier, and of a number to come": {{5, 15, true}, {6, 14, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r replay
			for i, p := range packets {
				if got := r.fresh(p.sequence, p.t1); got != p.fresh {
					t.Fatalf("packet %d, %d at %d: fresh %v", i, p.sequence, p.t1, got)
				}
			}
		})
	}
}

// An authentic packet is answered once, and only near its time. A number that
// did not come is not held against later ones, and a sender may start anew.
func TestReplayOnTheWire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		window time.Duration
		wait   time.Duration // before the packet comes again
		want   uint64        // dropped
	}{
		{"off", 0, 0, 0},
		{"at once", time.Second, 0, 1},
		{"within the window", time.Second, time.Second, 1},
		{"after it", time.Second, time.Second + 1, 1},
		{"after the session", 2 * idle, idle + 2*time.Second, 0}, // what the window is to be shorter than
		{"after the session and the window", time.Second, idle + 2*time.Second, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, server, func(cfg *Config) { cfg.Keys, cfg.ReplayWindow = parsedKeys(t, "* "+goodKey), c.window }).start()
				s := g.sender(client)
				first := authRequest(t, goodKey, 7, 1)
				s.send(server, first)
				time.Sleep(c.wait)
				s.send(server, first)
				want := map[reason]uint64{}
				if c.want > 0 {
					want[replayed] = c.want
				}
				if got, drops := len(s.replies()), g.drops(); got != 2-int(c.want) || !maps.Equal(drops, want) {
					t.Errorf("%d replies, dropped %v", got, drops)
				}
				time.Sleep(time.Nanosecond * 10)
				s.send(server, authRequest(t, goodKey, 0, 1))
				if got := len(s.replies()); got != 1 {
					t.Error("a sender that starts anew is not answered")
				}
			})
		})
	}
}

// The time counts in both directions and formats; unauthenticated packets have
// nothing that could be trusted.
func TestReplayWindow(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	for _, c := range []struct {
		name   string
		off    int64 // T1 after T2, ns
		format stamp.Format
		ok     bool
	}{
		{"now", 0, stamp.NTP, true},
		{"now, PTP", 0, stamp.PTP, true},
		{"old", -second, stamp.NTP, true},
		{"too old", -second - 1, stamp.PTP, false},
		{"new", second, stamp.PTP, true},
		{"too new", second + 1, stamp.PTP, false},
	} {
		req := stamp.SenderPacket{
			Timestamp:     stamp.NewTimestamp(testT2+c.off, c.format),
			ErrorEstimate: stamp.NewErrorEstimate(time.Millisecond, true, c.format),
		}
		if _, ok := timely(&req, testT2, time.Second); ok != c.ok {
			t.Errorf("%s: timely is %v", c.name, ok)
		}
	}
	none := stamp.SenderPacket{ErrorEstimate: 1}
	if _, ok := timely(&none, 0, time.Second); ok {
		t.Error("no timestamp is timely")
	}
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(cfg *Config) { cfg.ReplayWindow = time.Second }).start()
		s := g.sender(client)
		old := request(0, 1)
		time.Sleep(time.Minute)
		s.send(server, old, old)
		if got := len(s.replies()); got != 2 {
			t.Errorf("%d of 2 unauthenticated packets are answered", got)
		}
	})
}

// Without state there is the time alone.
func TestReplayWithoutState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(cfg *Config) {
			cfg.Keys, cfg.ReplayWindow, cfg.Stateless = parsedKeys(t, "* "+goodKey), time.Second, true
		}).start()
		s := g.sender(client)
		first := authRequest(t, goodKey, 7, 1)
		s.send(server, first, first)
		time.Sleep(2 * time.Second)
		s.send(server, first)
		if got := len(s.replies()); got != 2 || g.drops()[replayed] != 1 {
			t.Errorf("%d replies, dropped %v", got, g.drops())
		}
	})
}

// Whoever sends a packet again, be it in another's name, takes no token of that
// one's.
func TestReplayTakesNoToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, server, func(cfg *Config) {
			cfg.Keys, cfg.ReplayWindow, cfg.RateLimit, cfg.RateLimitTotal = parsedKeys(t, "* "+goodKey), time.Second, 10, 10
		}).start()
		s := g.sender(client)
		first := authRequest(t, goodKey, 0, 1)
		for range 21 {
			s.send(server, first)
		}
		for i := range uint32(9) {
			time.Sleep(time.Nanosecond * 10)
			s.send(server, authRequest(t, goodKey, 1+i, 1))
		}
		if got, drops := len(s.replies()), g.drops(); got != 10 || !maps.Equal(drops, map[reason]uint64{replayed: 20}) {
			t.Errorf("%d replies to 10 requests, dropped %v", got, drops)
		}
	})
}
