package page

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// colours reads the variables of colours.css, light and dark.
func colours(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	b, err := staticFiles.ReadFile("static/colours.css")
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(b), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark colours")
	}
	read := func(css string) map[string]string {
		m := map[string]string{}
		for _, v := range regexp.MustCompile(`--([a-z]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
			m[v[1]] = v[2]
		}
		return m
	}
	return read(before), read(after)
}

// luminance is that of WCAG 2.2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 24)
	if err != nil {
		t.Fatalf("colour %q: %v", colour, err)
	}
	part := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(n>>16) + 0.7152*part(n>>8) + 0.0722*part(n)
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// WCAG AA: text 4.5:1 on its ground, shapes that tell something 3:1.
func TestContrast(t *testing.T) {
	light, dark := colours(t)
	if len(light) != len(dark) {
		t.Errorf("%d light colours, %d dark ones", len(light), len(dark))
	}
	for name, c := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, ground := range []string{"ground", "panel"} {
			for _, text := range []string{"ink", "quiet", "accent", "ok", "loss", "slow", "stale", "silent"} {
				if r := contrast(t, c[text], c[ground]); r < 4.5 {
					t.Errorf("%s: text in %s on %s has %.2f:1", name, text, ground, r)
				}
			}
		}
		for _, shape := range []string{"rtt", "forward", "backward", "unknown", "mark", "loss", "ink"} {
			for _, ground := range []string{"panel", "shade"} {
				if r := contrast(t, c[shape], c[ground]); r < 3 {
					t.Errorf("%s: shapes in %s on %s have %.2f:1", name, shape, ground, r)
				}
			}
		}
		if r := contrast(t, c["panel"], c["accent"]); r < 4.5 {
			t.Errorf("%s: buttons have %.2f:1", name, r)
		}
	}
	if r := contrast(t, "#000000", "#ffffff"); math.Abs(r-21) > 0.01 {
		t.Errorf("black on white has %.2f:1, not 21:1", r)
	}
}
