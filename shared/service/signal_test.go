package service_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

// TestMain makes the test binary a program under [service.Main] when it is
// told to: it says that it runs, then which signal it got, and then ends or
// hangs, as its first argument says.
func TestMain(m *testing.M) {
	if os.Getenv("SERVICE_TEST_MAIN") == "" {
		os.Exit(m.Run())
	}
	service.Main(func(ctx context.Context, args, environ []string, stdout, _ io.Writer) int {
		fmt.Fprintln(stdout, "runs")
		<-ctx.Done()
		s, ok := service.Signal(ctx)
		fmt.Fprintln(stdout, s, ok, len(environ) > 0)
		if args[0] == "hangs" {
			select {}
		}
		return 7
	})
}

func TestMainSignals(t *testing.T) {
	tests := []struct {
		mode string
		send []syscall.Signal // each after a line of output
		says string
		exit int
	}{
		{"ends", []syscall.Signal{syscall.SIGTERM}, "terminated true true\n", 7},
		{"ends", []syscall.Signal{syscall.SIGINT}, "interrupt true true\n", 7},
		{"hangs", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, "interrupt true true\n", 143},
		{"hangs", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, "terminated true true\n", 130},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.mode, test.send), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			child := exec.CommandContext(ctx, os.Args[0], test.mode)
			child.Env = append(os.Environ(), "SERVICE_TEST_MAIN=1")
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			lines, last := bufio.NewReader(out), ""
			for _, s := range test.send {
				if last, err = lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				if err := child.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			rest, err := io.ReadAll(lines)
			if err != nil {
				t.Fatal(err)
			}
			if said := last + string(rest); said != test.says && said != "runs\n"+test.says {
				t.Errorf("said %q, want %q", said, test.says)
			}
			var exit *exec.ExitError
			if err := child.Wait(); !errors.As(err, &exit) || exit.ExitCode() != test.exit {
				t.Errorf("ended with %v, want exit code %d", err, test.exit)
			}
		})
	}
}

// Each SIGHUP calls the function, also one that comes before the task runs, and
// none of them ends the process.
func TestOnHangup(t *testing.T) {
	calls := make(chan struct{})
	task := service.OnHangup(func() { calls <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for n := range 3 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			go func() { ended <- task.Run(ctx) }()
		}
		select {
		case <-calls:
		case <-time.After(20 * time.Second):
			t.Fatalf("SIGHUP %d calls nothing", n)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestSignal(t *testing.T) {
	ctx, end := service.WithSignal(t.Context())
	if _, ok := service.Signal(ctx); ok {
		t.Error("a signal before it came")
	}
	end(syscall.SIGINT)
	end(syscall.SIGTERM)
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	if s, ok := service.Signal(child); !ok || s != syscall.SIGINT || service.SignalExit(s) != 130 {
		t.Errorf("got %v, %v", s, ok)
	}
	other, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := service.Signal(other); ok {
		t.Error("an ordinary end is a signal")
	}
}
