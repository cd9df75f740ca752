package main

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func encode(t *testing.T, highest int64, values ...int64) string {
	t.Helper()
	h := hdrhistogram.New(1, highest, 3)
	for _, v := range values {
		if err := h.RecordValue(v); err != nil {
			t.Fatal(err)
		}
	}
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Reports of different bases and ranges come out as one; what is no report, or
// has no reply in it, is passed over.
func TestRun(t *testing.T) {
	const hour = int64(3600e9)
	line := func(histogram string) string {
		return fmt.Sprintf(`{"seq":1,"subject":"s","event":{"type":"twamp.v1.rtt","data":{"rtt":%s}}}`+"\n", histogram)
	}
	histogram := func(base int64, hdr string) string {
		return line(fmt.Sprintf(`{"p50_ns":1,"histogram":{"base_ns":%d,"hdr_v2":%q}}`, base, hdr))
	}
	in := histogram(0, encode(t, hour, 1000, 1001, 1002)) + line("null") +
		`{"seq":2,"event":{"type":"twamp.v1.log","data":{"records":[]}}}` + "\n" +
		histogram(-500, encode(t, math.MaxInt64, 0, 1500, 20_000_500))
	var out strings.Builder
	if err := run(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	var n, reports int
	var p50, p99, largest int64
	const format = "%d round-trip times of %d reports\np50 %d ns\np99 %d ns\np100 %d ns\n"
	if _, err := fmt.Sscanf(out.String(), format, &n, &reports, &p50, &p99, &largest); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if n != 6 || reports != 2 || p50 < 1000 || p50 > 1001 || p99 != largest || math.Abs(float64(largest)-20e6) > 20e3 {
		t.Errorf("printed %q", out.String())
	}
	if err := run(strings.NewReader(histogram(0, "none")), &out); err == nil {
		t.Error("a histogram that is none is taken")
	}
}

// What the prober's own encoder wrote can be read.
func TestMergeOfAProber(t *testing.T) {
	const hdr = "HISTFAAAAJR4AQTAoWoCcRzA8e/v++fWLhwHW9jGhWMsDQZj8VhbMfgE9wBX7QbBYj7EYPENDBZNPoLRZzAIFpMIft6mfQmMAIAEAASk/+/tir8LAGyeXSeXodew8ctD+GJh69AfcR86tk92fmjlIiwd+G5jsnYW5n6KrZ2dp7Dy1fuTubvMefKWedRfC2vP4aT0EQAA//+uEReg"
	base, sum, err := merge([]histogram{{0, hdr}, {0, hdr}})
	if err != nil {
		t.Fatal(err)
	}
	// Its report said: 50 replies, from 1434 ns to 33902 ns, median 3434 ns.
	if base != 0 || sum.TotalCount() != 2*50 || !sum.ValuesAreEquivalent(sum.Min(), 1434) || !sum.ValuesAreEquivalent(sum.Max(), 33902) ||
		!sum.ValuesAreEquivalent(sum.ValueAtPercentile(50), 3434) {
		t.Errorf("base %d, %d values from %d to %d, median %d", base, sum.TotalCount(), sum.Min(), sum.Max(), sum.ValueAtPercentile(50))
	}
}
