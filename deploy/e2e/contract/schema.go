package contract

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"tinytwamp/shared/events"
)

// sources is the folder of package events, seen from this one.
const sources = "../../../shared/events"

// types are what an event's data may be, by the event's type.
var types = map[string]reflect.Type{
	events.TypeRTT:        reflect.TypeFor[events.RTT](),
	events.TypeLog:        reflect.TypeFor[events.Log](),
	events.TypeDeadLetter: reflect.TypeFor[events.DeadLetter](),
}

// schemaID names the schema of a type of event, wherever it is kept.
func schemaID(eventType string) string { return "urn:tinytwamp:event:" + eventType }

// generator makes schemas out of Go types. The structure is the library's; what
// is null or left out is taken from the encoder, and the words from the source.
type generator struct {
	*jsonschema.Reflector
	source *source
	made   map[string]reflect.Type // structs by the name of their definition
}

func newGenerator() (*generator, error) {
	src, err := readSource(sources)
	if err != nil {
		return nil, err
	}
	g := &generator{source: src, made: make(map[string]reflect.Type)}
	g.Reflector = &jsonschema.Reflector{
		Anonymous:                 true, // the id is ours
		ExpandedStruct:            true,
		AllowAdditionalProperties: true, // fields are only ever added
		Mapper:                    g.leaf,
		LookupComment:             func(t reflect.Type, field string) string { return src.comment(t.Name(), field) },
		Namer: func(t reflect.Type) string {
			if t.Kind() == reflect.Struct {
				g.made[t.Name()] = t
			}
			return t.Name()
		},
	}
	return g, nil
}

// schema returns the schema of a type of event: the whole CloudEvent.
func (g *generator) schema(eventType string) ([]byte, error) {
	data := types[eventType]
	s := g.ReflectFromType(reflect.TypeFor[events.Event]())
	body := g.ReflectFromType(data)
	s.Definitions = body.Definitions
	body.Definitions, body.Version = nil, ""
	s.Definitions[data.Name()] = body
	for name, def := range s.Definitions {
		if err := g.finish(g.made[name], def); err != nil {
			return nil, err
		}
	}
	g.envelope(s, eventType, data.Name())
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// envelope says what an event's own attributes are beyond their types.
// [events.Source] writes all of them always.
func (g *generator) envelope(s *jsonschema.Schema, eventType, data string) {
	s.ID = jsonschema.ID(schemaID(eventType))
	s.Title = eventType
	s.Description = "CloudEvent 1.0 in structured JSON, with an extension attribute, sequence. " + g.source.comment(data, "")
	s.Required = nil
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		s.Required = append(s.Required, p.Key)
		switch p.Key {
		case "specversion":
			p.Value.Const = "1.0"
		case "type":
			p.Value.Const = eventType
		case "datacontenttype":
			p.Value.Const = "application/json"
		case "id":
			p.Value.Pattern = "-[1-9][0-9]*$"
		case "source":
			p.Value.Pattern = "^/[A-Za-z0-9_-]{1,63}/[A-Za-z0-9_-]{1,63}$"
		case "sequence":
			p.Value.Pattern = "^[0-9]{20}$"
		case "data":
			p.Value.Ref = "#/$defs/" + data
		}
	}
}

// finish makes a struct's schema tell what its encoding is: which fields are
// always there, which may be null, what their unit is, and which words they may
// hold. A zero value shows the first two: a field that it leaves out is
// optional, and one that is null in it may be null.
func (g *generator) finish(t reflect.Type, s *jsonschema.Schema) error {
	if t == nil {
		return fmt.Errorf("contract: a definition that is no struct of package events: %q", s.Description)
	}
	encoded, err := json.Marshal(reflect.Zero(t).Interface())
	if err != nil {
		return fmt.Errorf("contract: encode a zero %s: %w", t, err)
	}
	var zero map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &zero); err != nil {
		return fmt.Errorf("contract: a zero %s: %w", t, err)
	}
	s.Required = nil
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		field := p.Value
		if field.Type == "string" && field.Enum == nil {
			field.Enum = words(field.Description)
		}
		if strings.HasSuffix(p.Key, "_ns") {
			field.Description = "Nanoseconds: " + field.Description
		}
		value, always := zero[p.Key]
		if always {
			s.Required = append(s.Required, p.Key)
		}
		if string(value) == "null" {
			nullable(field)
		}
	}
	return nil
}

// nullable makes a schema take null as well.
func nullable(s *jsonschema.Schema) {
	if s.Ref != "" {
		s.AnyOf = []*jsonschema.Schema{{Ref: s.Ref}, {Type: "null"}}
		s.Ref = ""
		return
	}
	s.Extras = map[string]any{"type": []string{s.Type, "null"}}
	s.Type = ""
}
