package conformance

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed clauses.txt
var clausesText string

// state is what was made of a clause.
type state uint8

const (
	implemented state = iota
	notApplicable
	leftOut
)

func (s state) String() string {
	return [...]string{"implemented", "not applicable", "left out"}[s]
}

// clause is a sentence of an RFC that asks something of one end.
type clause struct {
	rfc, number string // for instance 8972 and 4.4-3
	who         string // sender, reflector, both or operator
	keyword     string // of RFC 2119; "plain" where the sentence has none
	text        string // paraphrase
	state       state
	note        string // reason, or how it is implemented
}

func (c *clause) id() string { return c.rfc + "-" + c.number }

// section is a section of an RFC with its clauses.
type section struct {
	rfc, number, title string
	clauses            []clause
}

var (
	headingLine = regexp.MustCompile(`^== (\d+) ([\d.]+) (\S.*)$`)
	clauseLine  = regexp.MustCompile(`^(\d+) (sender|reflector|both|operator) (MUST NOT|MUST|SHOULD|RECOMMENDED|MAY|plain): (\S.*)$`)
	noteLine    = regexp.MustCompile(`^\t(note|not applicable|left out): (\S.*)$`)
)

// parse reads the list of clauses. A section is headed by == RFC SECTION TITLE;
// a clause is a line NUMBER WHO KEYWORD: TEXT, below it one with a tab if it is
// not implemented, or if there is something to say. # begins a comment.
func parse(text string) ([]section, error) {
	var sections []section
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if m := headingLine.FindStringSubmatch(line); m != nil {
			sections = append(sections, section{rfc: m[1], number: m[2], title: m[3]})
			continue
		}
		if len(sections) == 0 || !sections[len(sections)-1].take(line) {
			return nil, fmt.Errorf("conformance: clauses.txt line %d is out of place: %q", number, line)
		}
	}
	return sections, nil
}

// take adds a line to the section, unless it does not fit in.
func (s *section) take(line string) bool {
	if m := clauseLine.FindStringSubmatch(line); m != nil {
		c := clause{rfc: s.rfc, number: s.number + "-" + m[1], who: m[2], keyword: m[3], text: m[4]}
		same := func(x clause) bool { return x.number == c.number }
		if slices.ContainsFunc(s.clauses, same) {
			return false
		}
		s.clauses = append(s.clauses, c)
		return true
	}
	m := noteLine.FindStringSubmatch(line)
	if m == nil || len(s.clauses) == 0 {
		return false
	}
	c := &s.clauses[len(s.clauses)-1]
	if c.note != "" {
		return false
	}
	c.note = m[2]
	switch m[1] {
	case "not applicable":
		c.state = notApplicable
	case "left out":
		c.state = leftOut
	}
	return true
}
