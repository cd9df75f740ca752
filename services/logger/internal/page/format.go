package page

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"time"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/page/plot"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"ns":    plot.Duration,
	"share": plot.Share,
	"hops":  plot.Hops,
	"known": lost,
	"open":  plot.Unresolved,
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"query": func(v url.Values) template.URL { return template.URL(v.Encode()) },
	"state": func(s string) State { return State(s) },
}

// lost returns the share of a point's packets lost in one direction, if it is
// known.
func lost(p history.Point, n *uint64) string {
	if !plot.LostOneWay(p, n) {
		return "–"
	}
	return plot.Share(*n, p.Sent)
}

// clock returns an instant as short as it can be told today.
func (p *Page) clock(t, now time.Time) string {
	t, now = t.In(p.Zone), now.In(p.Zone)
	switch {
	case t.IsZero():
		return "–"
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("15:04:05")
	case t.Year() == now.Year():
		return t.Format("Jan 2 15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// minute is clock without seconds.
func (p *Page) minute(t, now time.Time) string {
	if t.In(p.Zone).Format(time.DateOnly) == now.In(p.Zone).Format(time.DateOnly) {
		return t.In(p.Zone).Format("15:04")
	}
	return p.clock(t, now)
}

// since tells from when on a trouble is there.
func (p *Page) since(t *Trouble, now time.Time) string {
	switch {
	case t == nil, t.Start.IsZero():
		return ""
	case t.Before:
		return "since before " + p.minute(t.Start, now)
	}
	return "since " + p.minute(t.Start, now)
}

// long returns a time in words, two units at most.
func long(d time.Duration) string {
	for _, u := range []struct {
		of          time.Duration
		name, small string
		part        time.Duration
	}{{24 * time.Hour, "d", "h", time.Hour}, {time.Hour, "h", "min", time.Minute}, {time.Minute, "min", "s", time.Second}} {
		if d >= u.of {
			text := fmt.Sprintf("%d %s", d/u.of, u.name)
			if rest := d % u.of / u.part; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, u.small)
			}
			return text
		}
	}
	if d >= time.Second {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return d.Round(time.Millisecond).String()
}

// labels returns a path's labels, sorted.
func labels(p history.Path) []string {
	list := make([]string, 0, len(p.Labels))
	for k, v := range p.Labels {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list
}
