package service

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// healthcheckTimeout is below the 5 s that container runtimes are told to wait.
const healthcheckTimeout = 3 * time.Second

// healthcheck asks the instance with the admin address HOST:PORT whether it is
// ready. The error says why not.
func healthcheck(admin string) error {
	host, port, err := net.SplitHostPort(admin)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: healthcheckTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + net.JoinHostPort(reachable(host), port) + "/readyz")
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<12)) // the status alone is an answer
		return fmt.Errorf("status %d: %s", answer.StatusCode, strings.TrimSpace(string(body)))
	}
	return nil
}

// reachable returns the address under which to ask a server that listens on
// host: the loopback for one that listens on all addresses.
func reachable(host string) string {
	if host == "" {
		return "127.0.0.1"
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		if addr.Is4() {
			return "127.0.0.1"
		}
		return "::1"
	}
	return host
}
