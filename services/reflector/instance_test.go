package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

// deadline is far above what anything here takes.
const deadline = 20 * time.Second

// instance is a reflector that runs, with what it says line by line.
type instance struct {
	*testing.T
	end            func(syscall.Signal)
	exit           chan int
	stdout, stderr chan string
}

// launch runs the reflector with flags and no environment.
func launch(t *testing.T, args ...string) *instance {
	t.Helper()
	ctx, end := service.WithSignal(context.Background())
	i := &instance{T: t, end: end, exit: make(chan int, 1), stdout: make(chan string, 1000), stderr: make(chan string, 1000)}
	out, err := pipe(i.stdout), pipe(i.stderr)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		i.exit <- run(ctx, append(args, "-log-format", "json"), nil, out, err)
		out.Close()
		err.Close()
	}()
	t.Cleanup(func() {
		end(syscall.SIGTERM)
		<-ended
	})
	return i
}

// pipe returns a writer whose lines go to a channel, which is closed with it.
func pipe(lines chan<- string) *io.PipeWriter {
	r, w := io.Pipe()
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return w
}

// line waits for a line that contains a text.
func (i *instance) line(lines <-chan string, text string) string {
	i.Helper()
	timeout := time.After(deadline)
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				i.Fatalf("no line with %q", text)
			}
			if strings.Contains(l, text) {
				return l
			}
		case <-timeout:
			i.Fatalf("waited in vain for a line with %q", text)
		}
	}
}

// terminate ends the instance as a signal does, and waits for its exit code.
func (i *instance) terminate(want int) {
	i.Helper()
	i.end(syscall.SIGTERM)
	i.exits(want)
}

func (i *instance) exits(want int) {
	i.Helper()
	select {
	case got := <-i.exit:
		if got != want {
			i.Errorf("exit code %d, want %d", got, want)
		}
	case <-time.After(deadline):
		i.Fatal("does not end")
	}
}

// once runs the reflector to its end and returns what it says.
func once(t *testing.T, environ []string, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var out, err bytes.Buffer
	exit = run(ctx, args, environ, &out, &err)
	return exit, out.String(), err.String()
}

// freeUDP and freeTCP return an address that nobody listens on.
func freeUDP(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

func freeTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// exchange sends a test packet with a message, and returns its own address and
// the reply.
func exchange(t *testing.T, to netip.AddrPort, ssid uint16, msg string) (netip.AddrPort, stamp.ReflectorPacket) {
	t.Helper()
	c, err := udp.Listen(udp.Config{Local: netip.MustParseAddrPort("[::1]:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	timeout := time.AfterFunc(deadline, func() { c.Close() })
	defer timeout.Stop()
	p := stamp.SenderPacket{Sequence: 3, SSID: ssid, Timestamp: 1, ErrorEstimate: 1}
	b, err := p.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	b = stamp.AppendTLV(b, stamp.TLV{Flags: stamp.FlagU, Type: stamp.TLVExtraPadding, Value: stamp.AppendMessage(nil, msg)})
	if _, err := c.Write([]udp.Message{{Buf: b, N: len(b), Peer: to}}); err != nil {
		t.Fatal(err)
	}
	ms := []udp.Message{{Buf: make([]byte, 2048)}}
	if _, _, err := c.Read(ms, nil); err != nil {
		t.Fatalf("no reply from %v: %v", to, err)
	}
	var reply stamp.ReflectorPacket
	if err := reply.UnmarshalBinary(ms[0].Buf[:ms[0].N]); err != nil {
		t.Fatal(err)
	}
	return c.LocalAddr(), reply
}

// connect returns a connection of the test's own, with the stream made.
func connect(ctx context.Context, t *testing.T, nats *bustest.Server) *bus.Conn {
	t.Helper()
	s := bus.Settings{OutboxSize: 1 << 20}
	if err := s.URL.UnmarshalText([]byte(nats.URL())); err != nil {
		t.Fatal(err)
	}
	c, err := bus.Connect(s, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Init(ctx, bus.StreamConfig{Replicas: 1}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// publishResults publishes the result of a test as the prober p1, again and
// again until stop is called: what comes before the reflector has subscribed
// is missed.
func publishResults(t *testing.T, nats *bustest.Server, target, self netip.AddrPort) (stop func()) {
	t.Helper()
	s := bus.Settings{OutboxSize: 1 << 20}
	if err := s.URL.UnmarshalText([]byte(nats.URL())); err != nil {
		t.Fatal(err)
	}
	prober, err := bus.Open(s, "prober", "p1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	result := &events.RTT{
		Prober: "p1", Sent: 1, Received: 1, Target: events.Target{Name: "r1", Address: target},
		Session: events.Session{SSID: 0x1234, Source: self},
		RTT:     &events.Delay{Distribution: events.Distribution{P50Ns: 20_000_000, N: 1}},
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			prober.Emit(time.Now(), result)
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(done)
		<-ended
		prober.Close(deadline)
	})
	t.Cleanup(stop)
	return stop
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kinds are the kinds of the test-log records on the bus, up to the end of a
// session.
func kinds(ctx context.Context, t *testing.T, conn *bus.Conn) (kinds []events.RecordKind) {
	t.Helper()
	consumer, err := conn.Consumer(ctx, "logger")
	if err != nil {
		t.Fatal(err)
	}
	for !slices.Contains(kinds, events.SessionEnded) {
		deliveries, err := consumer.Next(ctx)
		if err != nil {
			t.Fatalf("only %v are on the bus: %v", kinds, err)
		}
		for _, d := range deliveries {
			if d.Subject != events.LogSubject("r1") {
				continue
			}
			e, err := events.Decode(d.Body)
			if err != nil || e.Source != "/reflector/r1" {
				t.Fatalf("the event is %+v (%v)", e, err)
			}
			log, err := e.Log()
			if err != nil || log.Service != "reflector" {
				t.Fatalf("the log is %+v (%v)", log, err)
			}
			for _, r := range log.Records {
				kinds = append(kinds, r.Kind)
			}
		}
	}
	return kinds
}
