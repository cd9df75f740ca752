package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
)

var (
	block = regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```go\n(.*?)```")
	link  = regexp.MustCompile(`\]\(([^)#]+)\)`)
)

// What the page shows is what is compiled and tested, and what it says of
// constants is true.
func TestPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(sources, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	blocks := block.FindAllStringSubmatch(page, -1)
	if n := strings.Count(page, "```go"); n != 2 || len(blocks) != n {
		t.Errorf("%d blocks of Go, %d of them from a file, want 2", n, len(blocks))
	}
	for _, m := range blocks {
		code, err := os.ReadFile(filepath.Join("../../..", m[1]))
		if err != nil || !strings.Contains(string(code), m[2]) {
			t.Errorf("the page's block is not in %s (%v): copy it from there", m[1], err)
		}
	}
	for _, m := range link.FindAllStringSubmatch(page, -1) {
		if _, err := os.Stat(filepath.Join(sources, m[1])); err != nil {
			t.Errorf("a link leads nowhere: %v", err)
		}
	}
	words := strings.Join(strings.Fields(page), " ")
	for _, want := range []string{
		"in the stream `" + events.StreamName + "`, which takes `" + events.StreamSubjects + "`",
		"the header `" + bus.HeaderAttempt + "`",
		fmt.Sprintf("seen within %.0f minutes", bus.DuplicateWindow.Minutes()),
		fmt.Sprintf("at most %d.", events.MaxSamples),
		fmt.Sprintf("--stream %s '%s.>'", events.StreamName, events.TypeRTT),
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for eventType := range types {
		if want := fmt.Sprintf("[`%[1]s`](schema/%[1]s.json)", eventType); !strings.Contains(page, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
}
