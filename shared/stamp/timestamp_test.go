package stamp_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
)

// instant returns Unix nanoseconds of an RFC 3339 time.
func instant(t *testing.T, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixNano()
}

// RFC 8762 4.2.1-6, 4.2.1-7, 4.2.1-8, 4.2.1-9, RFC 4656 4.1.2, RFC 8186 2.3
func TestTimestampOnTheWire(t *testing.T) {
	tests := []struct {
		name   string
		format stamp.Format
		at     string
		want   stamp.Timestamp
	}{
		{"NTP of the Unix epoch", stamp.NTP, "1970-01-01T00:00:00Z", 0x83aa7e80_00000000},
		{"NTP before the Unix epoch", stamp.NTP, "1969-12-31T23:59:59.5Z", 0x83aa7e7f_80000000},
		{"NTP, a quarter second", stamp.NTP, "2025-03-29T14:09:01.25Z", 0xeb927d7d_40000000},
		{"NTP, 1 ns is 4.29 units, rounded down", stamp.NTP, "2025-03-29T14:09:01.000000001Z", 0xeb927d7d_00000004},
		{"NTP, 2 ns are 8.59 units, rounded up", stamp.NTP, "2025-03-29T14:09:01.000000002Z", 0xeb927d7d_00000009},
		{"NTP, rounding does not reach the next second", stamp.NTP, "2025-03-29T14:09:01.999999999Z", 0xeb927d7d_fffffffc},
		{"NTP, first second of what can be told", stamp.NTP, "1968-01-20T03:14:08Z", 0x80000000_00000000},
		{"NTP, last second of era 0", stamp.NTP, "2036-02-07T06:28:15Z", 0xffffffff_00000000},
		{"NTP, first instant of era 1 is not zero", stamp.NTP, "2036-02-07T06:28:16Z", 0x00000000_00000001},
		{"NTP, era 1", stamp.NTP, "2036-02-07T06:28:17Z", 0x00000001_00000000},
		{"NTP, last second of what can be told", stamp.NTP, "2104-02-26T09:42:23Z", 0x7fffffff_00000000},
		{"PTP counts Unix seconds, without the 37 s of TAI", stamp.PTP, "2025-03-29T14:09:01.000000007Z", 0x67e7fefd_00000007},
		{"PTP, last nanosecond of a second", stamp.PTP, "2025-03-29T14:09:01.999999999Z", 0x67e7fefd_3b9ac9ff},
		{"PTP beyond 31 bits", stamp.PTP, "2100-01-01T00:00:00Z", 0xf4865700_00000000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns := instant(t, tt.at)
			got := stamp.NewTimestamp(ns, tt.format)
			if got != tt.want {
				t.Errorf("NewTimestamp(%s) = %#016x, want %#016x", tt.at, uint64(got), uint64(tt.want))
			}
			if back, ok := got.UnixNano(tt.format); !ok || back != ns {
				t.Errorf("UnixNano = %d, %v, want %d", back, ok, ns)
			}
		})
	}
}

func TestTimestampThatTellsNoTime(t *testing.T) {
	tests := []struct {
		name   string
		ts     stamp.Timestamp
		format stamp.Format
		ok     bool
	}{
		{"zero NTP", 0, stamp.NTP, false},
		{"zero PTP", 0, stamp.PTP, false},
		{"a second of PTP nanoseconds", 0x67e7fefd_3b9aca00, stamp.PTP, false},
		{"all PTP bits", 0xffffffff_ffffffff, stamp.PTP, false},
		{"last valid PTP nanosecond", 0x67e7fefd_3b9ac9ff, stamp.PTP, true},
		{"the same fraction is valid in NTP", 0x67e7fefd_3b9aca00, stamp.NTP, true},
		{"all NTP bits", 0xffffffff_ffffffff, stamp.NTP, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns, ok := tt.ts.UnixNano(tt.format)
			if ok != tt.ok {
				t.Errorf("ok = %v, want %v", ok, tt.ok)
			}
			if !ok && ns != 0 {
				t.Errorf("ns = %d, want 0 when not ok", ns)
			}
		})
	}
}

// A fraction of all ones is nearer to the next second than to any nanosecond
// before it.
func TestTimestampRoundsUpIntoTheNextSecond(t *testing.T) {
	got, _ := stamp.Timestamp(0xeb927d7d_ffffffff).UnixNano(stamp.NTP)
	if want := instant(t, "2025-03-29T14:09:02Z"); got != want {
		t.Errorf("UnixNano = %d, want %d", got, want)
	}
}

// Every nanosecond in reach of a format comes back as itself, except that PTP
// moves its very first one.
func TestTimestampRoundTrip(t *testing.T) {
	spans := map[stamp.Format][2]int64{
		stamp.NTP: {instant(t, "1968-01-20T03:14:08Z"), instant(t, "2104-02-26T09:42:24Z")},
		stamp.PTP: {1, instant(t, "2106-02-07T06:28:16Z")},
	}
	random := rand.New(rand.NewPCG(862, 1))
	for format, span := range spans {
		for range 200_000 {
			ns := span[0] + random.Int64N(span[1]-span[0])
			back, ok := stamp.NewTimestamp(ns, format).UnixNano(format)
			if !ok || back != ns {
				t.Fatalf("%v: %d came back as %d, %v", format, ns, back, ok)
			}
		}
	}

	if back, ok := stamp.NewTimestamp(0, stamp.PTP).UnixNano(stamp.PTP); !ok || back != 1 {
		t.Errorf("PTP of the Unix epoch came back as %d, %v, want 1", back, ok)
	}
}

// Later instants have larger timestamps within an era, so that comparing and
// subtracting decoded ones can be trusted to the nanosecond.
func TestTimestampKeepsDifferences(t *testing.T) {
	before := instant(t, "2036-02-07T06:28:15.9999999Z")
	for _, format := range []stamp.Format{stamp.NTP, stamp.PTP} {
		a, _ := stamp.NewTimestamp(before, format).UnixNano(format)
		b, _ := stamp.NewTimestamp(before+200, format).UnixNano(format)
		if b-a != 200 {
			t.Errorf("%v: 200 ns over the end of era 0 became %d ns", format, b-a)
		}
	}
}

func TestFormatText(t *testing.T) {
	for _, want := range []stamp.Format{stamp.NTP, stamp.PTP} {
		got := stamp.NTP + stamp.PTP - want // the other one
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("UnmarshalText(%q) = %v, %v", want, got, err)
		}
	}
	if stamp.NTP.String() != "ntp" || stamp.PTP.String() != "ptp" {
		t.Errorf("formats are %q and %q", stamp.NTP, stamp.PTP)
	}

	for _, text := range []string{"", "NTP", "ptpv2", "ntp "} {
		got := stamp.PTP
		if err := got.UnmarshalText([]byte(text)); err == nil || got != stamp.PTP {
			t.Errorf("UnmarshalText(%q) = %v, %v, want an error and no change", text, got, err)
		}
	}
}
