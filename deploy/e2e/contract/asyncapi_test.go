package contract

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
)

// document is a file of references, by its path from the sources.
type document map[string]any

func readDocument(t *testing.T, file string) document {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(sources, file))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(b, &d); err != nil { // JSON is YAML
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

// asyncAPI is the document as its readers see it: in JSON's types.
func asyncAPI(t *testing.T) document {
	t.Helper()
	b, err := json.Marshal(readDocument(t, "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// at returns what is at a JSON pointer, following references on the way.
func (d document) at(t *testing.T, pointer string) any {
	t.Helper()
	var v any = map[string]any(d)
	for _, name := range strings.Split(strings.Trim(pointer, "/"), "/") {
		if name == "" {
			continue
		}
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("there is no %s in %s", name, pointer)
		}
		v = m[name]
		if ref, ok := v.(map[string]any)["$ref"].(string); ok && strings.HasPrefix(ref, "#") {
			v = d.at(t, ref[1:])
		}
	}
	return v
}

func (d document) text(t *testing.T, pointer, field string) string {
	t.Helper()
	s, _ := d.at(t, pointer).(map[string]any)[field].(string)
	return s
}

// TestAsyncAPIForm holds the document to what AsyncAPI 3.0.0 asks of the objects
// that it has.
func TestAsyncAPIForm(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile("testdata/asyncapi-3.0.0.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(map[string]any(asyncAPI(t))); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(d document){
		"no info":                    func(d document) { delete(d, "info") },
		"another version":            func(d document) { d["asyncapi"] = "2.6.0" },
		"a server without protocol":  func(d document) { delete(d.at(t, "servers/nats").(map[string]any), "protocol") },
		"an operation of no channel": func(d document) { delete(d.at(t, "operations/sendLog").(map[string]any), "channel") },
		"an action of version 2":     func(d document) { d.at(t, "operations/sendLog").(map[string]any)["action"] = "publish" },
		"a field that is none":       func(d document) { d.at(t, "channels/rtt").(map[string]any)["subject"] = "x" },
		"a header of no type":        func(d document) { d.at(t, "components/schemas/headers").(map[string]any)["type"] = "none" },
	} {
		d := asyncAPI(t)
		spoil(d)
		if schema.Validate(map[string]any(d)) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// Every reference leads somewhere, here or in a file beside the document.
func TestAsyncAPIReferences(t *testing.T) {
	d, n := asyncAPI(t), 0
	everyReference(map[string]any(d), func(ref string) {
		n++
		file, pointer, _ := strings.Cut(ref, "#")
		in := d
		if file != "" {
			in = readDocument(t, file)
		}
		in.at(t, pointer)
	})
	if n < 20 {
		t.Errorf("%d references", n)
	}
	for name := range d.at(t, "operations").(map[string]any) { // AsyncAPI 3.0.0, Operation Object, messages: those of its channel
		op := d.at(t, "operations/"+name).(map[string]any)
		channel := op["channel"].(map[string]any)["$ref"].(string)
		for _, m := range op["messages"].([]any) {
			if ref := m.(map[string]any)["$ref"].(string); !strings.HasPrefix(ref, channel+"/messages/") {
				t.Errorf("%s: message %s is not one of %s", name, ref, channel)
			}
		}
	}
}

func everyReference(v any, visit func(ref string)) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			visit(ref)
		}
		for _, below := range v {
			everyReference(below, visit)
		}
	case []any:
		for _, below := range v {
			everyReference(below, visit)
		}
	}
}

var expression = regexp.MustCompile(`\{(\w+)\}`)

// Channels are the subjects under which package events publishes, with its
// types, and the schemas are those of the types.
func TestAsyncAPIChannels(t *testing.T) {
	d := asyncAPI(t)
	address := netip.MustParseAddrPort("[2001:db8::7]:862")
	for channel, want := range map[string]struct{ subject, eventType string }{
		"rtt": {events.RTTSubject("probe-1", "core.lab", address), events.TypeRTT},
		"log": {events.LogSubject("reflector-1"), events.TypeLog},
		"dlq": {events.DeadLetterSubject("reflector-1"), events.TypeDeadLetter},
	} {
		used := 0
		got := expression.ReplaceAllStringFunc(d.text(t, "channels/"+channel, "address"), func(e string) string {
			used++
			parameter := d.at(t, fmt.Sprintf("channels/%s/parameters/%s", channel, strings.Trim(e, "{}"))).(map[string]any)
			return parameter["examples"].([]any)[0].(string)
		})
		if got != want.subject {
			t.Errorf("%s: with its examples the address is %s, want %s", channel, got, want.subject)
		}
		if n := len(d.at(t, "channels/"+channel+"/parameters").(map[string]any)); n != used {
			t.Errorf("%s: %d parameters, and its address has %d", channel, n, used)
		}
		message := "channels/" + channel + "/messages/" + channel
		if name := d.text(t, message, "name"); name != want.eventType {
			t.Errorf("%s: message %s, want %s", channel, name, want.eventType)
		}
		payload := d.at(t, message).(map[string]any)["payload"].(map[string]any)["$ref"].(string)
		if id := readDocument(t, payload)["$id"]; id != schemaID(want.eventType) {
			t.Errorf("%s: the payload's schema is %v", channel, id)
		}
		if c := d.text(t, message, "contentType"); c != events.ContentType {
			t.Errorf("%s: content type %s", channel, c)
		}
	}
	if n := len(d.at(t, "channels").(map[string]any)); n != len(types) {
		t.Errorf("%d channels, %d types", n, len(types))
	}
}

// headers is what the document says of the headers of a message.
func headers(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("headers", asyncAPI(t).at(t, "components/schemas/headers")); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("headers")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fits holds the headers of a message to the document, which names all of them.
func fits(t *testing.T, h nats.Header) {
	t.Helper()
	named := asyncAPI(t).at(t, "components/schemas/headers/properties").(map[string]any)
	v := make(map[string]any)
	for name := range h {
		v[name] = h.Get(name)
		if named[name] == nil {
			t.Errorf("asyncapi.yaml does not name header %s", name)
		}
	}
	if err := headers(t).Validate(v); err != nil {
		t.Error(err)
	}
}

func TestAsyncAPIHeaders(t *testing.T) {
	first := nats.Header{"Content-Type": {events.ContentType}, "Nats-Msg-Id": {"A-1"}}
	fits(t, first)
	for attempt, ok := range map[string]bool{"2": true, "10": true, "1": false, "0": false, "two": false} {
		v := map[string]any{"Content-Type": events.ContentType, "Nats-Msg-Id": "A-1", bus.HeaderAttempt: attempt}
		if got := headers(t).Validate(v) == nil; got != ok {
			t.Errorf("attempt %s: taken is %v", attempt, got)
		}
	}
	if headers(t).Validate(map[string]any{"Content-Type": events.ContentType}) == nil {
		t.Error("a message without an id is taken")
	}
}
