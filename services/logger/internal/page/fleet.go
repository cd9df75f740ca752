package page

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/page/plot"
)

// Bounds of the table of paths.
const (
	maxRows   = 500
	maxLabels = 200 // in the list to choose from
	maxFilter = 200 // octets
	fleetIdle = 2   // seconds between two updates
	fleetBusy = 5   // likewise, of a long table
	busyRows  = 100
)

// row is a path in the table.
type row struct {
	history.Path
	condition
	LabelList []string
	Since     string
	Spark     template.HTML
	LastClock string
}

// tally is how many paths are in a state.
type tally struct {
	State State
	N     int
	Query url.Values
	Here  bool
}

type fleetView struct {
	layout
	Rows    []row
	More    int // that are not shown
	All     int // paths that there are
	Bad     int // of them not ok
	Tallies []tally
	Text    string
	Label   string
	State   string
	Labels  []string
}

func (p *Page) fleet(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q := r.URL.Query()
	view := fleetView{
		layout: p.ofHistory("Paths", "fleet"),
		Text:   clip(q.Get("text")), Label: clip(q.Get("label")), State: clip(q.Get("state")),
	}
	view.Live, view.Every = "paths", fleetIdle
	all := p.rows(now)
	view.All = len(all)
	view.Labels = labelsOf(all)
	rows := slices.DeleteFunc(all, func(r row) bool { return !r.matches(view.Text, view.Label) })
	for _, s := range states {
		n := 0
		for _, r := range rows {
			if r.State == s {
				n++
			}
		}
		if s != OK {
			view.Bad += n
		}
		view.Tallies = append(view.Tallies, tally{s, n, view.query(s), view.State == string(s)})
	}
	if view.State != "" {
		rows = slices.DeleteFunc(rows, func(r row) bool { return string(r.State) != view.State })
	}
	view.More = max(len(rows)-maxRows, 0)
	view.Rows = rows[:len(rows)-view.More]
	if len(view.Rows) > busyRows {
		view.Every = fleetBusy
	}
	for i := range view.Rows {
		view.Rows[i].Spark = template.HTML(plot.Spark(view.Rows[i].Path.Spark, now))
	}
	p.render(w, http.StatusOK, "fleet.html", view)
}

// query asks for the paths of one state, or for all if they are shown now.
func (v fleetView) query(s State) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"text": v.Text, "label": v.Label, "state": string(s)} {
		if value != "" && (name != "state" || v.State != value) {
			q.Set(name, value)
		}
	}
	return q
}

// rows returns all paths, those in trouble first.
func (p *Page) rows(now time.Time) []row {
	paths := p.Store.Paths()
	rows := make([]row, len(paths))
	for i, path := range paths {
		c := diagnose(path, path.Spark, now)
		rows[i] = row{Path: path, condition: c, LabelList: labels(path), Since: p.since(c.Trouble, now), LastClock: p.clock(path.Last, now)}
	}
	slices.SortStableFunc(rows, byTrouble)
	return rows
}

// byTrouble puts the worst first. Those without trouble keep their places,
// whatever their figures do.
func byTrouble(a, b row) int {
	severity := func(r row) float64 {
		switch r.State {
		case Loss:
			return float64(r.Recent.Lost) / float64(r.Recent.Sent)
		case Slow:
			return float64(r.Trouble.Median) / float64(max(r.Trouble.Usual, 1))
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(a.State.rank(), b.State.rank()),
		cmp.Compare(severity(b), severity(a)),
		cmp.Compare(a.Target, b.Target),
		cmp.Compare(a.Address, b.Address),
		cmp.Compare(a.Prober, b.Prober),
		cmp.Compare(a.ID, b.ID),
	)
}

// matches tells whether a row has a text in what names it, and a label: its
// key, or key=value.
func (r row) matches(text, label string) bool {
	if label != "" && !slices.ContainsFunc(r.LabelList, func(l string) bool {
		return l == label || strings.HasPrefix(l, label+"=")
	}) {
		return false
	}
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		if !strings.Contains(strings.ToLower(strings.Join(append([]string{r.Target, r.Address, r.Prober}, r.LabelList...), "\n")), word) {
			return false
		}
	}
	return true
}

func labelsOf(rows []row) []string {
	seen := map[string]bool{}
	for _, r := range rows {
		for _, l := range r.LabelList {
			if len(seen) < maxLabels {
				seen[l] = true
			}
		}
	}
	list := make([]string, 0, len(seen))
	for l := range seen {
		list = append(list, l)
	}
	slices.Sort(list)
	return list
}

func clip(s string) string { return s[:min(len(s), maxFilter)] }
