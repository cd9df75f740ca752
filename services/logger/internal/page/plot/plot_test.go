package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/history"
)

var update = flag.Bool("update", false, "write testdata anew")

var start = time.Date(2026, 1, 31, 14, 0, 0, 0, time.UTC)

func frame(d time.Duration) Frame {
	return Frame{From: start, To: start.Add(d), Zone: time.UTC, Width: Wide, Pointed: true}
}

func delay(median int64) *history.Delay {
	return &history.Delay{N: 60, Min: median * 9 / 10, P25: median * 19 / 20, P50: median, P75: median * 11 / 10, P95: median * 6 / 5, P99: median * 3 / 2, P999: median * 2, Max: median * 2, Mean: float64(median)}
}

func known64(n uint64) *uint64 { return &n }

// series has one of everything in eight minutes.
func series() []history.Point {
	points := make([]history.Point, 8)
	for i := range points {
		at := start.Add(time.Duration(i) * time.Minute)
		points[i] = history.Point{
			Start: at, End: at.Add(time.Minute), Reports: 6, Sent: 60, Received: 60, ClocksValid: true, LostForward: known64(0), LostBackward: known64(0),
			RTT: delay(12e6), Forward: delay(5e6), Backward: delay(7e6),
			HopsForward: &history.Hops{Min: 5, Max: 5}, HopsBackward: &history.Hops{Min: 6, Max: 6},
		}
	}
	points[1].Suspect = []string{"kernel drops"}
	points[2].Lost, points[2].LostForward = 3, known64(3)
	points[3] = history.Point{Start: points[3].Start, End: points[3].End}
	points[4].Lost, points[4].LostForward, points[4].LostBackward = 6, nil, nil
	points[4].Remarked = 60
	points[5].Remarked = 60
	points[5].RTT, points[5].Lost, points[5].LostBackward = delay(19e6), 1, known64(1)
	points[6].HopsForward = &history.Hops{Min: 7, Max: 7}
	points[7].RTT, points[7].Forward, points[7].Backward, points[7].Received, points[7].Lost = nil, nil, nil, 0, 60
	points[7].LostForward, points[7].LostBackward = nil, nil
	return points
}

func bars() []history.Bar {
	return []history.Bar{{From: 10e6, To: 11e6}, {From: 11e6, To: 12e6, N: 40}, {From: 12e6, To: 13e6, N: 90}, {From: 13e6, To: 15e6, N: 12}, {From: 15e6, To: 20e6, N: 1}, {From: 20e6, To: 30e6}}
}

func TestGoldenPlots(t *testing.T) {
	f := frame(8 * time.Minute)
	for name, got := range map[string][]byte{
		"rtt":          Delay(f, RoundTrip, series()),
		"forward":      Delay(f, Forward, series()),
		"loss":         Loss(f, series()),
		"spark":        Spark(series(), start.Add(8*time.Minute)),
		"distribution": Bars(f, bars()),
	} {
		file := filepath.Join("testdata", name+".svg")
		got = append(bytes.ReplaceAll(got, []byte("><"), []byte(">\n<")), '\n')
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s:\n%s", name, file, got)
		}
	}
}

