package page

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPathsAsJSON(t *testing.T) {
	w := get(testPage(fleet(time.Now())), "/api/paths.json")
	var got struct {
		Paths []struct {
			ID, Target, State, Direction string
			Since                        *time.Time
			Latest                       struct {
				LostForward *uint64 `json:"lost_forward"`
				RTT         *struct {
					P50 int64 `json:"p50_ns"`
				}
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Paths) != 6 || got.Paths[0].ID != "rtr1" || got.Paths[0].State != "no reply" || got.Paths[0].Since == nil || got.Paths[0].Latest.RTT != nil {
		t.Errorf("got %+v", got)
	}
	if p := got.Paths[1]; p.Direction != "forward" || p.Latest.RTT.P50 < 10e6 || p.Latest.LostForward == nil {
		t.Errorf("got %+v", p)
	}
}

// The fields and columns are a promise.
func TestFieldsOfSeries(t *testing.T) {
	p := testPage(fleet(time.Now()))
	w := get(p, "/api/path/fra1.json?range=10m&points=10")
	var got struct {
		Points []map[string]any
		Step   int64 `json:"step_ns"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Points) < 9 || len(got.Points) > 11 || got.Step < int64(time.Minute) {
		t.Fatalf("%d points of %d ns", len(got.Points), got.Step)
	}
	var fields []string
	for name, value := range got.Points[3] {
		if delay, ok := value.(map[string]any); ok && name != "hops_forward" && name != "hops_backward" {
			for figure := range delay {
				fields = append(fields, name+"_"+figure)
			}
		} else if ok {
			fields = append(fields, name+"_min", name+"_max")
		} else {
			fields = append(fields, name)
		}
	}
	want := slices.Clone(csvHeader)
	slices.Sort(want)
	slices.Sort(fields)
	if !slices.Equal(fields, want) {
		t.Errorf("JSON has\n%v\nCSV has\n%v", fields, want)
	}

	w = get(p, "/api/path/fra1.csv?range=10m&points=10")
	if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") {
		t.Error(kind)
	}
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) < 10 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if !slices.Equal(rows[0], csvHeader) {
		t.Errorf("header %v", rows[0])
	}
	if first := strings.Join(rows[0][:9], ","); first != "start,end,reports,sent,received,late,lost,lost_forward,lost_backward" {
		t.Errorf("columns begin with %s", first)
	}
}

func TestUnknownIsEmpty(t *testing.T) {
	p := testPage(fleet(time.Now()))
	rows, err := csv.NewReader(get(p, "/api/path/rtr1.csv?range=10m&points=10").Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lost_forward", "hops_forward_min", "jitter_p95_p50_ns", "rtt_p50_ns", "backward_n"} {
		if v := rows[5][slices.Index(csvHeader, name)]; v != "" {
			t.Errorf("%s of a path without replies is %q", name, v)
		}
	}
	if s := plainCell("=1+1"); s != "'=1+1" {
		t.Errorf("a formula: %s", s)
	}
}

func TestPlotsAsFiles(t *testing.T) {
	p := testPage(fleet(time.Now()))
	for _, name := range []string{"rtt", "forward", "backward", "loss", "distribution"} {
		w := get(p, "/path/fra1/"+name+".svg?range=1d&points=100")
		shows(t, w, http.StatusOK, "<svg", "<style>", "--forward:")
		if kind := w.Header().Get("Content-Type"); kind != "image/svg+xml" {
			t.Error(kind)
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "style-src 'sha256-") {
			t.Error("the plot's own style is not let in")
		}
	}
	shows(t, get(p, "/path/fra1/rtt.svg?narrow=1"), http.StatusOK, `viewBox="0 0 400`)
}

func TestHelpForProgramsNamesEverything(t *testing.T) {
	w := get(testPage(fleet(time.Now())), "/api")
	shows(t, w, http.StatusOK, "/api/paths.json", "/api/path/ams1.json", "/api/path/ams1.csv", "/path/ams1/rtt.svg", "2 to 2000", "400 days", "rtt_p999_ns")
}
