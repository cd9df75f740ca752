package targets

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"tinytwamp/shared/service"
)

// Bounds of a mapping and of a value. With those of the file they bound what
// aliases can make of it.
const (
	maxKeys  = 100
	maxItems = 100
	maxValue = 1024 // octets
)

// document reads the only document of a file; nil: it is at fault.
func (p *parser) document(text []byte) *yaml.Node {
	if !p.readable(text) {
		return nil
	}
	var first, second yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err == nil {
		err = loader.Load(&first)
	}
	if errors.Is(err, io.EOF) {
		p.faults.add(1, 1, "is empty: it needs a list of targets")
		return nil
	}
	if err == nil {
		err = loader.Load(&second)
	}
	switch {
	case err == nil:
		p.fault(&second, "a second document begins here: a targets file is one document")
	case errors.Is(err, io.EOF):
		return first.Content[0]
	default:
		p.syntax(text, err)
	}
	return nil
}

// readable tells whether the file is text.
func (p *parser) readable(text []byte) bool {
	line := 1
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1:
			p.faults.add(line, 1, "is not UTF-8 in this line")
			return false
		case unicode.IsControl(r) && r != '\t' && r != '\r' && r != 0x85, r == 0xfffe, r == 0xffff:
			p.faults.add(line, 1, "has the character %U in this line, which YAML does not allow", r)
			return false
		}
		rest = rest[size:]
	}
	return true
}

// Common slips: an address in brackets, which YAML takes for a list, and a tab.
var (
	bracketed = regexp.MustCompile(`(^|[\s{,])address:\s+\[`)
	tabbed    = regexp.MustCompile(`^ *\t`)
)

// syntax tells why the file is no YAML.
func (p *parser) syntax(text []byte, err error) {
	line, column, what := 1, 1, err.Error()
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		line, column, what = max(e.Mark.Line, 1), max(e.Mark.Column, 1), e.Message
	}
	advice := "look at indentation, quotes and brackets here and above"
	var at []byte
	if lines := bytes.Split(text, []byte("\n")); line <= len(lines) {
		at = lines[line-1]
	}
	switch {
	case bracketed.Match(at):
		advice = `an address in brackets needs quotes: "[2001:db8::1]:862"`
	case tabbed.Match(at):
		advice = "indent with spaces, not with tabs"
	}
	p.faults.add(line, column, "is not YAML: %s; %s", what, advice)
}

// entry is a key of a mapping with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// find returns the entry of a key.
func find(entries []entry, name string) (entry, bool) {
	for _, e := range entries {
		if e.name == name {
			return e, true
		}
	}
	return entry{}, false
}

// resolve follows an alias. An anchor may lie around an alias to it: what
// walks down nodes must know how deep it goes.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// form says what a node is.
func form(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.ShortTag() == "!!null":
		return "empty"
	}
	return "one value"
}

// mapping reads the entries of a mapping, each key once, of those that are
// known (nil: all). What is wrong with all of it is told at a node of its own.
func (p *parser) mapping(at, n *yaml.Node, what string, known []string) (entries []entry, ok bool) {
	m := resolve(n)
	if m.Kind != yaml.MappingNode {
		p.fault(at, "%s must be a mapping (key: value), not %s", what, form(m))
		return nil, false
	}
	if len(m.Content) > 2*maxKeys {
		p.fault(at, "%s must be at most %d keys", what, maxKeys)
		return nil, false
	}
	for pair := range slices.Chunk(m.Content, 2) {
		key := pair[0]
		name := resolve(key).Value // empty, if it is no text
		if e, twice := find(entries, name); twice {
			p.fault(key, "key %q is there twice, in line %d first", cut(name), e.key.Line)
		} else if known != nil && !slices.Contains(known, name) {
			p.fault(key, "there is no key %q here%s", cut(name), suggestion(name, known))
		} else {
			entries = append(entries, entry{name, key, pair[1]})
		}
	}
	return entries, true
}

// text reads a value that is text.
func (p *parser) text(e entry) (string, bool) {
	n, ok := p.scalar(e, e.value, "text in quotes")
	if ok && n.ShortTag() != "!!str" {
		p.fault(e.key, "%s must be text: put it in quotes", e.name)
		return "", false
	}
	return n.Value, ok
}

// setting reads the text of a setting.
func (p *parser) setting(k service.Key, e entry) (string, bool) {
	if list := resolve(e.value); k.List && list.Kind == yaml.SequenceNode {
		return p.list(e, list)
	}
	if k.Kind == reflect.String {
		return p.text(e)
	}
	what := "one value"
	if k.List {
		what = "a list or one value"
	}
	n, ok := p.scalar(e, e.value, what)
	if ok && k.Kind != reflect.Invalid && n.ShortTag() == "!!str" && n.Style != 0 {
		p.fault(e.key, "%s must not be in quotes", e.name)
		return "", false
	}
	return n.Value, ok
}

// list reads a list of values as text with commas.
func (p *parser) list(e entry, list *yaml.Node) (string, bool) {
	if len(list.Content) > maxItems {
		p.fault(e.key, "%s must be at most %d values", e.name, maxItems)
		return "", false
	}
	var texts []string
	for _, item := range list.Content {
		n, ok := p.scalar(e, item, "a list of single values")
		if !ok {
			return "", false
		}
		texts = append(texts, n.Value)
	}
	text := strings.Join(texts, ",")
	if len(text) > maxValue {
		p.fault(e.key, "%s must be at most %d octets", e.name, maxValue)
		return "", false
	}
	return text, true
}

// scalar reads a node that is a single value of an entry.
func (p *parser) scalar(e entry, n *yaml.Node, what string) (*yaml.Node, bool) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		p.fault(e.key, "%s must be %s, not %s", e.name, what, form(n))
	case n.Style&yaml.TaggedStyle != 0:
		p.fault(e.key, "%s must have no tag, but has %s", e.name, cut(n.Tag))
	case n.ShortTag() == "!!null":
		p.fault(e.key, "%s has no value", e.name)
	case len(n.Value) > maxValue:
		p.fault(e.key, "%s must be at most %d octets", e.name, maxValue)
	default:
		return n, true
	}
	return n, false
}