// wellFormed fails unless a drawing is XML without values that are no numbers.
func wellFormed(t *testing.T, what string, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("%s: %v\n%.500s", what, err, svg)
			return
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s: %s of %s is %q", what, a.Name.Local, e.Name.Local, a.Value)
				}
				if (a.Name.Local == "width" || a.Name.Local == "height") && strings.HasPrefix(a.Value, "-") {
					t.Errorf("%s: %s of %s is %s", what, a.Name.Local, e.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestPlotsAreWellFormed(t *testing.T) {
	hostile := series()
	hostile[1].Suspect = []string{`</title><script>alert(1)</script>&"'`}
	one := series()[:1]
	same := series()[:1]
	same[0].RTT = &history.Delay{N: 1, Min: 5, P25: 5, P50: 5, P75: 5, P95: 5, P99: 5, P999: 5, Max: 5}
	negative := series()
	for i := range negative {
		negative[i].Forward = delay(-400e9)
	}
	vast := series()
	vast[2].RTT = delay(math.MaxInt64 / 4)
	zero := series()
	zero[0].RTT = &history.Delay{}
	odd := series() // counts that do not fit each other
	odd[2].LostForward, odd[2].LostBackward = known64(1e9), known64(1e9)
	odd[5].Sent = 0
	cases := map[string][]history.Point{"usual": series(), "none": nil, "hostile": hostile, "one": one, "same": same, "negative": negative, "vast": vast, "zero": zero, "odd": odd}
	for name, points := range cases {
		for _, d := range []time.Duration{8 * time.Minute, 30 * 24 * time.Hour, time.Second, 0} {
			for _, style := range []string{"", ".a > .b { fill: red }"} {
				f := frame(d)
				f.Style = style
				what := fmt.Sprint(name, " ", d)
				for _, way := range []Way{RoundTrip, Forward, Backward} {
					wellFormed(t, what+" "+string(way), Delay(f, way, points))
				}
				wellFormed(t, what+" loss", Loss(f, points))
				wellFormed(t, what+" spark", Spark(points, start.Add(d)))
			}
		}
	}
	for name, b := range map[string][]history.Bar{"usual": bars(), "none": nil, "empty": {{From: 1, To: 2}}, "from zero": {{From: 0, To: 1, N: 3}}, "one": {{From: 7, To: 7, N: 1}}, "vast": {{From: 1, To: 2, N: 1}, {From: 1e17, To: 1e18, N: math.MaxUint32}}} {
		wellFormed(t, "bars "+name, Bars(frame(time.Minute), b))
	}
}

func TestOutlierDoesNotFlattenTheRest(t *testing.T) {
	points := make([]history.Point, 60)
	for i := range points {
		at := start.Add(time.Duration(i) * time.Minute)
		points[i] = history.Point{Start: at, End: at.Add(time.Minute), Reports: 1, RTT: delay(10e6)}
	}
	points[30].RTT.P99, points[30].RTT.Max = 5e9, 5e9
	svg := string(Delay(frame(time.Hour), RoundTrip, points))
	if strings.Count(svg, `class="over"`) != 1 || strings.Contains(svg, " s</text>") {
		t.Errorf("the outlier sets the scale, or is not marked:\n%s", svg)
	}
}

func TestMixedClocks(t *testing.T) {
	points := series()
	if Relative(points) {
		t.Error("clocks that agree are not believed")
	}
	points[0].ClocksValid, points[0].Forward = false, delay(900e9)
	if svg := string(Delay(frame(8*time.Minute), Forward, points)); strings.Contains(svg, " s</text>") {
		t.Error("the offset of clocks that do not agree sets the scale")
	}
	for i := range points {
		points[i].ClocksValid = false
	}
	if !Relative(points) || !strings.Contains(string(Delay(frame(8*time.Minute), Forward, points)), ">+") {
		t.Error("what is only variation is not marked as such")
	}
}

func TestDurationsAndShares(t *testing.T) {
	for ns, want := range map[int64]string{0: "0 ns", 7: "7 ns", 999: "999 ns", 1000: "1 µs", 16690: "16.7 µs", 1234567: "1.23 ms", 99_960_000: "100 ms", 12_300_000: "12.3 ms", 1_500_000_000: "1.50 s", -2_500_000: "-2.50 ms", 3e12: "3000 s"} {
		if got := Duration(ns); got != want {
			t.Errorf("%d ns is %q, want %q", ns, got, want)
		}
	}
	for _, c := range []struct {
		n, of uint64
		want  string
	}{{0, 0, "–"}, {0, 10, "0 %"}, {1, 3, "33.3 %"}, {1, 1_000_000, "< 0.01 %"}, {10, 10, "100 %"}, {1, 200, "0.50 %"}} {
		if got := Share(c.n, c.of); got != c.want {
			t.Errorf("%d of %d is %q, want %q", c.n, c.of, got, c.want)
		}
	}
}

func TestQuantiles(t *testing.T) {
	for share, want := range map[float64]int64{0.5: 12.5e6, 0.01: 11.5e6, 0.99: 14e6, 1: 17.5e6} {
		if got := Quantile(bars(), share); got != want {
			t.Errorf("quantile %v is %d, want %d", share, got, want)
		}
	}
	if Quantile(nil, 0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}

func TestHopChanges(t *testing.T) {
	points := series()
	for i, want := range []bool{false, false, false, false, false, false, true, true} {
		if HopsChanged(points[:i], points[i]) != want {
			t.Errorf("hops changed in %d: want %v", i, want)
		}
	}
}
