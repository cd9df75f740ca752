package page

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/page/plot"
	"tinytwamp/services/logger/internal/tail"
)

const (
	maxTroubles = 20
	maxSuspects = 4    // reasons that are told above the plots
	pathLines   = 12   // of the log, on the path's page
	barCount    = 2000 // from which quantiles are exact enough
	leastUpdate = 2    // seconds between two updates
	mostUpdate  = 60   // likewise
)

// figure is a plot, for screens and for where there is little room.
type figure struct {
	Name         string // of its file, without ending
	Title        string
	Note         string
	Wide, Narrow template.HTML
}

// quantile is one of a distribution.
type quantile struct {
	Name  string
	Share float64
	Value int64
}

// interval is a line of the table of numbers.
type interval struct {
	history.Point
	Clock       string
	HopsChanged bool
}

// past is a trouble, as the page tells it.
type past struct {
	Trouble
	From, To, Lasted string
}

type pathView struct {
	layout
	Path      history.Path
	LabelList []string
	condition
	Since     string
	LastClock string
	Span      span
	SpanText  string
	SpanQuery url.Values
	FromInput string // as a form has it
	ToInput   string
	Ranges    []link
	Figures   []figure
	Bars      figure
	Step      string
	Intervals []interval
	Total     history.Point
	Quantiles []quantile // of the round trip, of the whole time; none: unknown
	Troubles  []past
	Lines     []lineView
	Suspects  []string // why, in this time
	Remarked  bool
	Failed    string // why there is no history; empty: there is
}

// link is a link to another range.
type link struct {
	Name, Long string
	Here       bool
}

func (p *Page) path(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	path, ok := p.known(w, r, r.PathValue("id"))
	if !ok {
		return
	}
	q := r.URL.Query()
	if !q.Has("range") && now.Sub(path.First) < ranges[0].Span { // it would be lost in an hour
		q.Set("range", ranges[0].Name)
	}
	s, err := parseSpan(q, now, p.Zone)
	if err != nil {
		p.refuse(refusedRequest)
		p.fail(w, r, http.StatusBadRequest, "The address of this page cannot be right: "+err.Error()+".")
		return
	}
	view := p.pathView(path, s, now)
	series, err := p.series(path, s, pagePoints)
	if err != nil {
		p.log.Error("cannot read the history of a path", "path", path.ID, "err", err)
		view.Failed = "The history of this time cannot be read; the log of the logger says why."
		p.render(w, http.StatusInternalServerError, "path.html", view)
		return
	}
	p.show(&view, series, now)
	p.render(w, http.StatusOK, "path.html", view)
}

// known returns the path of an id, or answers that there is none.
func (p *Page) known(w http.ResponseWriter, r *http.Request, id string) (history.Path, bool) {
	if isID(id) {
		if path, ok := p.Store.Path(id); ok {
			return path, true
		}
	}
	p.fail(w, r, http.StatusNotFound, "There is no such path, or nothing is known of it any more.")
	return history.Path{}, false
}

// pathView is what is told of a path without its history.
func (p *Page) pathView(path history.Path, s span, now time.Time) pathView {
	view := pathView{
		layout:    p.ofHistory(path.Target, ""),
		Path:      path,
		LabelList: labels(path),
		condition: diagnose(path, path.Spark, now),
		LastClock: p.clock(path.Last, now),
		Span:      s,
		SpanQuery: s.query(),
		FromInput: s.From.In(p.Zone).Format("2006-01-02T15:04"),
		ToInput:   s.To.In(p.Zone).Format("2006-01-02T15:04"),
		Lines:     p.lines(pathLines, now, func(l tail.Line) bool { return isOf(l, path) }),
	}
	view.Since = p.since(view.Trouble, now)
	view.SpanText = fmt.Sprintf("%s to %s", s.From.In(p.Zone).Format("2006-01-02 15:04:05"), s.To.In(p.Zone).Format("2006-01-02 15:04:05"))
	if s.Range != "" {
		view.Live = "paths"
		view.Every = min(max(int(s.To.Sub(s.From)/time.Second/pagePoints/2), leastUpdate), mostUpdate)
	}
	for _, known := range ranges {
		view.Ranges = append(view.Ranges, link{known.Name, known.Long, known.Name == s.Range})
	}
	return view
}

