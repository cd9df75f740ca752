package page

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/tail"
	"tinytwamp/shared/events"
)

const (
	maxLines  = 200
	tailEvery = 1 // seconds between two updates
)

// kinds are those of lines, with the names that people know them by.
var kinds = []struct{ Name, Long string }{
	{events.KindRTT, "results"},
	{string(events.PacketReceived), "packets received"},
	{string(events.ResponseSent), "responses sent"},
	{string(events.ResultReceived), "results at the reflector"},
	{string(events.PacketDropped), "packets dropped"},
	{string(events.SessionOpened), "sessions opened"},
	{string(events.SessionEnded), "sessions ended"},
	{string(events.SessionRefused), "sessions refused"},
	{string(events.ControlOpened), "control connections"},
	{string(events.ControlRefused), "control connections refused"},
	{string(events.ControlClosed), "control connections ended"},
	{string(events.EventsLost), "events lost"},
	{events.KindOmitted, "lines left out"},
	{events.KindDeadLetter, "unreadable messages"},
}

// lineView is a line as the page shows it.
type lineView struct {
	tail.Line
	Clock string
	Class string
}

type eventsView struct {
	layout
	Lines   []lineView
	Kind    string
	Service string
	Path    string
	Text    string
	Kinds   []struct{ Name, Long string }
	Paths   []history.Path
	Any     bool // there have been lines
}

func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	q := r.URL.Query()
	view := eventsView{
		layout: p.layout("Events", "events"),
		Kind:   clip(q.Get("kind")), Service: clip(q.Get("service")), Path: clip(q.Get("path")), Text: clip(q.Get("text")),
		Kinds: kinds,
		Paths: p.Store.Paths(),
	}
	view.Live, view.Every = "lines", tailEvery
	view.Paths = view.Paths[:min(len(view.Paths), maxRows)]
	slices.SortStableFunc(view.Paths, func(a, b history.Path) int { return strings.Compare(a.Target, b.Target) })
	wanted := func(tail.Line) bool { return false }
	if view.Path == "" {
		wanted = view.wants
	} else if path, ok := p.Store.Path(view.Path); isID(view.Path) && ok {
		wanted = func(l tail.Line) bool { return isOf(l, path) && view.wants(l) }
	}
	view.Lines = p.lines(maxLines, now, wanted)
	view.Any = len(p.Tail.Newest(1, func(tail.Line) bool { return true })) > 0
	p.render(w, http.StatusOK, "events.html", view)
}

// wants tells whether a line passes the filters, but that of the path.
func (v eventsView) wants(l tail.Line) bool {
	return (v.Kind == "" || l.Kind == v.Kind) &&
		(v.Service == "" || l.Service == v.Service) &&
		strings.Contains(strings.ToLower(l.Text+"\n"+l.Instance), strings.ToLower(v.Text))
}

// isOf tells whether a line may be of a path.
func isOf(l tail.Line, path history.Path) bool {
	target, err := netip.ParseAddrPort(path.Address)
	return err == nil && l.Of(path.Prober, target)
}

func (p *Page) lines(limit int, now time.Time, wanted func(tail.Line) bool) []lineView {
	list := p.Tail.Newest(limit, wanted)
	views := make([]lineView, len(list))
	for i, l := range list {
		views[i] = lineView{l, p.clock(l.Time, now), classOf(l.Kind)}
	}
	return views
}

// classOf gives lines that tell of trouble a class.
func classOf(kind string) string {
	switch kind {
	case string(events.PacketDropped), string(events.EventsLost), string(events.SessionRefused), string(events.ControlRefused), events.KindDeadLetter:
		return "bad"
	case events.KindRTT, string(events.ResultReceived):
		return "result"
	}
	return "plain"
}
