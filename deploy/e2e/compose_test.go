package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// compose is what docker-compose.yml uses of the Compose Specification.
// Anything else in the file is a mistake.
type compose struct {
	Service     any `yaml:"x-service"`
	LoggerImage any `yaml:"x-logger-image"`
	Services    map[string]composeService
	Networks    map[string]struct {
		Internal   bool
		EnableIPv6 bool `yaml:"enable_ipv6"`
		IPAM       struct {
			Config []struct{ Subnet string }
		}
	}
	Volumes map[string]any
}

type composeService struct {
	Image string
	Build struct {
		Context    string
		Dockerfile string
		Args       map[string]string
	}
	Command         []string
	User            string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Sysctls         map[string]string
	Restart         string
	StopGracePeriod string `yaml:"stop_grace_period"`
	Networks        any
	Volumes         []string
	Logging         map[string]string
	EnvFile         string `yaml:"env_file"`
	Environment     map[string]string
	Healthcheck     struct {
		Test              []string
		Interval, Timeout string
		Retries           int
		Disable           bool
	}
	DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
}

// readCompose reads docker-compose.yml with the default of each variable.
func readCompose(t *testing.T) compose {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`\$\{[A-Z0-9_]+:-([^}]*)\}`).ReplaceAll(text, []byte("$1"))
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var c compose
	if err := d.Decode(&c); err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return c
}

// TestComposeSettings holds the settings in docker-compose.yml to what the
// services take.
func TestComposeSettings(t *testing.T) {
	for name, s := range readCompose(t).Services {
		service := s.Build.Args["SERVICE"]
		if service == "" {
			continue // not ours
		}
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(services, service) {
				t.Fatalf("there is no service %q to build", service)
			}
			if want := "tinytwamp/" + service + ":latest"; s.Image != want {
				t.Errorf("image is %s, want %s", s.Image, want)
			}
			if want := "deploy/env/" + service + ".env"; s.EnvFile != want {
				t.Errorf("env_file is %s, want %s", s.EnvFile, want)
			}
			known := settings(t, service)
			var environ []string
			for variable, value := range s.Environment {
				environ = append(environ, variable+"="+value)
				if !slices.ContainsFunc(known, func(k setting) bool { return k.variable == variable }) {
					t.Errorf("the %s has no setting %s", service, variable)
				}
			}
			if problems := complaints(t, service, environ, s.Command...); len(problems) > 0 {
				t.Errorf("the %s cannot start:\n%s", service, strings.Join(problems, "\n"))
			}
		})
	}
}

// TestComposeLeastPrivilege: no container can do more than it needs to.
func TestComposeLeastPrivilege(t *testing.T) {
	for name, s := range readCompose(t).Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: want read_only, cap_drop [ALL] and no-new-privileges", name)
		}
		if s.Build.Context != "" && s.User != "65532:65532" {
			t.Errorf("%s runs as %q, want 65532:65532", name, s.User)
		}
	}
}

// TestComposeReferences: what the file names is there.
func TestComposeReferences(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		for on, d := range s.DependsOn {
			other, ok := c.Services[on]
			if !ok {
				t.Errorf("%s depends on %s, which is not there", name, on)
			}
			if d.Condition == "service_healthy" && len(other.Healthcheck.Test) == 0 {
				t.Errorf("%s waits for %s to be healthy, which has no health check", name, on)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				if _, err := os.Stat(filepath.Join(root, from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s: there is no volume %s", name, from)
			}
		}
		if len(s.Healthcheck.Test) > 0 && !s.Healthcheck.Disable && s.Environment["TWAMP_ADMIN"] == "" {
			t.Errorf("%s has a health check but no TWAMP_ADMIN to ask", name)
		}
	}
}