// show adds the history to the view.
func (p *Page) show(view *pathView, series history.Series, now time.Time) {
	points := series.Points
	f := plot.Frame{From: view.Span.From, To: view.Span.To, Zone: p.Zone}
	both := func(draw func(plot.Frame) []byte) (wide, narrow template.HTML) {
		f.Width, f.Pointed = plot.Wide, true
		wide = template.HTML(draw(f))
		f.Width, f.Pointed = plot.Narrow, false
		return wide, template.HTML(draw(f))
	}
	add := func(fig figure, draw func(plot.Frame) []byte) {
		fig.Wide, fig.Narrow = both(draw)
		view.Figures = append(view.Figures, fig)
	}
	delay := func(way plot.Way) {
		fig := figure{Name: string(way), Title: way.Name()}
		if way != plot.RoundTrip && len(points) > 0 && plot.Relative(points) {
			fig.Note = "variation only, above the least of each report: the clocks do not agree"
		}
		add(fig, func(f plot.Frame) []byte { return plot.Delay(f, way, points) })
	}
	delay(plot.RoundTrip)
	add(figure{Name: "loss", Title: "Loss by direction"}, func(f plot.Frame) []byte { return plot.Loss(f, points) })
	delay(plot.Forward)
	delay(plot.Backward)
	p.distribution(view, f)
	view.Step = long(series.Step)
	p.sumUp(view, points, now)
}

// distribution adds that of the round trip to the view. It stands in half of the
// page.
func (p *Page) distribution(view *pathView, f plot.Frame) {
	bars, err := p.bars(view.Path, view.Span)
	if err != nil {
		p.log.Error("cannot read the distribution of a path", "path", view.Path.ID, "err", err)
		view.Bars.Note = "cannot be read; the log of the logger says why"
	}
	f.Pointed = true
	f.Width = plot.Half
	view.Bars.Wide = template.HTML(plot.Bars(f, bars))
	f.Width = plot.Narrow
	view.Bars.Narrow = template.HTML(plot.Bars(f, bars))
	if len(bars) > 0 {
		for _, q := range []quantile{{Name: "p50", Share: 0.5}, {Name: "p95", Share: 0.95}, {Name: "p99", Share: 0.99}, {Name: "p99.9", Share: 0.999}, {Name: "max", Share: 1}} {
			q.Value = plot.Quantile(bars, q.Share)
			view.Quantiles = append(view.Quantiles, q)
		}
	}
}

// sumUp adds the numbers to the view, and what they tell.
func (p *Page) sumUp(view *pathView, points []history.Point, now time.Time) {
	total := history.Point{LostForward: new(uint64), LostBackward: new(uint64)}
	for i, q := range points {
		if q.Reports == 0 {
			continue
		}
		view.Intervals = append(view.Intervals, interval{q, p.clock(q.Start, now), plot.HopsChanged(points[:i], q)})
		total.Reports += q.Reports
		total.Sent += q.Sent
		total.Received += q.Received
		total.Lost += q.Lost
		total.Late += q.Late
		total.Duplicates += q.Duplicates
		total.Reordered += q.Reordered
		total.Remarked += q.Remarked
		addKnown(&total.LostForward, q.LostForward)
		addKnown(&total.LostBackward, q.LostBackward)
		for _, why := range q.Suspect {
			switch {
			case slices.Contains(view.Suspects, why):
			case len(view.Suspects) < maxSuspects:
				view.Suspects = append(view.Suspects, why)
			case len(view.Suspects) == maxSuspects:
				view.Suspects = append(view.Suspects, "and others, which the numbers below name")
			}
		}
	}
	slices.Reverse(view.Intervals) // the newest first
	view.Total, view.Remarked = total, total.Remarked > 0
	found := troubles(points)
	if n := len(found); n > 0 && view.Trouble != nil && view.State != Stale {
		p.refine(view, found[n-1], now)
	}
	for _, t := range slices.Backward(found) {
		if len(view.Troubles) == maxTroubles {
			break
		}
		view.Troubles = append(view.Troubles, past{t, p.clock(t.Start, now), p.clock(t.End, now), long(t.End.Sub(t.Start))})
	}
}

