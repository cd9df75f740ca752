package contract

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// source is what only the source of package events tells: its comments, and
// the constants of its types of string.
type source struct {
	comments  jsonschema.Reflector // for its CommentMap, by "package.Type" and "package.Type.Field"
	constants map[string]string    // value by name
	values    map[string][]any     // values by type, in the order in which they stand
}

const eventsPackage = "tinytwamp/shared/events"

// here is this package, which the path of the sources is relative to.
const here = "tinytwamp/deploy/e2e/contract"

func readSource(folder string) (*source, error) {
	s := &source{constants: make(map[string]string), values: make(map[string][]any)}
	if err := s.comments.AddGoComments(here, folder, jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("contract: comments: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("contract: %w", err)
		}
		s.readConstants(file)
	}
	return s, nil
}

// readConstants takes down the exported constants that are strings.
func (s *source) readConstants(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !spec.Names[0].IsExported() {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			return true // the compiler would not have it
		}
		s.constants[spec.Names[0].Name] = value
		if t, ok := spec.Type.(*ast.Ident); ok {
			s.values[t.Name] = append(s.values[t.Name], value)
		}
		return true
	})
}

var docLink = regexp.MustCompile(`\[\*?([A-Z][A-Za-z0-9]*)\]`)

// comment returns the comment of a type, or of a field of it, as one line
// without Go's marks.
func (s *source) comment(typ, field string) string {
	key := eventsPackage + "." + typ
	if field != "" {
		key += "." + field
	}
	text := strings.Join(strings.Fields(s.comments.CommentMap[key]), " ")
	return docLink.ReplaceAllStringFunc(text, func(link string) string {
		name := docLink.FindStringSubmatch(link)[1]
		if value, ok := s.constants[name]; ok {
			return value
		}
		return name
	})
}
