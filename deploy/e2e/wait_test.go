package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// freeAddress returns a loopback address that nobody listens on. Its port is none
// of those that the kernel gives to connections: nobody takes it by chance while
// the one who has it is away.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(freeAddress(t))
	return port
}
