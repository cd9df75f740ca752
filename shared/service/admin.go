package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// adminTimeout bounds a request's arrival and its answer.
	adminTimeout = 10 * time.Second
	// profileTimeout leaves room for a CPU profile, 30 s unless asked otherwise.
	profileTimeout = 2 * time.Minute
	// adminGrace is how long requests may go on when the service ends.
	adminGrace = time.Second
)

// Admin is the admin HTTP of a service.
type Admin struct {
	listener net.Listener // nil: off
	server   *http.Server
}

// ListenAdmin begins to listen on the admin address of s; [Admin.Serve]
// answers. Without an address the admin HTTP is off, which is not an error.
//
//	/livez     200 as long as the process answers
//	/readyz    200 when ready, else 503 with a reason a line; then what else is wrong
//	/metrics   what the registry holds, for Prometheus
//	/debug/pprof/ with the setting
func ListenAdmin(s Settings, health *Health, metrics *prometheus.Registry) (*Admin, error) {
	if s.Admin == "" {
		return &Admin{}, nil
	}
	listener, err := net.Listen("tcp", s.Admin)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the admin address %s, choose another with -admin: %w", s.Admin, err)
	}
	server := &http.Server{
		Handler:           adminMux(s, health, metrics),
		ReadHeaderTimeout: adminTimeout,
		ReadTimeout:       adminTimeout,
		WriteTimeout:      adminTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 14,
	}
	if s.Pprof {
		server.WriteTimeout = profileTimeout
	}
	return &Admin{listener: listener, server: server}, nil
}

func adminMux(s Settings, health *Health, metrics *prometheus.Registry) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "alive\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		reasons, notes := health.Reasons(), health.Notes()
		if len(reasons) == 0 {
			io.WriteString(w, strings.Join(append([]string{"ready"}, notes...), "\n")+"\n")
			return
		}
		http.Error(w, "not ready\n"+strings.Join(append(reasons, notes...), "\n"), http.StatusServiceUnavailable)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	if s.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Addr returns the address that the admin HTTP listens on, with the port that
// the system chose for port 0; empty: off.
func (a *Admin) Addr() string {
	if a.listener == nil {
		return ""
	}
	return a.listener.Addr().String()
}

// Serve answers until ctx ends, then lets requests under way finish for a
// moment. It is the Run of a [Task].
func (a *Admin) Serve(ctx context.Context) error {
	if a.listener == nil {
		<-ctx.Done()
		return nil
	}
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(a.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("admin HTTP ended: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), adminGrace)
	defer cancel()
	if err := a.server.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
		a.server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin HTTP ended: %w", err)
	}
	return nil
}
