package plot

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"
)

// labelsOf returns the texts of a drawing.
func labelsOf(t *testing.T, drawing []byte) []string {
	t.Helper()
	var svg struct {
		Text []string `xml:"text"`
	}
	if err := xml.Unmarshal(drawing, &svg); err != nil {
		t.Fatal(err)
	}
	return svg.Text
}

// A day is named once, be it of 23 or 25 hours.
func TestDaysWhoseClocksChange(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from time.Time
		want string
	}{
		"autumn": {time.Date(2026, 10, 22, 12, 0, 0, 0, zone), "Oct 23,Oct 24,Oct 25,Oct 26,Oct 27,Oct 28,Oct 29"},
		"spring": {time.Date(2026, 3, 26, 12, 0, 0, 0, zone), "Mar 27,Mar 28,Mar 29,Mar 30,Mar 31,Apr 1,Apr 2"},
	} {
		var drawing canvas
		drawing.begin("plot", Wide, 100, "days", "")
		f := Frame{From: c.from, To: c.from.Add(7 * 24 * time.Hour), Zone: zone, Width: Wide}
		f.timeAxis(&drawing, f.area(100))
		if got := strings.Join(labelsOf(t, drawing.end()), ","); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
