package targets

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	maxShown  = 20   // more are of no help
	maxFaults = 1000 // the file is read on for so many, to count them
)

// fault is something wrong in a place of the file.
type fault struct {
	line, column int
	text         string
}

type faults []fault

func (f *faults) add(line, column int, format string, args ...any) {
	*f = append(*f, fault{line, column, fmt.Sprintf(format, args...)})
}

// fault notes what is wrong at a node.
func (p *parser) fault(n *yaml.Node, format string, args ...any) {
	p.faults.add(n.Line, n.Column, format, args...)
}

// list puts the faults in order. What stands once may have been found several
// times: in the defaults, and behind an anchor.
func (f faults) list(path string) []string {
	slices.SortStableFunc(f, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column), strings.Compare(a.text, b.text))
	})
	found, all := len(f), slices.Compact(f)
	var list []string
	for _, one := range all[:min(len(all), maxShown)] {
		list = append(list, fmt.Sprintf("%s:%d:%d: %s", path, one.line, one.column, one.text))
	}
	switch more := len(all) - len(list); {
	case found >= maxFaults:
		list = append(list, "too much is wrong: the rest of the file was not read")
	case more > 0:
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return list
}

// maxQuoted bounds what messages repeat of the file, in octets.
const maxQuoted = 64

// cut shortens what a message repeats of the file.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "..."
}

// suggestion proposes the key that is nearest to a name that is none. Farther
// than a third of its letters there is none.
func suggestion(name string, known []string) string {
	if name == "<<" {
		return "; defaults and aliases of whole values do"
	}
	if len(name) > maxQuoted {
		return ""
	}
	nearest, least := "", len(name)/3+1
	for _, k := range known {
		if d := distance(name, k); d < least {
			nearest, least = k, d
		}
	}
	if nearest == "" {
		return ""
	}
	return "; did you mean " + nearest + "?"
}

// distance counts the letters to insert, remove or replace between a and b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := corner
			if a[i] != b[j] {
				replaced++
			}
			corner = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, replaced)
		}
	}
	return row[len(b)]
}
