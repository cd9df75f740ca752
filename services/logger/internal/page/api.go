package page

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/history"
)

// The forms below are a promise to programs: fields are only ever added.

type apiPath struct {
	ID       string            `json:"id"`
	Prober   string            `json:"prober"`
	Target   string            `json:"target"`
	Address  string            `json:"address"`
	Labels   map[string]string `json:"labels,omitempty"`
	Mode     string            `json:"mode"`
	State    State             `json:"state"`
	Since    *time.Time        `json:"since"`     // of the trouble; null: there is none, or nobody knows
	Way      string            `json:"direction"` // of the trouble; empty: unknown
	Interval int64             `json:"interval_ns"`
	First    time.Time         `json:"first_report"`
	Last     time.Time         `json:"last_report"`
	Latest   apiPoint          `json:"latest"`
}

type apiPoint struct {
	Start        time.Time `json:"start"`
	End          time.Time `json:"end"`
	Reports      int       `json:"reports"`
	Sent         uint64    `json:"sent"`
	Received     uint64    `json:"received"`
	Late         uint64    `json:"late"`
	Lost         uint64    `json:"lost"`
	LostForward  *uint64   `json:"lost_forward"`
	LostBackward *uint64   `json:"lost_backward"`
	Duplicates   uint64    `json:"duplicates"`
	Reordered    uint64    `json:"reordered"`
	SentDSCP     uint8     `json:"sent_dscp"`
	Remarked     uint64    `json:"remarked"`
	HopsForward  *apiHops  `json:"hops_forward"`
	HopsBackward *apiHops  `json:"hops_backward"`
	ClocksValid  bool      `json:"clocks_valid"`
	Suspect      []string  `json:"suspect"`
	Jitter       *int64    `json:"jitter_p95_p50_ns"`
	RTT          *apiDelay `json:"rtt"`
	Forward      *apiDelay `json:"forward"`
	Backward     *apiDelay `json:"backward"`
}

type apiHops struct {
	Min     int  `json:"min"`
	Max     int  `json:"max"`
	Changed bool `json:"changed"`
}

type apiDelay struct {
	N    uint64 `json:"n"`
	Min  int64  `json:"min_ns"`
	P25  int64  `json:"p25_ns"`
	P50  int64  `json:"p50_ns"`
	P75  int64  `json:"p75_ns"`
	P95  int64  `json:"p95_ns"`
	P99  int64  `json:"p99_ns"`
	P999 int64  `json:"p999_ns"`
	Max  int64  `json:"max_ns"`
	Mean int64  `json:"mean_ns"`
}

type apiSeries struct {
	Path   apiPath    `json:"path"`
	From   time.Time  `json:"from"`
	To     time.Time  `json:"to"`
	Step   int64      `json:"step_ns"`
	Points []apiPoint `json:"points"`
}

func (p *Page) apiPaths(w http.ResponseWriter, _ *http.Request) {
	list := []apiPath{}
	for _, r := range p.rows(time.Now()) {
		list = append(list, toPath(r.Path, r.condition))
	}
	p.json(w, map[string]any{"paths": list})
}

func (p *Page) apiPath(w http.ResponseWriter, r *http.Request) {
	id, form, _ := strings.Cut(r.PathValue("file"), ".")
	if form != "json" && form != "csv" {
		p.fail(w, r, http.StatusNotFound, "There is no such form: there are .json and .csv.")
		return
	}
	path, ok := p.known(w, r, id)
	if !ok {
		return
	}
	s, points, err := p.asked(r, defaultPoints)
	if err != nil {
		p.refuse(refusedRequest)
		p.fail(w, r, http.StatusBadRequest, "The series cannot be given: "+err.Error()+".")
		return
	}
	series, err := p.series(path, s, points)
	if err != nil {
		p.log.Error("cannot read the history of a path", "path", path.ID, "err", err)
		p.fail(w, r, http.StatusInternalServerError, errHistory.Error())
		return
	}
	if form == "csv" {
		p.csv(w, series)
		return
	}
	out := apiSeries{Path: toPath(path, diagnose(path, path.Spark, time.Now())), From: s.From.UTC(), To: s.To.UTC(), Step: int64(series.Step), Points: []apiPoint{}}
	for _, q := range series.Points {
		out.Points = append(out.Points, toPoint(q))
	}
	p.json(w, out)
}

