package page

import (
	"io"
	"net/http"
	"time"
)

const (
	newsSpace = time.Second      // between two
	heartbeat = 15 * time.Second // without news: proxies end what is silent
	newsWrite = 5 * time.Second  // that one may take to leave
)

// live tells a browser when there is something new, as server-sent events. The
// browser then asks for its page again, and shows what changed in it.
func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	var subscribe func() (<-chan struct{}, func())
	switch r.PathValue("what") {
	case "paths":
		subscribe = p.Store.Subscribe
	case "lines":
		subscribe = p.Tail.Subscribe
	default:
		p.fail(w, r, http.StatusNotFound, "There are news of paths and of lines.")
		return
	}
	if r.Method == http.MethodHead || r.Header.Get("Sec-Fetch-Site") == "cross-site" { // which could take all places
		p.refuse(refusedRequest)
		p.fail(w, r, http.StatusForbidden, "News are for this server's pages.")
		return
	}
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		p.refuse(refusedStreams)
		w.Header().Set("Retry-After", "30")
		p.fail(w, r, http.StatusServiceUnavailable, "Too many browsers listen to news already.")
		return
	}
	p.metrics.streams.Inc()
	defer p.metrics.streams.Dec()
	news, cancel := subscribe()
	defer cancel()
	p.tell(w, r, news)
}

// tell passes news on until the browser goes.
func (p *Page) tell(w http.ResponseWriter, r *http.Request, news <-chan struct{}) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the request is over: else the server would end it
	say := func(text string) bool {
		if err := control.SetWriteDeadline(time.Now().Add(newsWrite)); err != nil {
			return false
		}
		_, err := io.WriteString(w, text)
		return err == nil && control.Flush() == nil
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	text := "retry: 3000\n\n"
	for say(text) {
		pause.Reset(heartbeat)
		select {
		case <-r.Context().Done():
			return
		case <-p.ending.Done():
			return
		case <-pause.C:
			text = ": still here\n\n"
			continue
		case <-news:
			text = "data: new\n\n"
		}
		pause.Reset(newsSpace)
		select {
		case <-r.Context().Done():
			return
		case <-p.ending.Done():
			return
		case <-pause.C:
		}
	}
}
