package page

import (
	"net/http"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/history"
)

// A prober that gets no answers says that it knows of no loss forward and of
// none backward, which is not that there was none.
func TestLossWithoutDirectionIsNotNone(t *testing.T) {
	p := history.Point{Reports: 1, Sent: 10, Lost: 10, LostForward: new(uint64), LostBackward: new(uint64)}
	if f, b := lost(p, p.LostForward), lost(p, p.LostBackward); f != "–" || b != "–" {
		t.Errorf("all lost, nobody knows where: %s forward, %s backward", f, b)
	}
	*p.LostForward = 3
	if f, b := lost(p, p.LostForward), lost(p, p.LostBackward); f != "30 %" || b != "–" {
		t.Errorf("3 of them forward: %s forward, %s backward", f, b)
	}
	p.Lost = 3
	if f, b := lost(p, p.LostForward), lost(p, p.LostBackward); f != "30 %" || b != "0 %" {
		t.Errorf("no others: %s forward, %s backward", f, b)
	}
	all := fleet(time.Now())
	path := all.paths[0].Path
	p.Lost, *p.LostForward = 10, 0
	p.Start, p.End = time.Now().Add(-10*time.Second), time.Now()
	path.Latest, path.Last, path.Spark = p, p.End, []history.Point{p}
	all.paths = []fakePath{{Path: path}}
	shows(t, get(testPage(all), "/"), http.StatusOK, "100 % in all")
}
