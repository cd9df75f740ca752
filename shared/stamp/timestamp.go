package stamp

import "fmt"

// Format is the format of a [Timestamp], RFC 8186 section 2.3.
type Format uint8

// Formats. Their values are those of bit Z of an [ErrorEstimate].
const (
	NTP Format = iota // seconds since 1900 and a binary fraction, RFC 4656 section 4.1.2
	PTP               // seconds and nanoseconds of IEEE 1588v2, truncated to 64 bits
)

// String returns "ntp" or "ptp".
func (f Format) String() string {
	if f == PTP {
		return "ptp"
	}
	return "ntp"
}

// UnmarshalText accepts "ntp" and "ptp".
func (f *Format) UnmarshalText(text []byte) error {
	switch string(text) {
	case "ntp":
		*f = NTP
	case "ptp":
		*f = PTP
	default:
		return fmt.Errorf("stamp: timestamp format %q is neither ntp nor ptp", text)
	}
	return nil
}

const (
	nsPerSecond = 1_000_000_000

	// ntpToUnix is the time from 1900 to 1970 in seconds: 70 years, 17 of them
	// leap years (RFC 4330 section 3).
	ntpToUnix = (70*365 + 17) * 86400
)

// Timestamp is an instant as its 8 octets stand on the wire. All zero means
// that there is none. Which [Format] it is in has to be known from the
// [ErrorEstimate] that goes with it.
type Timestamp uint64

// NewTimestamp returns the instant unixNs, in Unix nanoseconds, in format f.
// [Timestamp.UnixNano] gives the same nanosecond back for instants of the years
// 1968 to 2104 (NTP) and 1970 to 2106 (PTP); others come back as one of these.
func NewTimestamp(unixNs int64, f Format) Timestamp {
	seconds, ns := unixNs/nsPerSecond, unixNs%nsPerSecond
	if ns < 0 {
		seconds, ns = seconds-1, ns+nsPerSecond
	}

	low := uint64(ns)
	if f == NTP {
		seconds += ntpToUnix
		low = (low<<32 + nsPerSecond/2) / nsPerSecond
	}

	t := Timestamp(uint64(seconds)<<32 | low)
	if t == 0 {
		// The first instant of an era is not "no timestamp". One unit is less
		// than half a nanosecond in NTP, and one nanosecond in PTP.
		t = 1
	}
	return t
}

// UnixNano returns the instant in Unix nanoseconds, NTP rounded to the nearest.
// It is not ok if t is zero, or holds a second or more of PTP nanoseconds.
//
// NTP seconds are of the era that RFC 4330 section 3 infers: with the highest
// bit set of 1968 to 2036, else of 2036 to 2104.
func (t Timestamp) UnixNano(f Format) (ns int64, ok bool) {
	seconds, low := int64(t>>32), int64(t&0xffff_ffff)

	switch {
	case t == 0:
		return 0, false
	case f == PTP && low >= nsPerSecond:
		return 0, false
	case f == PTP:
		return seconds*nsPerSecond + low, true
	}

	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return (seconds-ntpToUnix)*nsPerSecond + (low*nsPerSecond+1<<31)>>32, true
}
