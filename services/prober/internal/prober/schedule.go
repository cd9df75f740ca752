package prober

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Schedule says how the times between a session's packets are chosen.
type Schedule uint8

// What -schedule can be.
const (
	Periodic Schedule = iota // all alike, RFC 3432
	Poisson                  // exponentially distributed, RFC 2330 section 11.1.1
)

// String is the schedule as settings and events name it.
func (s Schedule) String() string { return [...]string{"periodic", "poisson"}[s] }

// UnmarshalText reads the setting.
func (s *Schedule) UnmarshalText(b []byte) error {
	switch string(b) {
	case "periodic":
		*s = Periodic
	case "poisson":
		*s = Poisson
	default:
		return errors.New("must be periodic or poisson")
	}
	return nil
}

// gap is the time between two packets.
func (s Schedule) gap(mean time.Duration) time.Duration {
	if s == Poisson {
		return max(1, time.Duration(rand.ExpFloat64()*float64(mean)))
	}
	return mean
}
