package conformance

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// mark is a test's claim to show a clause.
type mark struct {
	id   string // of the clause
	file string // path from the root of the repository
	test string // function
	part string // case of it, "" for the whole
}

func (m mark) String() string {
	if m.part == "" {
		return m.test
	}
	return m.test + ": " + m.part
}

var (
	// aboutOurs finds lines that begin like a mark of ours, right or wrong.
	aboutOurs = regexp.MustCompile(`^RFC (8762|8972) \d`)
	markLine  = regexp.MustCompile(`^RFC \d+ [\d.]+(-\d+)?(, (RFC \d+ )?[\d.]+(-\d+)?)*$`)
	ours      = map[string]bool{"8762": true, "8972": true}
)

// scan collects the marks in the tests of the repository at root, and what is
// wrong with them.
func scan(root string) (marks []mark, faults []string, err error) {
	add := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("conformance: %w", err)
		}
		m, f := marksOf(set, file, filepath.ToSlash(name))
		marks, faults = append(marks, m...), append(faults, f...)
		return nil
	}
	for _, dir := range []string{"shared", "services", "deploy"} {
		if err := filepath.WalkDir(filepath.Join(root, dir), add); err != nil {
			return nil, nil, err
		}
	}
	return marks, faults, nil
}

// marksOf collects the marks of a file.
func marksOf(set *token.FileSet, file *ast.File, name string) (marks []mark, faults []string) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			ids, fault := clausesIn(strings.TrimSpace(strings.TrimPrefix(c.Text, "//")))
			test, part := place(set, file, group)
			if test == "" && len(ids) > 0 {
				fault = "it stands above no test"
			}
			if fault != "" {
				faults = append(faults, fmt.Sprintf("%s:%d: %q is no mark: %s", name, set.Position(c.Pos()).Line, c.Text, fault))
				continue
			}
			for _, id := range ids {
				marks = append(marks, mark{id: id, file: name, test: test, part: part})
			}
		}
	}
	return marks, faults
}

// clausesIn reads a line of a comment: the clauses that it names if it is a
// mark, or what is wrong with it if it only looks like one.
func clausesIn(line string) (ids []string, fault string) {
	if !markLine.MatchString(line) {
		if aboutOurs.MatchString(line) {
			return nil, "it must be like RFC 8972 4.4-3, 4.4-5"
		}
		return nil, ""
	}
	rfc := ""
	for item := range strings.SplitSeq(line, ", ") {
		if rest, ok := strings.CutPrefix(item, "RFC "); ok {
			rfc, item, _ = strings.Cut(rest, " ")
		}
		if !ours[rfc] {
			continue
		}
		if !strings.Contains(item, "-") {
			return nil, "it names no clause of section " + item
		}
		ids = append(ids, rfc+"-"+item)
	}
	return ids, ""
}

// place tells above which test a comment stands, or inside which one and above
// which case: the string on the next line names that.
func place(set *token.FileSet, file *ast.File, group *ast.CommentGroup) (test, part string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
			continue
		}
		if f.Doc == group {
			return f.Name.Name, ""
		}
		if f.Body == nil || group.Pos() < f.Body.Pos() || group.End() > f.Body.End() {
			continue
		}
		next := set.Position(group.End()).Line + 1
		ast.Inspect(f.Body, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if ok && part == "" && lit.Kind == token.STRING && set.Position(lit.Pos()).Line == next {
				part, _ = strconv.Unquote(lit.Value) // the parser has read it
			}
			return part == ""
		})
		if part == "" {
			return "", ""
		}
		return f.Name.Name, part
	}
	return "", ""
}
