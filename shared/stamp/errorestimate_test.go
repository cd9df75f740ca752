package stamp_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
)

// RFC 8762 4.2.1-11, 4.2.1-12, 4.2.1-13, 4.3.1-10, RFC 4656 4.1.2, RFC 8186 2.3
func TestErrorEstimateOnTheWire(t *testing.T) {
	tests := []struct {
		name         string
		err          time.Duration
		synchronized bool
		format       stamp.Format
		want         stamp.ErrorEstimate
	}{
		{"zero is the smallest estimate, never multiplier 0", 0, false, stamp.NTP, 0x0001},
		{"negative likewise", -time.Second, false, stamp.NTP, 0x0001},
		{"1 ns is 4.29 units", 1, false, stamp.NTP, 0x0005},
		{"59 ns still fit scale 0", 59, false, stamp.NTP, 0x00fe},
		{"60 ns do not", 60, false, stamp.NTP, 0x0181},
		{"1 s is 128*2^25 units", time.Second, false, stamp.NTP, 0x1980},
		{"1 s and a bit", time.Second + 1, false, stamp.NTP, 0x1981},
		{"255 s fill a multiplier", 255 * time.Second, false, stamp.NTP, 0x20ff},
		{"synchronized", 0, true, stamp.NTP, 0x8001},
		{"PTP", 0, false, stamp.PTP, 0x4001},
		{"both", time.Second, true, stamp.PTP, 0xd980},
		{"the longest duration is 138*2^58 units", math.MaxInt64, false, stamp.NTP, 0x3a8a},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := stamp.NewErrorEstimate(tt.err, tt.synchronized, tt.format)
			if got != tt.want {
				t.Errorf("NewErrorEstimate(%v) = %#04x, want %#04x", tt.err, uint16(got), uint16(tt.want))
			}
			if got.Synchronized() != tt.synchronized || got.Format() != tt.format || !got.Valid() {
				t.Errorf("%#04x: synchronized %v, format %v, valid %v", uint16(got), got.Synchronized(), got.Format(), got.Valid())
			}
		})
	}
}

func TestErrorEstimateDuration(t *testing.T) {
	tests := []struct {
		e    stamp.ErrorEstimate
		want time.Duration
	}{
		{0x0001, 1},                           // 0.23 ns, never understated
		{0x0081, 31},                          // 30.03 ns
		{0x1980, time.Second},                 // 128*2^25*2^-32 s
		{0xd980, time.Second},                 // S and Z are not part of it
		{0x2001, time.Second},                 // 2^32*2^-32 s
		{0x20ff, 255 * time.Second},           //
		{0x3a89, 137 << 26 * time.Second},     // the last below the limit of a Duration
		{0x3a8a, math.MaxInt64},               // 138*2^26 s
		{0x3f01, 1 << 31 * time.Second},       // the largest scale
		{0x3fff, math.MaxInt64},               // and all of it
		{0x3f00, 0}, {0x0000, 0}, {0xc000, 0}, // not valid
	}
	for _, tt := range tests {
		if got := tt.e.Duration(); got != tt.want {
			t.Errorf("%#04x: Duration = %d, want %d", uint16(tt.e), got, tt.want)
		}
		if got, want := tt.e.Valid(), tt.want != 0; got != want {
			t.Errorf("%#04x: Valid = %v, want %v", uint16(tt.e), got, want)
		}
	}
}

// errorUnits is the exact estimate in units of 2^-32 s, from the RFC's formula.
func errorUnits(e stamp.ErrorEstimate) *big.Int {
	multiplier := big.NewInt(int64(e & 0xff))
	return multiplier.Lsh(multiplier, uint(e>>8&0x3f))
}

// Whatever the error: the estimate is not below it, and there is no smaller one
// that would do.
func TestErrorEstimateRounding(t *testing.T) {
	random := rand.New(rand.NewPCG(862, 2))
	durations := []time.Duration{1, 2, 59, 60, 118, 119, math.MaxInt64 - 1, math.MaxInt64}
	for range 50_000 {
		durations = append(durations, time.Duration(random.Uint64()>>(1+random.UintN(63))))
	}

	second := big.NewInt(1_000_000_000)
	for _, err := range durations {
		e := stamp.NewErrorEstimate(err, false, stamp.NTP)
		if !e.Valid() {
			t.Fatalf("%d ns became %#04x, which is not valid", err, uint16(e))
		}
		if e.Duration() < err {
			t.Fatalf("%d ns became %d ns", err, e.Duration())
		}

		// Both sides in units of 2^-32 ns.
		want := new(big.Int).Lsh(big.NewInt(int64(err)), 32)
		if got := new(big.Int).Mul(errorUnits(e), second); got.Cmp(want) < 0 {
			t.Fatalf("%d ns became %#04x, which is below", err, uint16(e))
		}
		if below, ok := nextSmaller(e); ok {
			if got := new(big.Int).Mul(errorUnits(below), second); got.Cmp(want) >= 0 {
				t.Fatalf("%d ns became %#04x, but %#04x is enough", err, uint16(e), uint16(below))
			}
		}
	}
}

// nextSmaller is the largest estimate below e, which is as NewErrorEstimate
// makes it: at the smallest scale that it fits.
func nextSmaller(e stamp.ErrorEstimate) (stamp.ErrorEstimate, bool) {
	switch {
	case e == 1:
		return 0, false
	case e&0xff == 128 && e>>8 > 0:
		return e - 1<<8 + 127, true // 255 of the scale below
	}
	return e - 1, true
}
