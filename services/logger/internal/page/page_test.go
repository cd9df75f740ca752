package page

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/tail"
)

// testPage is a page on loopback that shows a store.
func testPage(s Store, change ...func(*Options)) *Page {
	o := Options{Name: "l1", Store: s, Tail: tail.New(), Zone: time.UTC, Metrics: prometheus.NewRegistry()}
	for _, c := range change {
		c(&o)
	}
	p := newPage(o, slog.New(slog.DiscardHandler))
	p.loopback = true
	return p
}

// get asks as a browser does; change alters the request.
func get(p *Page, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "127.0.0.1:8620"
	r.Header.Set("Accept", "text/html")
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	p.handler().ServeHTTP(w, r)
	return w
}

// shows fails unless an answer has a status and texts.
func shows(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d: %.300s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("nothing of %q in\n%.600s", text, w.Body)
		}
	}
}

func TestFleetShowsEachStateTheWorstFirst(t *testing.T) {
	w := get(testPage(fleet(time.Now())), "/")
	shows(t, w, http.StatusOK, "4 of 6 paths in trouble", ">no reply</span> <b>1</b>", ">ok</span> <b>2</b>", "<svg", "site=fra", "<span class=\"since\">forward since ")
	at := -1
	for _, target := range []string{"old-router", "fra-edge", "tokyo", "lab-host", "ams-core", "paris"} {
		i := strings.Index(w.Body.String(), ">"+target+"</a>")
		if i < at {
			t.Errorf("%s does not stand where its trouble puts it", target)
		}
		at = i
	}
}

func TestFleetFiltersWithoutJavaScript(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for query, want := range map[string][]string{
		"text=FRA":            {"fra-edge"},
		"text=edge+probe-ams": {"fra-edge"},
		"text=2001:db8":       {"fra-edge"},
		"label=site=ams":      {"old-router", "ams-core"},
		"label=role":          {"fra-edge"},
		"label=si":            nil,
		"state=loss":          {"fra-edge"},
		"state=ok&text=paris": {"paris"},
	} {
		w := get(p, "/?"+query)
		for _, target := range []string{"old-router", "fra-edge", "tokyo", "lab-host", "ams-core", "paris"} {
			wanted := strings.Contains(strings.Join(want, " "), target)
			if strings.Contains(w.Body.String(), ">"+target+"</a>") != wanted {
				t.Errorf("%s: is %s shown? It should be: %v", query, target, wanted)
			}
		}
		if want == nil {
			shows(t, w, http.StatusOK, "No path fits the filter.")
		}
	}
}

func TestEmptyFleetSaysWhatToDo(t *testing.T) {
	shows(t, get(testPage(&fakeStore{}), "/"), http.StatusOK, "No results yet.")
	shows(t, get(testPage(&fakeStore{}), "/events"), http.StatusOK, "No lines yet.")
}

func TestFleetIsBounded(t *testing.T) {
	s := &fakeStore{paths: make([]fakePath, maxRows+7)}
	for i := range s.paths {
		s.paths[i].Path = history.Path{ID: "x", Target: "t", Last: time.Now()}
	}
	w := get(testPage(s), "/")
	shows(t, w, http.StatusOK, "7 more paths are not shown")
	if n := strings.Count(w.Body.String(), "<tr data-key"); n != maxRows {
		t.Errorf("%d rows", n)
	}
}

func TestPathTellsWhatSinceWhenAndWhere(t *testing.T) {
	now := time.Now()
	p := testPage(fleet(now))
	from := func(ago time.Duration) string { return now.Add(-ago).UTC().Format("15:04") }
	for id, want := range map[string][]string{
		"fra1": {"packets lost forward, on the way to the target</strong> since " + from(23*time.Minute)},
		"tyo1": {"usually 4", "it grew backward, on the way from the target</strong> since " + from(12*time.Minute)},
		"rtr1": {"<strong>No reply</strong> since " + from(48*time.Minute)},
		"lab1": {"<strong>No report</strong> since " + from(17*time.Minute)},
		"ams1": {"Nothing wrong in the last five minutes.", "None."},
		"par1": {"Nothing wrong in the last five minutes.", "of packets lost, direction unknown", "variation only"},
	} {
		w := get(p, "/path/"+id)
		shows(t, w, http.StatusOK, want...)
		shows(t, w, http.StatusOK, `class="plot rtt"`, `class="plot forward"`, `class="plot backward"`, `class="plot loss"`, `class="plot bars"`,
			`href="/api/path/`+id+`.json?range=1h"`, "<details class=\"numbers\">", `href="/path/`+id+`?range=30d"`)
	}
}

