package view

import (
	"bufio"
	"fmt"
	"io"
	"slices"
)

// screen is where a view writes: text that stays, and on a terminal below it
// an area of lines that are drawn anew in place. It is for one goroutine at a
// time.
type screen struct {
	out  *bufio.Writer
	size func() (columns, rows int)

	area []string // lines that stand there
}

func newScreen(w io.Writer, size func() (columns, rows int)) *screen {
	return &screen{out: bufio.NewWriter(w), size: size}
}

// print writes text above the area.
func (s *screen) print(text string) {
	s.beside(s.out, []byte(text)) //nolint:errcheck // to a terminal that is gone nobody looks
}

// beside clears the area, writes to w, which is shown on the same terminal, and
// draws the area anew. What is written should end its line.
func (s *screen) beside(w io.Writer, b []byte) (int, error) {
	area := s.area
	s.draw(nil)
	n, err := w.Write(b)
	s.draw(area)
	s.out.Flush()
	return n, err
}

// draw puts lines into the area, each at most as wide as the terminal.
func (s *screen) draw(lines []string) {
	if slices.Equal(lines, s.area) {
		return
	}
	if len(s.area) > 0 {
		columns, _ := s.size()
		fmt.Fprintf(s.out, "\r\x1b[%dA", s.height(columns))
	}
	for _, l := range lines {
		// Erased first: behind a line as wide as the terminal the cursor still
		// stands on its last character.
		fmt.Fprintf(s.out, "\x1b[2K%s\n", l)
	}
	if len(s.area) > 0 {
		s.out.WriteString("\x1b[J")
	}
	s.area = lines
	s.out.Flush()
}

// height is the number of rows that the area takes: a terminal that was made
// narrower has broken its lines.
func (s *screen) height(columns int) int {
	rows := 0
	for _, l := range s.area {
		rows += max(1, (cells(l)+columns-1)/columns)
	}
	return rows
}