// refine adds to what goes on now, which is told by the last hour alone and
// without one-way delays, what the time shown knows of it.
func (p *Page) refine(view *pathView, t Trouble, now time.Time) {
	if t.End.Before(view.Path.Last.Add(-quietLeast)) { // another, long over
		return
	}
	if view.Trouble.Before && t.Start.Before(view.Trouble.Start) {
		view.Since = p.since(&t, now)
	}
	if view.Trouble.Direction == "" && view.State == t.State {
		view.Trouble.Direction = t.Direction
	}
}

// plot answers with one plot as a file.
func (p *Page) plot(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(r.PathValue("plot"), ".svg")
	ways := map[string]plot.Way{"rtt": plot.RoundTrip, "forward": plot.Forward, "backward": plot.Backward}
	way, isDelay := ways[name]
	if !ok || !isDelay && name != "loss" && name != "distribution" {
		p.fail(w, r, http.StatusNotFound, "There is no such plot: there are rtt.svg, forward.svg, backward.svg, loss.svg and distribution.svg.")
		return
	}
	path, ok := p.known(w, r, r.PathValue("id"))
	if !ok {
		return
	}
	s, points, err := p.asked(r, pagePoints)
	if err != nil {
		p.refuse(refusedRequest)
		p.fail(w, r, http.StatusBadRequest, "The plot cannot be drawn: "+err.Error()+".")
		return
	}
	f := plot.Frame{From: s.From, To: s.To, Zone: p.Zone, Width: plot.Wide, Style: plotStyle}
	if r.URL.Query().Get("narrow") != "" {
		f.Width = plot.Narrow
	}
	var drawing []byte
	if name == "distribution" {
		bars, e := p.bars(path, s)
		drawing, err = plot.Bars(f, bars), e
	} else {
		series, e := p.series(path, s, points)
		err = e
		if isDelay {
			drawing = plot.Delay(f, way, series.Points)
		} else {
			drawing = plot.Loss(f, series.Points)
		}
	}
	if err != nil {
		p.log.Error("cannot read the history of a path", "path", path.ID, "err", err)
		p.fail(w, r, http.StatusInternalServerError, errHistory.Error())
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", plotPolicy)
	w.Write(drawing)
}

// series is that of the store, and empty for a time of which nothing can be
// known.
func (p *Page) series(path history.Path, s span, points int) (history.Series, error) {
	series, err := p.Store.Series(path.ID, s.From, s.To, points)
	if errors.Is(err, history.ErrRange) {
		return history.Series{Path: path}, nil
	}
	return series, err
}

func (p *Page) bars(path history.Path, s span) ([]history.Bar, error) {
	bars, err := p.Store.Distribution(path.ID, s.From, s.To, barCount)
	if errors.Is(err, history.ErrRange) {
		return nil, nil
	}
	return bars, err
}

var errHistory = errors.New("the history cannot be read; the log of the logger says why")

// asked reads which time and how many points a program asks for.
func (p *Page) asked(r *http.Request, standard int) (span, int, error) {
	q := r.URL.Query()
	s, err := parseSpan(q, time.Now(), p.Zone)
	if err != nil {
		return span{}, 0, err
	}
	points := standard
	if q.Get("points") != "" {
		points, err = parsePoints(q)
	}
	return s, points, err
}
