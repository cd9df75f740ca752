package stamp

import (
	"math"
	"math/bits"
	"time"
)

// ErrorEstimate says how far a clock may be off, whether it is synchronized,
// and in which format its timestamps are. From the highest bit down, as
// described in RFC 4656, section 4.1.2, and for Z in RFC 8186, section 2.3:
//
//	S           1 bit   synchronized to UTC by an external source
//	Z           1 bit   timestamp format, 0 NTP, 1 PTP
//	Scale       6 bits
//	Multiplier  8 bits  the error is Multiplier * 2^(Scale-32) seconds
type ErrorEstimate uint16

const (
	bitS       = 1 << 15
	bitZ       = 1 << 14
	scaleShift = 8
	scaleMask  = 0x3f
	maxFactor  = 0xff // largest Multiplier
)

// NewErrorEstimate returns the smallest estimate that is not below err. The
// Multiplier must not be 0, so that an err of 0 or less becomes 2^-32 seconds.
func NewErrorEstimate(err time.Duration, synchronized bool, f Format) ErrorEstimate {
	// In units of 2^-32 s the longest durations need 66 bits. Their lower bits
	// are zero, so that the scale can take up the excess without a loss.
	hi, lo := bits.Mul64(uint64(max(err, 0)), 1<<32)
	var scale uint16
	for hi >= nsPerSecond {
		hi, lo = hi>>1, hi<<63|lo>>1
		scale++
	}

	factor, rest := bits.Div64(hi, lo, nsPerSecond)
	if rest > 0 || factor == 0 {
		factor++
	}
	for factor > maxFactor {
		factor = (factor + 1) / 2
		scale++
	}

	e := ErrorEstimate(scale<<scaleShift | uint16(factor))
	if synchronized {
		e |= bitS
	}
	if f == PTP {
		e |= bitZ
	}
	return e
}

// Synchronized reports whether the clock is synchronized to UTC.
func (e ErrorEstimate) Synchronized() bool { return e&bitS != 0 }

// Format returns the format of the timestamps that the estimate goes with.
func (e ErrorEstimate) Format() Format {
	if e&bitZ != 0 {
		return PTP
	}
	return NTP
}

// Valid reports whether the Multiplier is not 0. RFC 4656 section 4.1.2 takes a
// packet for corrupt where it is.
func (e ErrorEstimate) Valid() bool { return e&maxFactor != 0 }

// Duration returns the estimated error, rounded up to a nanosecond so that it
// is never understated. The format reaches further than a time.Duration: a
// longer error comes back as the longest one. It is 0 only if e is not valid.
func (e ErrorEstimate) Duration() time.Duration {
	hi, lo := bits.Mul64(uint64(e&maxFactor)*nsPerSecond, 1<<(e>>scaleShift&scaleMask))
	if hi >= 1<<31 {
		return math.MaxInt64
	}

	ns := hi<<32 | lo>>32
	if lo&0xffff_ffff != 0 {
		ns++
	}
	return time.Duration(ns)
}