// While the history is made of the files, a reader knows that times are missing.
func TestHistoryThatIsBeingMade(t *testing.T) {
	s := fleet(time.Now())
	p := testPage(s)
	for _, target := range []string{"/", "/path/fra1"} {
		s.loading = 7
		shows(t, get(p, target), http.StatusOK, "The history is being made of the event files: 7 to go.")
		s.loading = 0
		w := get(p, target)
		shows(t, w, http.StatusOK, `<p id="loading" data-swap class="loading" role="status"></p>`)
	}
}

func TestPathRanges(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for _, r := range ranges {
		w := get(p, "/path/fra1?range="+r.Name)
		shows(t, w, http.StatusOK, `title="the last `+r.Long+`" aria-current="page"`, `data-live="paths"`)
	}
	w := get(p, "/path/fra1?from=2026-01-31T14:00&to=2026-01-31T15:00")
	shows(t, w, http.StatusOK, "2026-01-31 14:00:00 to", "rtt.svg?from=2026-01-31T14%3A00%3A00Z&amp;to=2026-01-31T15%3A00%3A00Z", "Nothing is known of this time.")
	if strings.Contains(w.Body.String(), "data-live") {
		t.Error("what is past is asked for again and again")
	}
}

// Of a path that has just begun, an hour would be empty.
func TestNewPathIsShownUpClose(t *testing.T) {
	now := time.Now()
	s := &fakeStore{}
	s.add(fakePath{Path: history.Path{ID: "new1", Target: "new", First: now.Add(-time.Minute)}, base: time.Millisecond}, now)
	shows(t, get(testPage(s), "/path/new1"), http.StatusOK, `title="the last 10 minutes" aria-current="page"`)
	shows(t, get(testPage(s), "/path/new1?range=1h"), http.StatusOK, `title="the last hour" aria-current="page"`)
}

func TestBadRequestsAreExplained(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for target, want := range map[string]string{
		"/path/fra1?range=2y":                                          "range must be",
		"/path/fra1?from=yesterday":                                    "from must be an instant",
		"/path/fra1?to=2026-01-01T00:00:00Z":                           "to needs from",
		"/path/fra1?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "must be at least",
		"/path/fra1?from=2001-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "days apart",
		"/path/fra1?from=1970-01-02T00:00:00Z&to=1970-02-01T00:00:00Z": "between 2000 and tomorrow",
		"/api/path/fra1.json?points=1":                                 "points must be 2 to 2000",
		"/api/path/fra1.csv?points=2001":                               "points must be 2 to 2000",
		"/path/fra1/rtt.svg?points=x":                                  "points must be 2 to 2000",
	} {
		shows(t, get(p, target), http.StatusBadRequest, want)
	}
	for _, target := range []string{
		"/path/nobody", "/path/..%2f..%2fetc", "/path/a%00b", "/path/fra1/rtt.png", "/path/fra1/x.svg", "/api/path/fra1.xml",
		"/api/path/nobody.json", "/x", "/static/..%2fpage.go", "/static/nothing.css", "/live/other", "/path/" + strings.Repeat("a", 65),
	} {
		shows(t, get(p, target), http.StatusNotFound)
	}
	if n := testutil.ToFloat64(p.metrics.refused.WithLabelValues(string(refusedRequest))); n != 9 {
		t.Errorf("%v requests counted as refused, want 9", n)
	}
}

func TestStoreThatFailsIsSaid(t *testing.T) {
	s := fleet(time.Now())
	s.broken = true
	p := testPage(s)
	shows(t, get(p, "/path/fra1"), http.StatusInternalServerError, "The history of this time cannot be read", "packets lost")
	for _, target := range []string{"/api/path/fra1.json", "/api/path/fra1.csv", "/path/fra1/rtt.svg", "/path/fra1/distribution.svg"} {
		w := get(p, target, func(r *http.Request) { r.Header.Del("Accept") })
		shows(t, w, http.StatusInternalServerError, "cannot be read")
		if strings.Contains(w.Body.String(), "fire") {
			t.Error("strangers are told of the disk")
		}
	}
}

