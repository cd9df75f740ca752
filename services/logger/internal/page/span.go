package page

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Bounds of what can be asked for.
const (
	minPoints     = 2
	maxPoints     = 2000
	pagePoints    = 240
	defaultPoints = 300
	maxSpan       = 400 * 24 * time.Hour
	minSpan       = time.Second
	defaultRange  = "1h"
)

// oldest is the earliest instant that can be asked for.
var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// ranges are those that the page has links to.
var ranges = []struct {
	Name string
	Long string
	Span time.Duration
}{
	{"10m", "10 minutes", 10 * time.Minute},
	{"1h", "hour", time.Hour},
	{"3h", "3 hours", 3 * time.Hour},
	{"1d", "day", 24 * time.Hour},
	{"7d", "7 days", 7 * 24 * time.Hour},
	{"30d", "30 days", 30 * 24 * time.Hour},
}

// span is the time that a request asks for.
type span struct {
	From, To time.Time
	Range    string // its name; empty: from and to were given
}

// query asks for the same span again.
func (s span) query() url.Values {
	if s.Range != "" {
		return url.Values{"range": {s.Range}}
	}
	return url.Values{"from": {s.From.UTC().Format(time.RFC3339)}, "to": {s.To.UTC().Format(time.RFC3339)}}
}

// parseSpan reads range, or from and to.
func parseSpan(q url.Values, now time.Time, zone *time.Location) (span, error) {
	from, to := q.Get("from"), q.Get("to")
	if from == "" && to == "" {
		name := q.Get("range")
		if name == "" {
			name = defaultRange
		}
		for _, r := range ranges {
			if r.Name == name {
				return span{From: now.Add(-r.Span), To: now, Range: name}, nil
			}
		}
		return span{}, fmt.Errorf("range must be 10m, 1h, 3h, 1d, 7d or 30d, not %.20q", name)
	}
	if from == "" {
		return span{}, fmt.Errorf("to needs from: the start of the time, such as %s", now.Add(-time.Hour).UTC().Format(time.RFC3339))
	}
	s := span{To: now}
	var err error
	if s.From, err = parseInstant("from", from, zone); err != nil {
		return span{}, err
	}
	if to != "" {
		if s.To, err = parseInstant("to", to, zone); err != nil {
			return span{}, err
		}
	}
	switch {
	case s.From.Before(oldest) || s.To.After(now.Add(24*time.Hour)):
		return span{}, fmt.Errorf("from and to must be between %d and tomorrow", oldest.Year())
	case s.To.Sub(s.From) < minSpan:
		return span{}, fmt.Errorf("to must be at least %s after from", minSpan)
	case s.To.Sub(s.From) > maxSpan:
		return span{}, fmt.Errorf("from and to must be at most %d days apart", maxSpan/(24*time.Hour))
	}
	return s, nil
}

// parseInstant reads RFC 3339, seconds since 1970, or what a browser's form
// sends, which is in the page's zone.
func parseInstant(name, text string, zone *time.Location) (time.Time, error) {
	if n, err := strconv.ParseInt(text, 10, 40); err == nil {
		return time.Unix(n, 0), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s must be an instant such as 2026-01-31T14:05:00Z, or seconds since 1970, not %.40q", name, text)
}

// parsePoints reads how many points a series may have.
func parsePoints(q url.Values) (int, error) {
	text := q.Get("points")
	if text == "" {
		return defaultPoints, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < minPoints || n > maxPoints {
		return 0, fmt.Errorf("points must be %d to %d, not %.20q", minPoints, maxPoints, text)
	}
	return n, nil
}

// isID tells whether a text can be the id of a path.
func isID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
