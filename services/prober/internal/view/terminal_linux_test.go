package view

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tinytwamp/shared/service"
)

// terminal opens a pseudo-terminal of that size. What was written to it so far
// comes on the channel whenever there is more.
func terminal(t *testing.T, columns, rows uint16) (tty *os.File, written <-chan string) {
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
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	resize(t, tty, columns, rows)
	all := make(chan string)
	ended := make(chan struct{})
	t.Cleanup(func() {
		tty.Close() // ends the reading
		<-ended
	})
	go func() {
		defer close(ended)
		sum, b := "", make([]byte, 4096)
		for {
			n, err := screen.Read(b)
			if err != nil {
				return
			}
			sum += string(b[:n])
			select {
			case all <- sum:
			case <-t.Context().Done():
			}
		}
	}()
	return tty, all
}

func resize(t *testing.T, tty *os.File, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

// await waits until the terminal shows what is wanted, and gives its lines.
func await(t *testing.T, written <-chan string, columns int, wanted func(lines []string) bool) []string {
	t.Helper()
	late := time.After(10 * time.Second)
	var lines []string
	for {
		select {
		case all := <-written:
			if lines = render(all, columns); wanted(lines) {
				return lines
			}
		case <-late:
			t.Fatalf("the terminal shows\n%s", strings.Join(lines, "\n"))
		}
	}
}

// On a real terminal the table is drawn in place, as large as fits, also when
// the size changes; lines of the log stand above it, whole.
func TestTerminal(t *testing.T) {
	tty, written := terminal(t, 80, 10)
	v := New(tty, Options{Continuous: true, Terminal: service.IsTerminal(tty), Every: time.Second})
	log := v.Beside(tty)
	if !service.IsTerminal(log) {
		t.Error("a logger would not know that this is a terminal")
	}
	stop := start(t, v)
	t.Cleanup(stop)
	fleet := fleet(40)
	for _, e := range fleet {
		v.Begun(e)
		v.Report(e, "")
	}
	last := func(want string) func([]string) bool {
		return func(lines []string) bool { return len(lines) > 0 && strings.HasPrefix(lines[len(lines)-1], want) }
	}
	await(t, written, 80, last("… and 34 more, "))
	for i := range 3 {
		fmt.Fprintf(log, "line %d of the log\n", i)
		v.Report(fleet[i], "")
	}
	resize(t, tty, 100, 20)
	lines := await(t, written, 100, last("… and 24 more, "))
	if want := []string{"line 0 of the log", "line 1 of the log", "line 2 of the log"}; !slices.Equal(lines[:3], want) {
		t.Errorf("the log above is %q", lines[:3])
	}
	if len(lines) != 3+19 || !strings.Contains(lines[3], "a report every 1s") || !strings.Contains(lines[4], "jitter") {
		t.Errorf("the terminal shows\n%s", strings.Join(lines, "\n"))
	}
	stop()
	v.Close()
	io.WriteString(log, "the end\n")
	await(t, written, 100, func(lines []string) bool { return slices.Contains(lines, "the end") && len(lines) == 4+19 })
}
