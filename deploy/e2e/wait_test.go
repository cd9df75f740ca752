package e2e

import (
	"context"
	"net"
	"testing"
	"time"
)

// eventually waits until check has nothing more to say.
func eventually(t *testing.T, within time.Duration, what string, check func() (missing string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	every := time.NewTicker(500 * time.Millisecond)
	defer every.Stop()
	for {
		missing := check()
		if missing == "" {
			return
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %s", what, within, missing)
		}
	}
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddress(t))
	return port
}
