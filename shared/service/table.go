package service

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Table returns the settings of cfg, a pointer to a struct, as a table in
// Markdown for the README.
func Table(cfg any) string {
	var b strings.Builder
	b.WriteString("| Variable | Flag | Default | Meaning |\n|---|---|---|---|\n")
	for _, s := range slices.Concat(grouped(settings(cfg))...) {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.variable,
			strings.TrimSpace("-"+s.flag+" "+cell(s.placeholder())), s.defaultCell(), cell(s.field.Tag.Get("help")))
	}
	return b.String()
}

// defaultCell returns the default for a table: as code where it is a text that
// one could type.
func (s setting) defaultCell() string {
	text := cell(s.defaultText())
	if text == "" || s.field.Tag.Get("default") != "" {
		return text
	}
	return "`" + text + "`"
}

// cell makes text fit to stand in a table.
func cell(text string) string {
	return strings.ReplaceAll(text, "|", `\|`)
}

// UpdateTable returns the README with the table of cfg between the marks
//
//	<!-- settings:NAME -->
//	<!-- /settings -->
func UpdateTable(readme []byte, name string, cfg any) ([]byte, error) {
	begin, end := "<!-- settings:"+name+" -->", "<!-- /settings -->"
	before, rest, ok := bytes.Cut(readme, []byte(begin))
	if !ok {
		return nil, fmt.Errorf("service: no mark %s in the README", begin)
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, fmt.Errorf("service: no mark %s after %s in the README", end, begin)
	}
	table := begin + "\n\n" + Table(cfg) + "\n" + end
	return slices.Concat(before, []byte(table), after), nil
}

// CheckTable is for a service's test: its README must hold the table of cfg
// under name (see [UpdateTable]), and the settings themselves must be sound.
func CheckTable(readme []byte, name string, cfg any) error {
	updated, err := UpdateTable(readme, name, cfg)
	if err == nil && !bytes.Equal(updated, readme) {
		err = fmt.Errorf("service: the table settings:%s in the README is not that of the settings; UpdateTable makes it", name)
	}
	return errors.Join(err, checkSound(cfg))
}

// checkSound finds mistakes in a struct of settings that no user could mend.
func checkSound(cfg any) error {
	var errs []error
	bad := func(s setting, what string) {
		errs = append(errs, fmt.Errorf("service: setting %s %s", s.variable, what))
	}
	seen := map[string]bool{"h": true, "help": true, "version": true}
	for _, s := range settings(reflect.New(reflect.TypeOf(cfg).Elem()).Interface()) {
		if seen[s.flag] {
			bad(s, "is there twice, or has a name that every program uses")
		}
		seen[s.flag] = true
		if strings.HasSuffix(s.variable, "_PORT") || strings.HasSuffix(s.variable, "_SERVICE_HOST") {
			bad(s, "has a name that Kubernetes gives to its service links")
		}
		if s.field.Tag.Get("help") == "" {
			bad(s, "has no help")
		}
		if err := s.parse(map[string]string{}); err != nil && s.defaultText() != "" {
			bad(s, "has a bad default: "+err.Error())
		}
	}
	return errors.Join(errs...)
}
