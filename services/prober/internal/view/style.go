package view

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// style is how text is dressed for the place where it is shown.
type style struct {
	columns int // of a line
	colour  bool
}

// pipe is the style of what is no terminal.
var pipe = style{columns: 80}

// ANSI codes of what is not plain text.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	yellow = "33"
)

// paint colours text, which must not be coloured yet.
func (s style) paint(code, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// next splits the first character, or a whole code of paint, off text that is
// not empty, and says how many columns it takes.
func next(text string) (size, columns int) {
	if text[0] == '\x1b' {
		return strings.IndexByte(text, 'm') + 1, 0
	}
	r, size := utf8.DecodeRuneInString(text)
	switch kind := width.LookupRune(r).Kind(); {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return size, 0
	case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
		return size, 2
	}
	return size, 1
}

// cells is the number of columns that text takes.
func cells(text string) int {
	sum := 0
	for text != "" {
		size, columns := next(text)
		sum, text = sum+columns, text[size:]
	}
	return sum
}

// fit cuts text that takes more than so many columns. Codes stay, so that
// what begins in colour ends.
func fit(text string, columns int) string {
	if cells(text) <= columns {
		return text
	}
	var b strings.Builder
	room, cut := columns-1, false
	for text != "" {
		size, n := next(text)
		if n > 0 && n > room && !cut {
			b.WriteString("…")
			cut = true
		}
		if text[0] == '\x1b' || !cut {
			b.WriteString(text[:size])
			room -= n
		}
		text = text[size:]
	}
	return b.String()
}

// left fits text and fills it up to so many columns.
func left(text string, columns int) string {
	text = fit(text, columns)
	return text + strings.Repeat(" ", max(0, columns-cells(text)))
}

// right is left with what fills in front.
func right(text string, columns int) string {
	text = fit(text, columns)
	return strings.Repeat(" ", max(0, columns-cells(text))) + text
}

// fold breaks a line that is too wide between words, and begins what follows
// with hang.
func fold(line string, columns int, hang string) []string {
	var lines []string
	for {
		at := breakAt(line, columns, len(hang))
		if at < 0 {
			return append(lines, line)
		}
		lines = append(lines, line[:at])
		line = hang + line[at+1:]
	}
}

// breakAt is the index of the space, beyond the first least columns, that a line
// is to be broken at, or -1: the line is not too wide, or has none. The end of a
// clause is a better place, behind a number, which has a unit, a worse one.
func breakAt(line string, columns, least int) int {
	number, word, clause := -1, -1, -1
	used := 0
	for i := 0; i < len(line); {
		if line[i] == ' ' && used > least {
			switch before := line[i-1]; {
			case strings.IndexByte(",:;", before) >= 0 && used > columns*3/4:
				clause = i
			case before >= '0' && before <= '9':
				number = i
			default:
				word = i
			}
		}
		size, n := next(line[i:])
		i, used = i+size, used+n
		if used <= columns {
			continue
		}
		for _, at := range []int{clause, word, number} {
			if at >= 0 {
				return at
			}
		}
	}
	return -1
}
