package view

import (
	"strings"
	"unicode/utf8"
)

const (
	width      = 80 // columns of a terminal
	whereWidth = width - len("15:04:05 :")
	indent     = "  " // of what a line is continued with
)

// fold breaks lines that are wider than a terminal between words, if possible
// behind a comma or a colon.
func fold(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for {
			at := breakAt(line)
			if at < 0 {
				break
			}
			b.WriteString(line[:at] + "\n")
			line = indent + line[at+1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

// breakAt is the index of the space that a line is to be broken at, or -1: the
// line is not too wide, or has none.
func breakAt(line string) int {
	line = strings.TrimSuffix(line, "\n")
	if utf8.RuneCountInString(line) <= width {
		return -1
	}
	head := string([]rune(line)[:width+1])
	if at := 1 + max(strings.LastIndex(head, ", "), strings.LastIndex(head, ": ")); at > width/2 {
		return at
	}
	if at := strings.LastIndexByte(head, ' '); at >= len(indent) {
		return at
	}
	return -1
}
