package view

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/events"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew)\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

// narrow finds lines that a terminal would break.
func narrow(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := cells(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("this line is %d columns wide: %s", n, line)
		}
	}
}

// scenes are what a person may see.
var scenes = []struct {
	name string
	show func(style) []string
}{
	{"summary", func(s style) []string { return summary(burst(), false, s) }},
	{"loss", func(s style) []string { return summary(lossy(), false, s) }},
	{"silent", func(s style) []string { return summary(silent(), false, s) }},
	{"rewritten", func(s style) []string { return summary(rewritten(), false, s) }},
	{"told", func(s style) []string { return summary(told(), false, s) }},
	{"trouble", func(s style) []string { return summary(wide(), false, s) }},
	{"path", func(s style) []string { return summary(wide(), true, s) }},
	{"paths", func(s style) []string { return summary(paths()[3], false, s) }},
	{"targets", func(s style) []string { return overview(s, lossy(), silent(), rewritten(), wide()) }},
	{"many", func(s style) []string { return overview(s, fleet(100)...) }},
	{"ecmp", func(s style) []string { return overview(s, append(paths(), silent())...) }},
	{"live-begin", func(s style) []string { return liveOf(24, s, nil, burst()) }},
	{"live-single", func(s style) []string { return liveOf(24, s, lossy(), lossy()) }},
	{"live-low", func(s style) []string { return liveOf(8, s, lossy(), lossy()) }},
	{"live-several", func(s style) []string { return liveOf(24, s, burst(), burst(), rewritten(), lossy()) }},
	{"live-many", func(s style) []string { return liveOf(24, s, burst(), fleet(5000)...) }},
	{"progress", func(s style) []string {
		p := prober.Progress{Planned: 10_000, Sent: 4_100, Received: 4_098, Sessions: 1}
		return []string{progressLine(p, 41*time.Second, s.columns)}
	}},
}

func overview(s style, reports ...*events.RTT) []string {
	rows := boardOf(reports...).rows()
	return append(table(rows, math.MaxInt, s), troubles(rows, s)...)
}

func liveOf(rows int, s style, last *events.RTT, reports ...*events.RTT) []string {
	l := live{
		now: burst().Report.End, began: burst().Report.End.Add(-754 * time.Second), every: 10 * time.Second,
		progress: prober.Progress{Sent: 36_000, Received: 35_998}, board: boardOf(reports...), last: last,
	}
	return l.lines(rows-1, s)
}

var codes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Each scene at two widths; colours change nothing but colours, and end in
// their line or go on in the next.
func TestScenes(t *testing.T) {
	for _, scene := range scenes {
		for _, columns := range []int{80, 160} {
			t.Run(fmt.Sprintf("%s-%d", scene.name, columns), func(t *testing.T) {
				got := join(scene.show(style{columns: columns}))
				golden(t, fmt.Sprintf("%s-%d.txt", scene.name, columns), got)
				narrow(t, got, columns)
				coloured := join(scene.show(style{columns: columns, colour: true}))
				if plain := codes.ReplaceAllString(coloured, ""); plain != got {
					t.Errorf("without its colours this is another text:\n%s", coloured)
				}
				if on, off := strings.Count(coloured, "\x1b["), strings.Count(coloured, "\x1b[0m"); on != 2*off {
					t.Errorf("%d of %d codes end a colour:\n%q", off, on, coloured)
				}
			})
		}
	}
}

// The colours that carry a meaning.
func TestColours(t *testing.T) {
	for _, scene := range scenes {
		switch scene.name {
		case "trouble", "targets", "live-single":
			golden(t, scene.name+"-colour.txt", join(scene.show(style{columns: 80, colour: true})))
		}
	}
}

// What is drawn in place fits whatever the width, and the rest from 80 columns.
func TestWidths(t *testing.T) {
	for _, columns := range []int{leastColumns, 57, 79, 100, 120} {
		for _, scene := range scenes {
			text := join(scene.show(style{columns: columns}))
			if drawn := strings.HasPrefix(scene.name, "live") || scene.name == "progress"; drawn || columns >= 80 {
				narrow(t, text, columns)
			}
		}
	}
}
