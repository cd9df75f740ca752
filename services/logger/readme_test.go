package main

import (
	"flag"
	"os"
	"testing"

	"tinytwamp/shared/service"
)

var update = flag.Bool("update", false, "write the settings table of README.md anew")

// The README's table of settings is generated, and stays true.
func TestREADMESettings(t *testing.T) {
	const file = "../../README.md"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if readme, err = service.UpdateTable(readme, program.Name, new(Config)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, readme, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := service.CheckTable(readme, program.Name, new(Config)); err != nil {
		t.Errorf("%v; `make docs` writes it anew", err)
	}
}
