package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tinytwamp/shared/events"
)

// goldens are the files of events that were once written, by their type.
func goldens(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sources, "testdata/twamp.v*.json"))
	if err != nil || len(files) < len(types) {
		t.Fatalf("%d goldens, %v", len(files), err)
	}
	of := make(map[string][]string)
	for _, f := range files {
		words := strings.Split(filepath.Base(f), ".")
		eventType := strings.Join(words[:3], ".")
		of[eventType] = append(of[eventType], f)
	}
	return of
}

// full is the golden in which every field of a type is set, which package
// events sees to.
func full(eventType string) string { return filepath.Join(sources, "testdata", eventType+".json") }

func readJSON(t *testing.T, file string) any {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return value(t, b)
}

func value(t *testing.T, encoded []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatalf("%v in %s", err, encoded)
	}
	return v
}

// compile returns the published schema of a type, after change has changed it.
func compile(t *testing.T, eventType string, change func(schema map[string]any)) *jsonschema.Schema {
	t.Helper()
	doc := readJSON(t, schemaFile(eventType)).(map[string]any)
	if change != nil {
		change(doc)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource(schemaID(eventType), doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaID(eventType))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What was once published is an event in the sense of the schema, also for
// those who read it as JSON Schema of draft 7, as AsyncAPI does.
func TestGoldensFitTheirSchema(t *testing.T) {
	for eventType, files := range goldens(t) {
		for name, schema := range map[string]*jsonschema.Schema{
			"2020-12": compile(t, eventType, nil),
			"draft 7": compile(t, eventType, func(s map[string]any) { delete(s, "$schema") }),
		} {
			for _, f := range files {
				if err := schema.Validate(readJSON(t, f)); err != nil {
					t.Errorf("%s, %s: %v", f, name, err)
				}
			}
		}
	}
}

// A schema lets fields pass that it does not name, so this one is closed first:
// then it takes no golden that has a field of which it knows nothing.
func TestSchemaNamesEveryField(t *testing.T) {
	for eventType := range types {
		shut := func(s map[string]any) {
			everyObject(s, "", func(_ string, object map[string]any) { object["additionalProperties"] = false })
		}
		if err := compile(t, eventType, shut).Validate(readJSON(t, full(eventType))); err != nil {
			t.Errorf("%s: %v", eventType, err)
		}
	}
}

func TestEveryFieldIsDescribed(t *testing.T) {
	for eventType := range types {
		everyObject(readJSON(t, schemaFile(eventType)).(map[string]any), eventType, func(path string, object map[string]any) {
			if object["description"] == nil {
				t.Errorf("%s has no description: its type in shared/events wants a comment", path)
			}
			for name, field := range object["properties"].(map[string]any) {
				description, _ := field.(map[string]any)["description"].(string)
				if strings.TrimPrefix(description, "Nanoseconds: ") == "" {
					t.Errorf("%s.%s has no description: its field in shared/events wants a comment", path, name)
				}
			}
		})
	}
}

// everyObject visits the schemas that have properties.
func everyObject(schema map[string]any, path string, visit func(path string, object map[string]any)) {
	if _, ok := schema["properties"]; ok {
		visit(path, schema)
	}
	defs, _ := schema["$defs"].(map[string]any)
	for name, def := range defs {
		everyObject(def.(map[string]any), name, visit)
	}
}

// optional are the fields that an event may leave out.
var optional = map[string][]string{
	events.TypeRTT: {
		".data.samples", ".data.samples_cut", ".data.session.paths", ".data.session.sid", ".data.session.reflector_port",
		".data.report.why", ".data.unreflected", ".data.target.labels", ".data.target.labels.rack", ".data.target.labels.site", ".data.icmp[].mtu",
	},
	events.TypeLog: {
		".data.records[].sequence", ".data.records[].size", ".data.records[].message", ".data.records[].reason", ".data.records[].count", ".data.records[].result",
		".data.records[].mode", ".data.records[].key_id", ".data.records[].sid",
	},
}

// Every field that is taken away, or is of another type, is noticed.
func TestSchemaRefusesDamage(t *testing.T) {
	for eventType := range types {
		schema, event := compile(t, eventType, nil), readJSON(t, full(eventType))
		n := 0
		damage(event, "", func(path, what string) {
			if what == "gone" && slices.Contains(optional[eventType], path) {
				return
			}
			n++
			if schema.Validate(event) == nil {
				t.Errorf("%s: %s %s, and the schema takes it", eventType, path, what)
			}
		})
		if err := schema.Validate(event); err != nil || n < 20 {
			t.Errorf("%s: %d kinds of damage, and at the end %v", eventType, n, err)
		}
	}
}

// damage does each damage to each field of v, one by one, and undoes it.
func damage(v any, at string, try func(path, what string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, old := range v {
			field := at + "." + name
			delete(v, name)
			try(field, "gone")
			for what, wrong := range wrongs(old) {
				v[name] = wrong
				try(field, what)
			}
			v[name] = old
			damage(old, field, try)
		}
	case []any:
		for i, old := range v {
			for what, wrong := range wrongs(old) {
				v[i] = wrong
				try(at+"[]", what)
			}
			v[i] = old
			damage(old, at+"[]", try)
		}
	}
}

// wrongs are values that cannot stand where v does.
func wrongs(v any) map[string]any {
	switch v := v.(type) {
	case json.Number:
		return map[string]any{"a string": v.String(), "a fraction": json.Number("1.5"), "true": true}
	case string:
		return map[string]any{"a number": json.Number("1")}
	case bool:
		return map[string]any{"a number": json.Number("1"), "a string": "true"}
	case map[string]any:
		return map[string]any{"a list": []any{}, "a string": ""}
	case []any:
		return map[string]any{"an object": map[string]any{}, "a string": "", "null": nil}
	}
	return nil // null says nothing of what else may be there
}

func TestSchemaRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file, path string
		value      any
	}{
		"version of CloudEvents":   {"twamp.v1.rtt", "specversion", "0.3"},
		"another type":             {"twamp.v1.rtt", "type", "twamp.v1.log"},
		"a source without a name":  {"twamp.v1.rtt", "source", "/prober"},
		"a short sequence":         {"twamp.v1.rtt", "sequence", "42"},
		"an instant without zone":  {"twamp.v1.rtt", "time", "2026-03-29T14:09:01"},
		"an instant not in UTC":    {"twamp.v1.rtt", "data.report.start", "2026-03-29T14:09:01+02:00"},
		"an instant in words":      {"twamp.v1.rtt", "data.report.start", "noonZ"},
		"an unknown mode":          {"twamp.v1.rtt", "data.session.mode", "ping"},
		"an unknown auth":          {"twamp.v1.rtt", "data.session.auth", "some"},
		"an unknown schedule":      {"twamp.v1.rtt", "data.session.schedule", "now"},
		"an unknown timestamp":     {"twamp.v1.rtt", "data.session.timestamp_format", "utc"},
		"an unknown kind of part":  {"twamp.v1.rtt", "data.report.kind", "half"},
		"an unknown state":         {"twamp.v1.rtt", "data.samples.state", "unsent"},
		"an unknown kind":          {"twamp.v1.log", "data.records.kind", "packet_lost"},
		"an unknown service":       {"twamp.v1.log", "data.service", "router"},
		"no address":               {"twamp.v1.rtt", "data.target.address", "router"},
		"a port of six digits":     {"twamp.v1.rtt", "data.target.address", "192.0.2.1:123456"},
		"a negative count":         {"twamp.v1.rtt", "data.sent", json.Number("-1")},
		"a count that is null":     {"twamp.v1.rtt", "data.sent", nil},
		"an SSID above 16 bits":    {"twamp.v1.rtt", "data.session.ssid", json.Number("65536")},
		"a hop count above 8 bits": {"twamp.v1.rtt", "data.hops_forward.max", json.Number("256")},
		"a sum above 32 bits":      {"twamp.v1.rtt", "data.extensions.direct_measurement.sender_tx", json.Number("4294967296")},
		"text for octets":          {"twamp.v1.dlq", "data.size", "4"},
	} {
		event := readJSON(t, full(c.file))
		set(event, strings.Split(c.path, "."), c.value)
		if err := compile(t, c.file, nil).Validate(event); err == nil || !strings.Contains(err.Error(), path.Base(strings.ReplaceAll(c.path, ".", "/"))+"'") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func set(v any, path []string, value any) {
	if list, ok := v.([]any); ok { // the first of a list stands for all
		v = list[0]
	}
	m := v.(map[string]any)
	if len(path) > 1 {
		set(m[path[0]], path[1:], value)
		return
	}
	m[path[0]] = value
}

// What is not known yet passes: fields are added to a version without a new
// schema for its consumers.
func TestSchemaTakesFurtherFields(t *testing.T) {
	for eventType := range types {
		event := readJSON(t, full(eventType))
		set(event, []string{"traceparent"}, "00-1-2-3")
		set(event, []string{"data", "of_tomorrow"}, json.Number("1"))
		if err := compile(t, eventType, nil).Validate(event); err != nil {
			t.Error(err)
		}
	}
}

func TestWords(t *testing.T) {
	for comment, want := range map[string][]any{
		"run or interval":                     {"run", "interval"},
		"stamp, light or twamp":               {"stamp", "light", "twamp"},
		"ntp or ptp, as sent":                 {"ntp", "ptp"},
		"as it was asked for: name or port":   nil,
		"why packets were dropped, or ended":  nil,
		"who sent it":                         nil,
		"received, late or lost in that time": nil,
	} {
		if got := words(comment); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", comment, got, want)
		}
	}
}
