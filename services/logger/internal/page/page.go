// Package page shows a fleet's paths and their history in a browser, and gives
// the same figures to programs. It only reads.
package page

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"

	"tinytwamp/services/logger/internal/history"
	"tinytwamp/services/logger/internal/tail"
)

// Store is the history that is shown.
type Store interface {
	Paths() []history.Path
	Path(id string) (history.Path, bool)
	Series(id string, from, to time.Time, points int) (history.Series, error)
	Distribution(id string, from, to time.Time, bars int) ([]history.Bar, error)
	Subscribe() (news <-chan struct{}, cancel func())
	Loading() int // event files that are still to be read in
}

// Options are what a [Page] works with. It owns none of it.
type Options struct {
	Name    string         // of this logger
	Store   Store          // of results
	Tail    *tail.Tail     // the newest lines
	Token   string         // that lets in; empty: none does
	Trusted []netip.Prefix // of proxies that have asked who it is
	Zone    *time.Location // of the times that are shown
	Metrics prometheus.Registerer
}

// Bounds of the server.
const (
	maxConnections = 256
	maxStreams     = 64
	requestTimeout = 10 * time.Second // for a request to arrive
	answerTimeout  = 30 * time.Second // for its answer to leave
	idleTimeout    = 2 * time.Minute
	closeGrace     = time.Second // for requests under way when the service ends
)

// Page is the page's HTTP server.
type Page struct {
	Options
	log      *slog.Logger
	listener net.Listener
	loopback bool
	metrics  *metrics
	streams  chan struct{}   // a place for each stream of news
	ending   context.Context // ends the streams
	end      context.CancelFunc
}

// Listen begins to listen; [Page.Serve] answers.
func Listen(address string, o Options, log *slog.Logger) (*Page, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the page's address %s, choose another with -page: %w", address, err)
	}
	p := newPage(o, log)
	p.loopback = isLoopback(listener.Addr().String())
	p.listener = netutil.LimitListener(listener, maxConnections)
	return p, nil
}

func newPage(o Options, log *slog.Logger) *Page {
	p := &Page{Options: o, log: log, metrics: newMetrics(o.Metrics), streams: make(chan struct{}, maxStreams)}
	p.ending, p.end = context.WithCancel(context.Background())
	return p
}

// isLoopback tells whether an address with its port is the host's own.
func isLoopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// Addr returns the address that the page listens on, with the port that the
// system chose for port 0.
func (p *Page) Addr() string { return p.listener.Addr().String() }

// URL is where a browser on this host finds the page.
func (p *Page) URL() string {
	address, _ := netip.ParseAddrPort(p.Addr()) // a listener's own
	if address.Addr().IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d/", address.Port())
	}
	return "http://" + address.String() + "/"
}

// Serve answers until ctx ends. It is the Run of a task of the service.
func (p *Page) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug), // what strangers send
	}
	defer p.end()
	served := make(chan error, 1)
	go func() { served <- server.Serve(p.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("page ended: %w", err)
	case <-ctx.Done():
	}
	p.end()
	grace, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := server.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
		server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("page ended: %w", err)
	}
	return nil
}

// handler is all of the page, behind its guards.
func (p *Page) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.fleet)
	mux.HandleFunc("GET /path/{id}", p.path)
	mux.HandleFunc("GET /path/{id}/{plot}", p.plot)
	mux.HandleFunc("GET /events", p.events)
	mux.HandleFunc("GET /live/{what}", p.live)
	mux.HandleFunc("GET /api", p.apiHelp)
	mux.HandleFunc("GET /api/paths.json", p.apiPaths)
	mux.HandleFunc("GET /api/path/{file}", p.apiPath)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, http.StatusNotFound, "There is no such page.")
	})

	open := http.NewServeMux() // for those who are not let in yet
	open.HandleFunc("GET /static/{file}", static)
	open.HandleFunc("GET /login", p.loginForm)
	open.HandleFunc("POST /login", p.login)
	open.Handle("/", p.admit(mux))
	return p.count(p.guard(open))
}