func TestEventsFilter(t *testing.T) {
	s := fleet(time.Now())
	p := testPage(s)
	target, port := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddrPort("192.0.2.1:862")
	p.Tail.Add([]tail.Line{
		{Time: time.Now(), Kind: "rtt", Service: "prober", Instance: "probe-ams", Prober: "probe-ams", Target: port, Text: "line one"},
		{Time: time.Now(), Kind: "packet_dropped", Service: "reflector", Instance: "r7", Ends: [2]netip.Addr{{}, target}, Text: "line two"},
		{Time: time.Now(), Kind: "rtt", Service: "prober", Instance: "p2", Prober: "other", Target: port, Text: "line three"},
	})
	for query, want := range map[string]string{
		"":                                  "one two three",
		"kind=rtt":                          "one three",
		"service=reflector":                 "two",
		"text=LINE+t":                       "two three",
		"text=R7":                           "two",
		"path=ams1":                         "one two",
		"path=fra1":                         "",
		"path=nobody":                       "",
		"path=ams1&kind=rtt&service=prober": "one",
	} {
		w := get(p, "/events?"+query)
		for _, word := range []string{"one", "two", "three"} {
			if strings.Contains(w.Body.String(), "line "+word) != strings.Contains(want, word) {
				t.Errorf("%q: is line %s shown? want %q", query, word, want)
			}
		}
		if want == "" {
			shows(t, w, http.StatusOK, "No line fits the filter.")
		}
	}
	shows(t, get(p, "/path/ams1"), http.StatusOK, "line one", "line two")
}

// What a peer chose is text wherever it is shown.
func TestHostileTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>' javascript:alert(1) {{.}} </title></style>`
	now := time.Now()
	s := &fakeStore{}
	s.add(fakePath{Path: history.Path{
		ID: "evil1", Prober: evil, Target: evil, Address: evil, Labels: map[string]string{evil: evil},
	}, base: time.Millisecond, lossF: 0.1, bad: now.Add(-time.Minute)}, now)
	s.paths[0].Mode = evil
	s.paths[0].Latest.Suspect = []string{evil}
	p := testPage(s, func(o *Options) { o.Name = evil })
	p.Tail.Add([]tail.Line{{Time: now, Kind: evil, Service: evil, Instance: evil, Text: evil}})
	q := url.QueryEscape(evil)
	for _, target := range []string{
		"/", "/?text=" + q + "&label=" + q + "&state=" + q, "/path/evil1", "/path/evil1?range=" + q, "/path/evil1?from=" + q, "/events",
		"/events?kind=" + q + "&service=" + q + "&path=" + q + "&text=" + q, "/api", "/path/" + url.PathEscape(evil), "/path/evil1/rtt.svg", "/path/evil1/loss.svg",
		"/login?next=" + q,
	} {
		w := get(p, target)
		body := w.Body.String()
		for _, bad := range []string{"<script>alert", "<img src=x", `"><script>`, "onerror=alert(1)>"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: %q came through", target, bad)
			}
		}
		if strings.Contains(body, `href="javascript:`) {
			t.Errorf("%s: a link that runs", target)
		}
	}
	shows(t, get(p, "/events"), http.StatusOK, "&lt;script&gt;alert(1)&lt;/script&gt;")
}

func TestStaticFiles(t *testing.T) {
	p := testPage(&fakeStore{})
	for name, kind := range map[string]string{"page.css": "text/css", "plot.css": "text/css", "colours.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		w := get(p, "/static/"+name)
		shows(t, w, http.StatusOK)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, kind) {
			t.Errorf("%s is %s", name, got)
		}
		again := get(p, "/static/"+name, func(r *http.Request) { r.Header.Set("If-None-Match", w.Header().Get("ETag")) })
		shows(t, again, http.StatusNotModified)
	}
}

// Nothing comes from elsewhere, and nothing stands in the page that runs.
func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for _, target := range []string{"/", "/path/fra1", "/events", "/api", "/nothing"} {
		body := get(p, target).Body.String()
		for _, bad := range []string{` style="`, "<style", "onclick", "onload", `src="http`, `href="http`, "@import"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %q", target, bad)
			}
		}
		for _, must := range []string{`<html lang="en">`, `<main id="main">`, `class="skip"`, "<h1>"} {
			if !strings.Contains(body, must) {
				t.Errorf("%s lacks %q", target, must)
			}
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	server := httptest.NewServer(testPage(fleet(time.Now())).handler())
	defer server.Close()
	answer, err := http.Head(server.URL + "/api/paths.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || len(b) > 0 {
		t.Errorf("HEAD: %s, %d octets", answer.Status, len(b))
	}
}

// BenchmarkFleet is the table of 500 paths with an hour of minutes each, apart
// from the store.
func BenchmarkFleet(b *testing.B) {
	now := time.Now()
	s := &fakeStore{}
	for i := range maxRows {
		s.add(fakePath{Path: history.Path{ID: fmt.Sprint("p", i), Target: fmt.Sprint("target-", i), Labels: map[string]string{"site": "x"}}, base: time.Millisecond}, now)
	}
	p := testPage(s)
	for b.Loop() {
		b.ReportMetric(float64(get(p, "/").Body.Len()), "octets")
	}
}
