package contract

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the schemas of shared/events/schema anew")

func schemaFile(eventType string) string {
	return filepath.Join(sources, "schema", eventType+".json")
}

// The schemas are those of the types as they are now.
func TestSchemas(t *testing.T) {
	g, err := newGenerator()
	if err != nil {
		t.Fatal(err)
	}
	for eventType := range types {
		want, err := g.schema(eventType)
		if err != nil {
			t.Fatal(err)
		}
		file := schemaFile(eventType)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v); `make docs` writes it anew", file, err)
		}
	}
}