func (p *Page) json(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil { // not of these types
		p.log.Error("cannot encode an answer", "err", err)
		http.Error(w, errors.Unwrap(err).Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(b, '\n'))
}

func toPath(p history.Path, c condition) apiPath {
	a := apiPath{
		ID: p.ID, Prober: p.Prober, Target: p.Target, Address: p.Address, Labels: p.Labels, Mode: p.Mode,
		State: c.State, Interval: int64(p.Interval), First: p.First.UTC(), Last: p.Last.UTC(), Latest: toPoint(p.Latest),
	}
	if t := c.Trouble; t != nil {
		a.Way = t.Direction
		if !t.Start.IsZero() {
			start := t.Start.UTC()
			a.Since = &start
		}
	}
	return a
}

func toPoint(p history.Point) apiPoint {
	a := apiPoint{
		Start: p.Start.UTC(), End: p.End.UTC(), Reports: p.Reports, Sent: p.Sent, Received: p.Received, Late: p.Late,
		Lost: p.Lost, LostForward: p.LostForward, LostBackward: p.LostBackward, Duplicates: p.Duplicates,
		Reordered: p.Reordered, SentDSCP: p.SentDSCP, Remarked: p.Remarked,
		HopsForward: (*apiHops)(p.HopsForward), HopsBackward: (*apiHops)(p.HopsBackward),
		ClocksValid: p.ClocksValid, Suspect: p.Suspect, Jitter: p.JitterNs,
		RTT: toDelay(p.RTT), Forward: toDelay(p.Forward), Backward: toDelay(p.Backward),
	}
	if a.Suspect == nil {
		a.Suspect = []string{}
	}
	return a
}

func toDelay(d *history.Delay) *apiDelay {
	if d == nil {
		return nil
	}
	return &apiDelay{d.N, d.Min, d.P25, d.P50, d.P75, d.P95, d.P99, d.P999, d.Max, int64(d.Mean)}
}

// csvHeader names the columns: those of the JSON form, flat.
var csvHeader = func() []string {
	h := strings.Split("start,end,reports,sent,received,late,lost,lost_forward,lost_backward,duplicates,reordered,sent_dscp,remarked,"+
		"hops_forward_min,hops_forward_max,hops_backward_min,hops_backward_max,clocks_valid,suspect,jitter_p95_p50_ns", ",")
	for _, way := range []string{"rtt", "forward", "backward"} {
		for _, figure := range []string{"n", "min_ns", "p25_ns", "p50_ns", "p75_ns", "p95_ns", "p99_ns", "p999_ns", "max_ns", "mean_ns"} {
			h = append(h, way+"_"+figure)
		}
	}
	return h
}()

func (p *Page) csv(w http.ResponseWriter, s history.Series) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	out := csv.NewWriter(w)
	_ = out.Write(csvHeader) // as the rest: the browser has gone
	for _, q := range s.Points {
		_ = out.Write(csvRow(q))
	}
	out.Flush()
}

// csvRow leaves empty what is unknown.
func csvRow(p history.Point) []string {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	maybe := func(n *uint64) string {
		if n == nil {
			return ""
		}
		return number(*n)
	}
	hops := func(h *history.Hops) []string {
		if h == nil {
			return []string{"", ""}
		}
		return []string{strconv.Itoa(h.Min), strconv.Itoa(h.Max)}
	}
	jitter := ""
	if p.JitterNs != nil {
		jitter = strconv.FormatInt(*p.JitterNs, 10)
	}
	row := []string{
		p.Start.UTC().Format(time.RFC3339Nano), p.End.UTC().Format(time.RFC3339Nano), strconv.Itoa(p.Reports),
		number(p.Sent), number(p.Received), number(p.Late), number(p.Lost), maybe(p.LostForward), maybe(p.LostBackward),
		number(p.Duplicates), number(p.Reordered), number(uint64(p.SentDSCP)), number(p.Remarked),
	}
	row = append(row, hops(p.HopsForward)...)
	row = append(row, hops(p.HopsBackward)...)
	row = append(row, strconv.FormatBool(p.ClocksValid), plainCell(strings.Join(p.Suspect, "; ")), jitter)
	for _, d := range []*history.Delay{p.RTT, p.Forward, p.Backward} {
		if d == nil {
			row = append(row, make([]string, 10)...)
			continue
		}
		row = append(row, number(d.N))
		for _, v := range []int64{d.Min, d.P25, d.P50, d.P75, d.P95, d.P99, d.P999, d.Max, int64(d.Mean)} {
			row = append(row, strconv.FormatInt(v, 10))
		}
	}
	return row
}

// plainCell keeps a spreadsheet from taking words of the network for a formula.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

type apiView struct {
	layout
	Example   string // id of a path
	Columns   []string
	MaxPoints int
	Points    int
	MaxDays   int
}

func (p *Page) apiHelp(w http.ResponseWriter, _ *http.Request) {
	view := apiView{
		layout: p.layout("For programs", "api"), Example: "ID", Columns: csvHeader,
		MaxPoints: maxPoints, Points: defaultPoints, MaxDays: int(maxSpan / (24 * time.Hour)),
	}
	if paths := p.Store.Paths(); len(paths) > 0 {
		view.Example = paths[0].ID
	}
	p.render(w, http.StatusOK, "api.html", view)
}
