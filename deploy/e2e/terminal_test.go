//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestTerminal looks at what a person sees, as tmux has it on its screen, at two
// widths, with colours and without. Figures are left out of the golden files:
// they are another each time.
func TestTerminal(t *testing.T) {
	needTool(t, "tmux")
	r := stand(t)
	file := filepath.Join(t.TempDir(), "targets.yaml")
	targets := fmt.Sprintf(`targets:
  - {name: silent, address: "127.0.0.1:%[2]s"}
  - {name: paths, address: "[::1]:%[1]s", source_ports: [%[3]s, %[4]s]}
`, r.port, freePort(t), freePort(t), freePort(t))
	if err := os.WriteFile(file, []byte(targets), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ arguments, ready string }{
		"burst":      {"-count 3 -interval 200ms -tlv cos,follow-up 127.0.0.1:" + r.port, `timestamps +sent`},
		"continuous": {"-continuous -report-interval 1s -timeout 200ms -targets-file " + file, `(?s)from port.*from port.*ICMP from`},
	} {
		for _, columns := range []int{80, 160} {
			for _, colour := range []bool{true, false} {
				variant := map[bool]string{true: "colour", false: "plain"}[colour]
				t.Run(fmt.Sprintf("%s-%d-%s", name, columns, variant), func(t *testing.T) {
					s := tmux(t, columns, colour, c.arguments)
					shown := s.until(t, c.ready)
					for line := range strings.Lines(codes.ReplaceAllString(shown, "")) {
						if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
							t.Errorf("%d columns: %s", n, line)
						}
					}
					if !colour && strings.Contains(shown, "\x1b") {
						t.Errorf("NO_COLOR is set: %q", shown)
					}
					goldenScreen(t, fmt.Sprintf("terminal-%s-%d-%s.txt", name, columns, variant), shown, r.port)
				})
			}
		}
	}
}

// window is a tmux server of its own, with one window.
type window string

// tmux runs the prober in one.
func tmux(t *testing.T, columns int, colour bool, arguments string) window {
	t.Helper()
	w := window(filepath.Join(t.TempDir(), "tmux"))
	prober := binary("prober") + " " + arguments
	if !colour {
		prober = "NO_COLOR=1 " + prober
	}
	output(t, exec.Command("tmux", "-u", "-f", os.DevNull, "-S", string(w), "new-session", "-d", "-x", fmt.Sprint(columns), "-y", "40",
		prober+"; sleep 60"))
	t.Cleanup(func() { output(t, exec.Command("tmux", "-S", string(w), "kill-server")) })
	return w
}

// until waits for a line that matches, and returns the screen. One on which a
// busy machine says that its figures are suspect is not taken while there may be
// a better one, with the next report.
func (w window) until(t *testing.T, pattern string) string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); ; {
		shown := output(t, exec.Command("tmux", "-S", string(w), "capture-pane", "-p", "-e"))
		late := time.Now().After(deadline)
		if want.MatchString(codes.ReplaceAllString(shown, "")) && (late || !strings.Contains(shown, "suspect") || strings.Contains(shown, "---")) {
			return shown
		}
		if late {
			t.Fatalf("no line that matches %q in\n%s", pattern, shown)
		}
	}
}

var (
	codes   = regexp.MustCompile("\x1b\\[[0-9;]*m")
	figures = regexp.MustCompile(`(< )?-?\d[\d.,:]*( (ns|µs|ms|s|min)\b| %)?`)
	spaces  = regexp.MustCompile(` +`)
)

// goldenScreen compares a screen with a file of testdata, but for figures and for
// what the machine has to do with.
func goldenScreen(t *testing.T, name, shown, port string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(strings.ReplaceAll(shown, port, "PORT") + "\n") {
		plain := strings.TrimSpace(codes.ReplaceAllString(line, ""))
		switch {
		case plain == "" || strings.Contains(plain, "suspect"):
			continue // a busy machine says so
		case strings.HasPrefix(plain, "clocks"):
			line = "clocks ...\n"
		}
		var kept []string // codes hold digits, too
		for _, text := range codes.Split(strings.TrimRight(line, "\n"), -1) {
			kept = append(kept, spaces.ReplaceAllString(figures.ReplaceAllString(text, "#"), " "))
		}
		marks := codes.FindAllString(line, -1)
		for i, text := range kept {
			b.WriteString(text)
			if i < len(marks) {
				b.WriteString(strings.ReplaceAll(marks[i], "\x1b", "^"))
			}
		}
		b.WriteByte('\n')
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs (go test -tags e2e -update writes it anew)\n got:\n%s\nwant:\n%s\nscreen:\n%s", path, &b, want, shown)
	}
}
