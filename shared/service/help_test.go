package service_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"tinytwamp/shared/service"
)

func help(t *testing.T, environ ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	_, exit, ok := program.Parse(new(config), []string{"x", "-nope", "-h"}, environ, &stdout, &stderr)
	if ok || exit != 0 || stderr.Len() > 0 {
		t.Fatalf("ok %v, exit %d, stderr %q", ok, exit, &stderr)
	}
	return stdout.String()
}

func TestHelp(t *testing.T) {
	text := help(t)
	golden(t, "help.txt", text)
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("wider than 80: %s", line)
		}
	}
	if other := help(t, "TWAMP_COUNT=99", "TWAMP_STORE_URL=nats://me:hunter2@host"); other != text {
		t.Errorf("-h depends on the environment:\n%s", other)
	}
}

func TestTable(t *testing.T) {
	golden(t, "table.md", service.Table(&config{Count: 99}))
}

func TestUpdateTable(t *testing.T) {
	readme := []byte("# Demo\n<!-- settings:other --><!-- /settings -->\n<!-- settings:demo -->\nold\n<!-- /settings -->\nEnd\n")
	if err := service.CheckTable(readme, "demo", new(config)); err == nil {
		t.Error("an old table is right")
	}
	updated, err := service.UpdateTable(readme, "demo", new(config))
	if err != nil {
		t.Fatal(err)
	}
	want := "# Demo\n<!-- settings:other --><!-- /settings -->\n<!-- settings:demo -->\n\n" +
		service.Table(new(config)) + "\n<!-- /settings -->\nEnd\n"
	if string(updated) != want {
		t.Errorf("got %s", updated)
	}
	if err := service.CheckTable(updated, "demo", new(config)); err != nil {
		t.Error(err)
	}
	for _, marks := range []string{"", "<!-- settings:demo -->"} {
		if err := service.CheckTable([]byte(marks), "demo", new(config)); err == nil || !strings.Contains(err.Error(), "no mark") {
			t.Errorf("marks %q: %v", marks, err)
		}
	}
}

func TestCheckTableFindsUnsoundSettings(t *testing.T) {
	type unsound struct {
		Port  int    `env:"WEB_PORT" help:"x"`
		Count int    `env:"COUNT" envDefault:"ten" help:"x"`
		Mute  bool   `env:"MUTE"`
		A     string `env:"A_B" help:"x"`
		B     string `env:"B" envPrefix:"A_" help:"x"`
		In    struct {
			B string `env:"B" help:"x"`
		} `envPrefix:"A_"`
		Version string `env:"VERSION" help:"x"`
	}
	readme, err := service.UpdateTable([]byte("<!-- settings:x --><!-- /settings -->"), "x", new(unsound))
	if err != nil {
		t.Fatal(err)
	}
	err = service.CheckTable(readme, "x", new(unsound))
	if err == nil {
		t.Fatal("unsound settings are right")
	}
	for _, want := range []string{"TWAMP_WEB_PORT has a name", "TWAMP_COUNT has a bad default", "TWAMP_MUTE has no help", "TWAMP_A_B is there twice", "TWAMP_VERSION is there twice"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}
