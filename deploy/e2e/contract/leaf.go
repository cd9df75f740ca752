package contract

import (
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// leaf returns the schema of a type that is no structure in JSON; nil: the
// library's will do.
func (g *generator) leaf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Format: "date-time", Pattern: "Z$"} // always UTC
	case reflect.TypeFor[netip.AddrPort]():
		return &jsonschema.Schema{
			Type: "string", Pattern: `^([0-9.]+:[0-9]{1,5}|\[[0-9a-f:.]+(%.+)?\]:[0-9]{1,5})?$`,
			Examples: []any{"192.0.2.7:862", "[2001:db8::7]:862"},
		}
	case reflect.TypeFor[netip.Addr]():
		return &jsonschema.Schema{
			Type: "string", Pattern: `^([0-9.]+|[0-9a-f:.]+(%.+)?)?$`,
			Examples: []any{"192.0.2.7", "2001:db8::7"},
		}
	}
	switch t.Kind() {
	case reflect.Uint8:
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: "255"}
	case reflect.Uint16:
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: "65535"}
	case reflect.Uint32:
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: "4294967295"}
	case reflect.Uint64, reflect.Int: // sizes and counts: an int of package events is never negative
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	case reflect.String:
		return &jsonschema.Schema{Type: "string", Enum: g.source.values[t.Name()]}
	}
	return nil
}

var wordList = regexp.MustCompile(`^([a-z0-9_]+(?:, [a-z0-9_]+)*) or ([a-z0-9_]+)(?:[,;]|$)`)

// words returns the words that a field may hold: those that its comment begins
// with, if it begins with words of which the last follows an "or".
func words(comment string) []any {
	m := wordList.FindStringSubmatch(comment)
	if m == nil {
		return nil
	}
	var all []any
	for _, w := range append(strings.Split(m[1], ", "), m[2]) {
		all = append(all, w)
	}
	return all
}
