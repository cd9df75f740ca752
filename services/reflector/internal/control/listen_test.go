package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/shared/events"
	"tinytwamp/shared/twamp"
)

// deadline is far above what anything here takes.
const deadline = 20 * time.Second

// listening runs a server on real sockets until the test ends.
func listening(t *testing.T, change func(*Config), at ...string) *Server {
	t.Helper()
	cfg := Config{
		Modes: twamp.Unauthenticated, AllowOpen: func(netip.Addr) bool { return true }, ServWait: deadline,
		Limits:    Limits{Connections: 1024, ConnectionsPerSource: 64},
		Reflector: &fake{}, Record: func(events.Record) {}, Log: slog.New(slog.DiscardHandler),
	}
	for _, a := range at {
		cfg.Listen = append(cfg.Listen, netip.MustParseAddrPort(a))
	}
	if change != nil {
		change(&cfg)
	}
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// greeted connects from an address and gives the modes that it is offered.
func greeted(t *testing.T, from string, to netip.AddrPort) (net.Conn, twamp.Mode) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: deadline}
	conn, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, twamp.GreetingSize)
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatalf("no greeting for %s: %v", from, err)
	}
	var g twamp.Greeting
	if err := g.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return conn, g.Modes
}

// A thousand idle connections from one address do not keep another out.
func TestIdleConnectionsOfOne(t *testing.T) {
	s := listening(t, nil, "127.0.0.1:0")
	to := s.Addresses()[0]
	served := 0
	for range 1000 {
		if conn, modes := greeted(t, "127.0.0.1", to); modes == 0 {
			conn.Close()
		} else {
			served++
		}
	}
	if served != 64 {
		t.Errorf("%d are served of one address, want 64", served)
	}
	if _, modes := greeted(t, "127.0.0.2", to); modes == 0 {
		t.Error("another address is kept out")
	}
}

func TestBothFamilies(t *testing.T) {
	s := listening(t, nil, "[::1]:0", "127.0.0.1:0")
	for i, from := range []string{"::1", "127.0.0.1"} {
		if _, modes := greeted(t, from, s.Addresses()[i]); modes&twamp.Unauthenticated == 0 {
			t.Errorf("%s is offered %v", from, modes)
		}
	}
}

// The answer to a command whose end is unknown arrives, although there is more
// of it that nobody has read.
func TestUnknownCommandOverTCP(t *testing.T) {
	s := listening(t, nil, "127.0.0.1:0")
	conn, _ := greeted(t, "127.0.0.1", s.Addresses()[0])
	b, _ := twamp.SetUpResponse{Mode: twamp.Unauthenticated}.AppendBinary(nil)
	if _, err := conn.Write(append(b, append([]byte{4}, make([]byte, 20000)...)...)); err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(conn)
	if err != nil || len(answers) != twamp.ServerStartSize+twamp.AcceptSessionSize || answers[twamp.ServerStartSize] != byte(twamp.NotSupported) {
		t.Errorf("the answers are %x (%v)", answers, err)
	}
}

func TestAddressesThatCannotBeUsed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for at, want := range map[string]error{taken.Addr().String(): syscall.EADDRINUSE, "203.0.113.9:862": syscall.EADDRNOTAVAIL} {
		_, err := Listen(Config{
			Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort(at)}, Log: slog.New(slog.DiscardHandler),
		})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "-control-listen") || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// Nothing to listen on is a server that does nothing until it is told to end.
func TestOff(t *testing.T) {
	if got := listening(t, nil).Addresses(); len(got) > 0 {
		t.Errorf("it listens on %v", got)
	}
}

func TestMetrics(t *testing.T) {
	s := listening(t, nil, "127.0.0.1:0")
	reg := prometheus.NewRegistry()
	s.Register(reg)
	conn, _ := greeted(t, "127.0.0.1", s.Addresses()[0])
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values[f.GetName()] += int(m.GetCounter().GetValue() + m.GetGauge().GetValue())
		}
	}
	conn.Close()
	if len(families) != 6 || values[metricOpen] != 1 || values[metricConnections] != 1 || values[metricRefused] != 0 {
		t.Errorf("the metrics are %v", values)
	}
	for why := none + 1; why < reasons; why++ {
		if why.String() == "" {
			t.Errorf("reason %d has no name", why)
		}
	}
}
