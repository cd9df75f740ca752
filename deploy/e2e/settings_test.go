package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the reference settings in deploy/env anew")

// setting is one that -h of a service tells of.
type setting struct {
	group    string
	variable string // TWAMP_NAME
	text     string // what it does
	standard string // its default, as -h has it
}

var (
	groupLine   = regexp.MustCompile(`^([A-Z].*):$`)
	settingLine = regexp.MustCompile(`^  -\S.* (TWAMP_[A-Z0-9_]+)$`)
	textLine    = regexp.MustCompile(`^      (\S.*)$`)
)

// settings asks a service for its settings.
func settings(t *testing.T, service string) []setting {
	t.Helper()
	help, err := exec.Command(binary(service), "-h").Output()
	if err != nil {
		t.Fatalf("%s -h: %v", service, err)
	}
	var list []setting
	group := ""
	for line := range strings.Lines(string(help)) {
		line = strings.TrimRight(line, "\n")
		if line == "Also:" { // settings end here
			break
		}
		if m := groupLine.FindStringSubmatch(line); m != nil {
			group = m[1]
		} else if m := settingLine.FindStringSubmatch(line); m != nil {
			list = append(list, setting{group: group, variable: m[1]})
		} else if m := textLine.FindStringSubmatch(line); m != nil && len(list) > 0 {
			list[len(list)-1].text += m[1] + " "
		}
	}
	for i, s := range list {
		text, standard, _ := strings.Cut(s.text, " Default: ")
		list[i].text, list[i].standard = strings.TrimSpace(text), strings.TrimSpace(standard)
	}
	if len(list) < 10 {
		t.Fatalf("%s -h tells of %d settings only:\n%s", service, len(list), help)
	}
	return list
}

// words matches defaults that -h says in words: the variable itself is empty.
var words = regexp.MustCompile(`^(all|any|memory|none|off|random|stdout|the)\b`)

// reference returns the reference settings of a service: the file in deploy/env.
func reference(service string, list []setting) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# All settings of the %s. The value that stands here is the default: to change\n", service)
	fmt.Fprintf(&b, "# one, take away its # and put in your own. docker-compose.yml reads this file;\n")
	fmt.Fprintf(&b, "# docker run --env-file and systemd's EnvironmentFile= can.\n")
	group := ""
	for _, s := range list {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&b, "\n# --- %s ---\n", group)
		}
		fmt.Fprintf(&b, "\n# %s\n", s.text)
		if words.MatchString(s.standard) {
			fmt.Fprintf(&b, "# Empty: %s.\n#%s=\n", s.standard, s.variable)
		} else {
			fmt.Fprintf(&b, "#%s=%s\n", s.variable, s.standard)
		}
	}
	return b.String()
}

func envFile(service string) string { return filepath.Join(root, "deploy/env", service+".env") }

func TestReferenceSettings(t *testing.T) {
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			want := reference(service, settings(t, service))
			if *update {
				if err := os.WriteFile(envFile(service), []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(envFile(service))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want {
				t.Errorf("%s is not what %s -h says. Write it anew with: go test ./deploy/e2e -run %s -update", envFile(service), service, t.Name())
			}
		})
	}
}

// TestReferenceDefaults takes away every # and has the service read the result.
func TestReferenceDefaults(t *testing.T) {
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			var environ []string
			content, err := os.ReadFile(envFile(service))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(content)) {
				if line, ok := strings.CutPrefix(strings.TrimSpace(line), "#TWAMP_"); ok {
					environ = append(environ, "TWAMP_"+line)
				}
			}
			environ = append(environ, "TWAMP_NATS_URL=nats://127.0.0.1:4222", "TWAMP_TARGETS=127.0.0.1") // the logger needs one, and the prober
			if problems := complaints(t, service, environ); len(problems) > 0 {
				t.Errorf("%s with the values in %s:\n%s", service, envFile(service), strings.Join(problems, "\n"))
			}
			if len(complaints(t, service, []string{"TWAMP_OUTBOX_SIZE=much"})) == 0 {
				t.Error("a bad value was not found: this test finds nothing")
			}
		})
	}
}

// complaints returns what a service has to say of its settings. It does not
// start: a flag that does not exist is always wrong, and left out here.
func complaints(t *testing.T, service string, environ []string, args ...string) []string {
	t.Helper()
	const bad = "-no-such-flag"
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), binary(service), append(args, bad)...)
	c.Env = environ
	c.Stderr = &stderr
	err := c.Run()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 64 {
		t.Fatalf("%s %s ended with %v, not with code 64:\n%s", service, bad, err, &stderr)
	}
	var problems []string
	for line := range strings.Lines(stderr.String()) {
		if strings.HasPrefix(line, "  ") && !strings.Contains(line, bad) {
			problems = append(problems, strings.TrimSpace(line))
		}
	}
	return problems
}
