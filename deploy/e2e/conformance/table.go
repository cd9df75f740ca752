package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// check says where clauses and marks do not fit together.
func check(sections []section, marks []mark) (faults []string) {
	clauses := make(map[string]*clause)
	for _, s := range sections {
		for i := range s.clauses {
			clauses[s.clauses[i].id()] = &s.clauses[i]
		}
	}
	shown := make(map[string]bool)
	for _, m := range marks {
		shown[m.id] = true
		switch c := clauses[m.id]; {
		case c == nil:
			faults = append(faults, fmt.Sprintf("%s: %s shows %s, which is not in clauses.txt", m.file, m, m.id))
		case c.state != implemented:
			faults = append(faults, fmt.Sprintf("%s: %s shows %s, which is %v", m.file, m, m.id, c.state))
		}
	}
	for _, s := range sections {
		for _, c := range s.clauses {
			if c.state == implemented && !shown[c.id()] {
				faults = append(faults, fmt.Sprintf("%s is implemented, and no test shows it: %s", c.id(), c.text))
			}
		}
	}
	return faults
}

const preamble = `# Conformance to STAMP

What this project makes of RFC 8762 (STAMP) and RFC 8972 (its extensions), clause
by clause, in our own words. A clause is a sentence that asks something of a
Session-Sender (the prober), of a Session-Reflector (the reflector) or of their
packets, whether with a keyword of RFC 2119 or in plain words; one that asks the
same of both ends, or several things, stands here as several. Definitions,
recollections of other sections, and what is of IANA are not listed.

*Implemented* means that the tests named beside it show it; behind a colon stands
the case of a test that does, where it is not all of it. *Not applicable* is what
binds an operator, or an implementation of another kind. *Left out* is all else,
with the reason. A note says where we do a thing in our own way.

This file is generated from deploy/e2e/conformance/clauses.txt and from marks in
the tests: ` + "`make docs`" + ` writes it, and ` + "`make test`" + ` fails where it is not true.
`

// table returns the conformance table, in Markdown. It stands in deploy.
func table(sections []section, marks []mark) string {
	var b strings.Builder
	b.WriteString(preamble)
	count(&b, sections)
	rfc := ""
	for _, s := range sections {
		if s.rfc != rfc {
			rfc = s.rfc
			fmt.Fprintf(&b, "\n## RFC %s\n", rfc)
		}
		fmt.Fprintf(&b, "\n### %s %s\n\n", s.number, s.title)
		b.WriteString("| clause | for | keyword | what it asks | state | shown by |\n|---|---|---|---|---|---|\n")
		for _, c := range s.clauses {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.number, c.who, c.keyword, c.text, told(&c), tests(&c, marks))
		}
	}
	return b.String()
}

// told is the state of a clause in words.
func told(c *clause) string {
	if c.note == "" {
		return c.state.String()
	}
	return c.state.String() + ": " + c.note
}

// tests lists those that show a clause, as links from deploy.
func tests(c *clause, marks []mark) string {
	var list []string
	for _, m := range marks {
		if m.id == c.id() {
			list = append(list, fmt.Sprintf("[%s](%s)", m, path.Join("..", m.file)))
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// count writes how many clauses there are of each kind.
func count(b *strings.Builder, sections []section) {
	kinds := []string{"MUST, MUST NOT", "SHOULD, RECOMMENDED", "MAY", "plain"}
	for _, rfc := range []string{"8762", "8972"} {
		fmt.Fprintf(b, "\n| RFC %s | clauses | implemented | not applicable | left out |\n|---|---|---|---|---|\n", rfc)
		var all [4]int
		for _, kind := range kinds {
			var row [4]int // all, and by state
			for _, s := range sections {
				for _, c := range s.clauses {
					if s.rfc == rfc && slices.Contains(strings.Split(kind, ", "), c.keyword) {
						row[0]++
						row[1+int(c.state)]++
					}
				}
			}
			fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", kind, row[0], row[1], row[2], row[3])
			for i, n := range row {
				all[i] += n
			}
		}
		fmt.Fprintf(b, "| all | %d | %d | %d | %d |\n", all[0], all[1], all[2], all[3])
	}
}
