package service_test

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tinytwamp/shared/service"
)

// terminal opens a pseudo-terminal and returns it and a function that reads a
// line of what was written to it.
func terminal(t *testing.T) (tty *os.File, readLine func() string) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	lines := bufio.NewReader(screen)
	return tty, func() string {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(line, "\r\n") // the terminal adds the carriage return
	}
}

func TestIsTerminal(t *testing.T) {
	tty, _ := terminal(t)
	if !service.IsTerminal(tty) {
		t.Error("a terminal is none")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if service.IsTerminal(null) || service.IsTerminal(&strings.Builder{}) {
		t.Error("no terminal is one")
	}
}

func TestLoggerOnTerminal(t *testing.T) {
	tests := []struct {
		name, noColour string
		format         service.LogFormat
		begins         string
		coloured       bool
	}{
		{"auto", "", service.LogAuto, "\x1b[2m20", true},
		{"text without colour", "1", service.LogText, "20", false},
		{"auto without colour", "1", service.LogAuto, "20", false},
		{"json", "", service.LogJSON, "{", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", test.noColour)
			tty, readLine := terminal(t)
			service.NewLogger(tty, service.Settings{LogFormat: test.format}).Warn("it rains", "drops", 3)
			line := readLine()
			if !strings.HasPrefix(line, test.begins) || strings.Contains(line, "\x1b[") != test.coloured {
				t.Errorf("got %q", line)
			}
		})
	}
}

func TestReadableOnTerminal(t *testing.T) {
	at := time.Date(2025, 3, 29, 14, 9, 1, 0, time.Local)
	tests := []struct{ name, noColour, kind, want string }{
		{"coloured", "", "packet_received", "\x1b[36m2025/03/29 14:09:01 text\x1b[0m"},
		{"unknown kind", "", "else", "2025/03/29 14:09:01 text"},
		{"NO_COLOR", "1", "packet_received", "2025/03/29 14:09:01 text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", test.noColour)
			tty, readLine := terminal(t)
			readable, err := service.OpenReadable(service.Settings{}, tty)
			if err != nil {
				t.Fatal(err)
			}
			readable.Line(at, test.kind, "text")
			if got := readLine(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
