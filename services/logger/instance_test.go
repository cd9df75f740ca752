package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// deadline is far above what anything here takes.
const deadline = 20 * time.Second

// program under test, with what it says line by line.
type instance struct {
	*testing.T
	end            func(syscall.Signal)
	exit           chan int
	stdout, stderr chan string
}

// launch runs the logger with flags and no environment.
func launch(t *testing.T, args ...string) *instance {
	ctx, end := service.WithSignal(context.Background())
	i := &instance{T: t, end: end, exit: make(chan int, 1), stdout: make(chan string, 1000), stderr: make(chan string, 1000)}
	out, err := pipe(i.stdout), pipe(i.stderr)
	go func() {
		code := run(ctx, append(args, "-log-format", "json"), nil, out, err)
		out.Close()
		err.Close()
		i.exit <- code
	}()
	t.Cleanup(func() { end(syscall.SIGTERM) })
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

// logged waits for a message in the log and returns its address.
func (i *instance) logged(msg string) (address string) {
	i.Helper()
	var l struct{ Address string }
	if err := json.Unmarshal([]byte(i.line(i.stderr, msg)), &l); err != nil {
		i.Fatal(err)
	}
	return l.Address
}

// exits waits for the end of the program.
func (i *instance) exits(want int) {
	i.Helper()
	select {
	case code := <-i.exit:
		if code != want {
			i.Errorf("exit code %d, want %d", code, want)
		}
	case <-time.After(deadline):
		i.Fatal("does not end")
	}
}

func open(t *testing.T, url string) *bus.Client {
	t.Helper()
	client, err := bus.Open(bus.Settings{URL: service.URL(url), OutboxSize: 1 << 20}, "reflector", "r1", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(0) })
	return client
}

// publish has the instance r1 publish a received test packet, and returns how
// many events were left.
func publish(client *bus.Client, message string, timeout time.Duration) (left int) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	client.Emit(time.Now(), &events.Log{Service: "reflector", Records: []events.Record{{
		Time: time.Now(), Kind: events.PacketReceived, Peer: netip.MustParseAddrPort("[2001:db8::1]:862"), Message: message,
	}}})
	return client.Publisher.Drain(ctx)
}

func records(t *testing.T, dir string) (list []journal.Record) {
	t.Helper()
	files, err := journal.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for r, err := range journal.Read(f) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, r)
		}
	}
	return list
}
