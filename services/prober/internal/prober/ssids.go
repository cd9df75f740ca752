package prober

import (
	"errors"
	"math/rand/v2"
)

// ssids are the Session-Sender identifiers of the sessions that go on. No two
// have the same (RFC 8972 section 3), but for those beyond 65,535. Zero is that
// of sessions without one.
type ssids map[uint16]int

// choose gives one that nobody has: at random if want is zero, so that nobody
// can guess it, else the first from there.
func (x ssids) choose(want uint16) uint16 {
	random := want == 0
	if random {
		want = randomSSID()
	}
	for range 1 << 16 {
		if want != 0 && x[want] == 0 {
			break
		}
		want++
	}
	return max(want, 1)
}

func (x ssids) take(s uint16) { x[s]++ }

func (x ssids) giveBack(s uint16) {
	if x[s]--; x[s] <= 0 {
		delete(x, s)
	}
}

// randomSSID is not zero, which means none.
func randomSSID() uint16 { return uint16(1 + rand.N(1<<16-1)) }

// ZeroSSID says what becomes of a session whose replies come with SSID zero, as
// those of a reflector that does not know it (RFC 8972 section 3).
type ZeroSSID uint8

// What -zero-ssid can be.
const (
	ContinueOnZeroSSID ZeroSSID = iota
	StopOnZeroSSID
)

// UnmarshalText reads the setting.
func (z *ZeroSSID) UnmarshalText(b []byte) error {
	switch string(b) {
	case "continue":
		*z = ContinueOnZeroSSID
	case "stop":
		*z = StopOnZeroSSID
	default:
		return errors.New("must be continue or stop")
	}
	return nil
}
