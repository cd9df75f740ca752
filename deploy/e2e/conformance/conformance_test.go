package conformance

import (
	"flag"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write deploy/conformance.md anew")

const root = "../../.."

// The table is generated, complete, and true of the tests that it names.
func TestConformance(t *testing.T) {
	sections, err := parse(clausesText)
	if err != nil {
		t.Fatal(err)
	}
	marks, faults, err := scan(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(faults, check(sections, marks)...) {
		t.Error(f)
	}
	file, want := filepath.Join(root, "deploy/conformance.md"), table(sections, marks)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("deploy/conformance.md is not what clauses and marks say (%v); `make docs` writes it anew", err)
	}
}

const fewClauses = `# some
== 8762 1 One
1 both MUST: a
2 sender MAY: b
	left out: c
3 operator plain: d
	not applicable: e
== 8972 1.2 Two
4 reflector SHOULD: f
	note: g
`

func TestParse(t *testing.T) {
	sections, err := parse(fewClauses)
	if err != nil || len(sections) != 2 || len(sections[0].clauses) != 3 || len(sections[1].clauses) != 1 {
		t.Fatalf("%+v, %v", sections, err)
	}
	for got, want := range map[clause]clause{
		sections[0].clauses[0]: {"8762", "1-1", "both", "MUST", "a", implemented, ""},
		sections[0].clauses[1]: {"8762", "1-2", "sender", "MAY", "b", leftOut, "c"},
		sections[0].clauses[2]: {"8762", "1-3", "operator", "plain", "d", notApplicable, "e"},
		sections[1].clauses[0]: {"8972", "1.2-4", "reflector", "SHOULD", "f", implemented, "g"},
	} {
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for _, bad := range []string{
		"1 both MUST: before a section", "== 8762 1 x\n\tnote: of nothing", "== 8762 1 x\n1 nobody MUST: a",
		"== 8762 1 x\n1 both OUGHT: a", "== 8762 1 x\n1 both MUST: a\n1 both MUST: again", "== 8762 1 x\n1 both MUST: a\n\tnote: b\n\tnote: c",
		"== 8762 1 x\nwords",
	} {
		if got, err := parse(bad); err == nil {
			t.Errorf("%q became %+v", bad, got)
		}
	}
}

func TestMarks(t *testing.T) {
	const source = `package p
// What it does.
//
// RFC 8762 1-1, 1-3, RFC 8972 4.4-3
// RFC 8186 2.3, RFC 8762 1-2
func TestA(t *testing.T) {
	for _, c := range []any{
		// RFC 8972 1.2-4
		{"a case", 1},
		{
			// RFC 5357 4.2.1
			name: "another",
		},
		// RFC 8762 5-1
		"a key": 2,
	} { // RFC 8972 in prose
	}
	// RFC 8762 9-9
	f()
}

// RFC 8762 1
func TestB(t *testing.T) {}

// RFC 8762 1-1
func helper() {}

// RFC 8762 1-1 and more
func TestC(t *testing.T) {}
`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "x_test.go", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	marks, faults := marksOf(set, file, "d/x_test.go")
	want := []mark{
		{"8762-1-1", "d/x_test.go", "TestA", ""},
		{"8762-1-3", "d/x_test.go", "TestA", ""},
		{"8972-4.4-3", "d/x_test.go", "TestA", ""},
		{"8762-1-2", "d/x_test.go", "TestA", ""},
		{"8972-1.2-4", "d/x_test.go", "TestA", "a case"},
		{"8762-5-1", "d/x_test.go", "TestA", "a key"},
	}
	if !slices.Equal(marks, want) {
		t.Errorf("\n got %+v\nwant %+v", marks, want)
	}
	wantFaults := []string{
		`d/x_test.go:18: "// RFC 8762 9-9" is no mark: it stands above no test`,
		`d/x_test.go:22: "// RFC 8762 1" is no mark: it names no clause of section 1`,
		`d/x_test.go:25: "// RFC 8762 1-1" is no mark: it stands above no test`,
		`d/x_test.go:28: "// RFC 8762 1-1 and more" is no mark: it must be like RFC 8972 4.4-3, 4.4-5`,
	}
	if !slices.Equal(faults, wantFaults) {
		t.Errorf("\n got %q\nwant %q", faults, wantFaults)
	}
}

func TestCheck(t *testing.T) {
	sections, err := parse(fewClauses)
	if err != nil {
		t.Fatal(err)
	}
	of := func(ids ...string) (marks []mark) {
		for _, id := range ids {
			marks = append(marks, mark{id: id, file: "x_test.go", test: "TestX"})
		}
		return marks
	}
	for name, c := range map[string]struct {
		marks []mark
		want  []string
	}{
		"good":                   {of("8762-1-1", "8972-1.2-4", "8762-1-1"), nil},
		"a test is missing":      {of("8762-1-1"), []string{"8972-1.2-4 is implemented, and no test shows it: f"}},
		"unknown clause":         {of("8762-1-1", "8972-1.2-4", "8762-1-4"), []string{"x_test.go: TestX shows 8762-1-4, which is not in clauses.txt"}},
		"of what was left out":   {of("8762-1-1", "8972-1.2-4", "8762-1-2"), []string{"x_test.go: TestX shows 8762-1-2, which is left out"}},
		"of what does not apply": {of("8762-1-1", "8972-1.2-4", "8762-1-3"), []string{"x_test.go: TestX shows 8762-1-3, which is not applicable"}},
	} {
		if got := check(sections, c.marks); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	sections, err := parse(fewClauses)
	if err != nil {
		t.Fatal(err)
	}
	got := table(sections, []mark{{"8762-1-1", "a/b_test.go", "TestX", "a case"}, {"8762-1-1", "a/b_test.go", "TestX", ""}})
	for _, want := range []string{
		"| RFC 8762 | clauses | implemented | not applicable | left out |\n|---|---|---|---|---|\n" +
			"| MUST, MUST NOT | 1 | 1 | 0 | 0 |\n| SHOULD, RECOMMENDED | 0 | 0 | 0 | 0 |\n| MAY | 1 | 0 | 0 | 1 |\n| plain | 1 | 0 | 1 | 0 |\n| all | 3 | 1 | 1 | 1 |\n",
		"### 1 One\n",
		"| 1-1 | both | MUST | a | implemented | [TestX: a case](../a/b_test.go), [TestX](../a/b_test.go) |\n",
		"| 1-2 | sender | MAY | b | left out: c |  |\n",
		"| 1.2-4 | reflector | SHOULD | f | implemented: g |  |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no\n%s\nin\n%s", want, got)
		}
	}
}
