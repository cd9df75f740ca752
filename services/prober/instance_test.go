package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
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

// instance is a prober that runs, with what it says line by line.
type instance struct {
	*testing.T
	end            func(syscall.Signal)
	exit           chan int
	stdout, stderr chan string
}

// launch runs the prober with flags and no environment.
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
		s := bufio.NewScanner(r)
		for s.Buffer(nil, 1<<20); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return w
}

// line waits for the next line.
func (i *instance) line(lines <-chan string) string {
	i.Helper()
	select {
	case l, ok := <-lines:
		if !ok {
			i.Fatal("there is no further line")
		}
		return l
	case <-time.After(deadline):
		i.Fatal("waited in vain for a line")
	}
	return ""
}

// signalled ends the instance as a signal does, and waits for its exit code.
func (i *instance) signalled(s syscall.Signal, want int) {
	i.Helper()
	i.end(s)
	select {
	case got := <-i.exit:
		if got != want {
			i.Errorf("exit code %d, want %d", got, want)
		}
	case <-time.After(deadline):
		i.Fatal("does not end")
	}
}

// once runs the prober to its end and returns what it says.
func once(t *testing.T, environ []string, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var out, err bytes.Buffer
	exit = run(ctx, args, environ, &out, &err)
	return exit, out.String(), err.String()
}

// reports reads lines of JSON. Unknown fields and numbers that are not
// integers are errors.
func reports(t *testing.T, stdout string) (all []*events.RTT) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var e events.RTT
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, &e)
	}
	return all
}

// responder is a small STAMP reflector on a loopback address.
type responder struct {
	*testing.T
	at       netip.AddrPort
	requests chan stamp.SenderPacket // closed at its end; what does not fit is left out
}

// respond runs a responder for as long as the test.
func respond(t *testing.T, host string) *responder {
	t.Helper()
	c, err := udp.Listen(udp.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(host), 0)})
	if err != nil {
		t.Fatal(err)
	}
	r := &responder{T: t, at: c.LocalAddr(), requests: make(chan stamp.SenderPacket, 1000)}
	go r.serve(c)
	t.Cleanup(func() {
		c.Close()
		for range r.requests { // until serve has returned
		}
	})
	return r
}

func (r *responder) serve(c *udp.Conn) {
	defer close(r.requests)
	ms := []udp.Message{{Buf: make([]byte, 2048)}}
	for sequence := uint32(0); ; sequence++ {
		n, _, err := c.Read(ms, nil)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				r.Error(err)
			}
			return
		}
		var p stamp.SenderPacket
		if n == 0 || p.UnmarshalBinary(ms[0].Buf[:ms[0].N]) != nil {
			r.Error("that is no test packet")
			continue
		}
		select {
		case r.requests <- p:
		default:
		}
		if err := answer(c, ms[0], p, sequence); err != nil {
			r.Error(err)
		}
	}
}

// request waits for the next test packet.
func (r *responder) request() stamp.SenderPacket {
	r.Helper()
	select {
	case p := <-r.requests:
		return p
	case <-time.After(deadline):
		r.Fatal("waited in vain for a test packet")
	}
	return stamp.SenderPacket{}
}

// answer reflects a packet at its own length.
func answer(c *udp.Conn, m udp.Message, p stamp.SenderPacket, sequence uint32) error {
	estimate := stamp.NewErrorEstimate(time.Millisecond, true, stamp.NTP)
	reply, err := stamp.ReflectorPacket{
		Sequence: sequence, ErrorEstimate: estimate, SSID: p.SSID, SenderTTL: uint8(m.TTL),
		ReceiveTimestamp: stamp.NewTimestamp(m.Time, stamp.NTP), Timestamp: stamp.NewTimestamp(time.Now().UnixNano(), stamp.NTP),
		SenderSequence: p.Sequence, SenderTimestamp: p.Timestamp, SenderErrorEstimate: p.ErrorEstimate,
	}.AppendBinary(nil)
	if err != nil {
		return err
	}
	copy(m.Buf, reply)
	_, err = c.Write([]udp.Message{{Buf: m.Buf, N: max(m.N, len(reply)), Peer: m.Peer, Local: m.Local, IfIndex: m.IfIndex}})
	return err
}

// occupied returns the address of a socket that takes packets and says
// nothing.
func occupied(t *testing.T, address string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

// connect returns a connection of the test's own, with the stream made.
func connect(ctx context.Context, t *testing.T, nats *bustest.Server) *bus.Conn {
	t.Helper()
	c, err := bus.Connect(bus.Settings{URL: service.URL(nats.URL()), OutboxSize: 1 << 20}, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Init(ctx, bus.StreamConfig{Replicas: 1}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	return c
}

// take reads so many messages off the stream.
func take(ctx context.Context, t *testing.T, conn *bus.Conn, n int) (all []bus.Delivery) {
	t.Helper()
	consumer, err := conn.Consumer(ctx, "logger")
	if err != nil {
		t.Fatal(err)
	}
	for len(all) < n {
		deliveries, err := consumer.Next(ctx)
		if err != nil {
			t.Fatalf("only %d messages are on the stream: %v", len(all), err)
		}
		all = append(all, deliveries...)
	}
	return all
}
