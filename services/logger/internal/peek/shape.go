package peek

import (
	"encoding"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// kind is what a JSON value has to be.
type kind uint8

const (
	unsure  kind = iota // of a type that is left to package json
	anyJSON             // json.RawMessage
	text
	integer
	boolean
	list
	object
	mapping
	instant // RFC 3339
	address // netip.Addr
	addrPort
)

// shape is what encoding/json takes for a Go type, compiled once.
type shape struct {
	kind     kind
	nullable bool // a pointer, list or map
	bits     int  // of an integer
	signed   bool
	fields   []field // of an object, in order
	element  *shape  // of a list or a mapping
}

type field struct {
	name  string
	token []byte // "name": as it stands in JSON without white space
	shape *shape
	taken bool // out of the text, as the value of the number as
	as    int
}

// with sets the shape of a field that can be anything.
func (s *shape) with(name string, inside *shape) *shape {
	s.fields[s.find([]byte(name))].shape = inside
	return s
}

// taking marks fields, by dotted paths, to be taken out. A path that leads
// nowhere is a mistake in this package.
func (s *shape) taking(paths []string) *shape {
	for as, path := range paths {
		in := s
		for name := range strings.SplitSeq(path, ".") {
			f := &in.fields[in.find([]byte(name))]
			if in = f.shape; strings.HasSuffix("."+path, "."+name) {
				f.taken, f.as = true, as
			}
		}
	}
	return s
}

func shapeOf(t reflect.Type) *shape {
	switch t {
	case reflect.TypeFor[json.RawMessage]():
		return &shape{kind: anyJSON}
	case reflect.TypeFor[time.Time]():
		return &shape{kind: instant}
	case reflect.TypeFor[netip.Addr]():
		return &shape{kind: address}
	case reflect.TypeFor[netip.AddrPort]():
		return &shape{kind: addrPort}
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return &shape{kind: unsure}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := *shapeOf(t.Elem())
		s.nullable = true
		return &s
	case reflect.String:
		return &shape{kind: text}
	case reflect.Bool:
		return &shape{kind: boolean}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return &shape{kind: integer, bits: t.Bits(), signed: true}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &shape{kind: integer, bits: t.Bits()}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // base64
			return &shape{kind: unsure}
		}
		return &shape{kind: list, nullable: true, element: shapeOf(t.Elem())}
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return &shape{kind: unsure}
		}
		return &shape{kind: mapping, nullable: true, element: shapeOf(t.Elem())}
	case reflect.Struct:
		return &shape{kind: object, fields: fieldsOf(t)}
	}
	return &shape{kind: unsure}
}

// fieldsOf lists the fields of a struct and of the structs embedded in it.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			fields = append(fields, fieldsOf(f.Type)...)
		case !f.IsExported():
		case name == "", strings.Contains(options, "string"): // none of ours
			fields = append(fields, field{name: name, token: []byte(`"` + name + `":`), shape: &shape{kind: unsure}})
		default:
			fields = append(fields, field{name: name, token: []byte(`"` + name + `":`), shape: shapeOf(f.Type)})
		}
	}
	return fields
}
