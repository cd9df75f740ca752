package e2e

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composeFiles are the files that users start with Compose.
var composeFiles = []string{"docker-compose.yml", "deploy/compose.host.yml"}

// compose is what they use of the Compose Specification. Anything else in them
// is a mistake.
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
	Secrets map[string]struct{ File string }
	Volumes map[string]any
}

type composeService struct {
	Profiles []string
	Image    string
	Build    struct {
		Context    string
		Dockerfile string
		Args       map[string]string
	}
	Command         []string
	User            string
	GroupAdd        []string `yaml:"group_add"`
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	CapAdd          []string `yaml:"cap_add"`
	SecurityOpt     []string `yaml:"security_opt"`
	Sysctls         map[string]string
	Restart         string
	StopGracePeriod string `yaml:"stop_grace_period"`
	Networks        any
	NetworkMode     string `yaml:"network_mode"`
	Ports           []string
	Volumes         []string
	Tmpfs           []string
	Secrets         []string
	Logging         map[string]string
	EnvFile         string `yaml:"env_file"`
	Environment     map[string]string
	Healthcheck     struct {
		Test              []string
		Interval, Timeout string
		Retries           int
		Disable           bool
	}
	DependsOn composeOrder `yaml:"depends_on"`
}

// composeOrder is depends_on: names, or names with what to wait for.
type composeOrder map[string]struct{ Condition string }

func (o *composeOrder) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		return node.Decode((*map[string]struct{ Condition string })(o))
	}
	*o = composeOrder{}
	for _, name := range node.Content {
		(*o)[name.Value] = struct{ Condition string }{}
	}
	return nil
}

// eachCompose runs a test on each file, with the default of each variable.
func eachCompose(t *testing.T, test func(t *testing.T, c compose)) {
	for _, file := range composeFiles {
		t.Run(path.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			text = regexp.MustCompile(`\$\{[A-Z0-9_]+:-([^}]*)\}`).ReplaceAll(text, []byte("$1"))
			d := yaml.NewDecoder(bytes.NewReader(text))
			d.KnownFields(true)
			var c compose
			if err := d.Decode(&c); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			test(t, c)
		})
	}
}

// TestComposeSettings holds the settings in the files to what the services take.
func TestComposeSettings(t *testing.T) { eachCompose(t, testComposeSettings) }

func testComposeSettings(t *testing.T, c compose) {
	for name, s := range c.Services {
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

// TestComposeLeastPrivilege: no container can do more than it needs to, and
// nothing is reachable from elsewhere that is not there for others.
func TestComposeLeastPrivilege(t *testing.T) { eachCompose(t, testComposeLeastPrivilege) }

func testComposeLeastPrivilege(t *testing.T, c compose) {
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: want read_only, cap_drop [ALL] and no-new-privileges", name)
		}
		if s.Build.Context != "" && s.User != "65532:65532" && !slices.Equal(s.CapAdd, []string{"NET_BIND_SERVICE"}) {
			t.Errorf("%s runs as %q, want 65532:65532, or one capability in its place", name, s.User)
		}
		if len(s.CapAdd) > 0 && (name != "reflector" || s.NetworkMode != "host") {
			t.Errorf("%s has the capabilities %v: only a reflector on the host's network needs one", name, s.CapAdd)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to others", name, port)
			}
		}
		if admin := s.Environment["TWAMP_ADMIN"]; s.NetworkMode == "host" && admin != "" && !strings.HasPrefix(admin, "127.0.0.1:") {
			t.Errorf("%s: admin HTTP on %s of the host", name, admin)
		}
		if !regexp.MustCompile(`^[a-z/]+:v?[0-9.]+$|^tinytwamp/`).MatchString(s.Image) {
			t.Errorf("%s: image %s has no version", name, s.Image)
		}
	}
	if network := c.Networks["twamp"]; c.Networks != nil && (!network.Internal || !network.EnableIPv6) {
		t.Errorf("network twamp is %+v, want it internal, with IPv6", network)
	}
}

// TestComposeCredentials: each service has the key of its own user and no other;
// beside it the logger has its page's token.
func TestComposeCredentials(t *testing.T) {
	made := makeCredentials(t)
	eachCompose(t, func(t *testing.T, c compose) {
		for name, s := range c.Services {
			if s.Environment["TWAMP_NATS_URL"] == "" {
				if len(s.Secrets) > 0 {
					t.Errorf("%s does not go to NATS but has %v", name, s.Secrets)
				}
				continue
			}
			key := s.Environment["TWAMP_NAME"] + ".nk"
			want := []string{key}
			if s.Environment["TWAMP_PAGE"] != "" {
				want = append(want, filepath.Base(s.Environment["TWAMP_PAGE_TOKEN_FILE"]))
			}
			if !slices.Equal(s.Secrets, want) || s.Environment["TWAMP_NATS_NKEY"] != "/run/secrets/"+key {
				t.Errorf("%s has %v and reads %s, want the secret %s", name, s.Secrets, s.Environment["TWAMP_NATS_NKEY"], key)
			}
			if want := credentialsFolder + key; c.Secrets[key].File != want {
				t.Errorf("secret %s is %s, want %s", key, c.Secrets[key].File, want)
			}
			if _, err := os.Stat(filepath.Join(made, key)); err != nil {
				t.Errorf("make credentials makes none for %s: %v", name, err)
			}
			if len(s.GroupAdd) != 1 {
				t.Errorf("%s is not in the group of the keys", name)
			}
		}
	})
}

// credentialsFolder is where make credentials puts the keys.
const credentialsFolder = "./deploy/nats/credentials/"

// TestComposeReferences: what the files name is there.
func TestComposeReferences(t *testing.T) {
	made := makeCredentials(t)
	eachCompose(t, func(t *testing.T, c compose) { testComposeReferences(t, c, made) })
}

func testComposeReferences(t *testing.T, c compose, credentials string) {
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
			switch file, made := strings.CutPrefix(from, credentialsFolder); {
			case made:
				from = filepath.Join(credentials, file)
			case strings.HasPrefix(from, "./"):
				from = filepath.Join(root, from)
			default:
				if _, ok := c.Volumes[from]; !ok {
					t.Errorf("%s: there is no volume %s", name, from)
				}
				continue
			}
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(s.Healthcheck.Test) > 0 && !s.Healthcheck.Disable && s.Environment["TWAMP_ADMIN"] == "" {
			t.Errorf("%s has a health check but no TWAMP_ADMIN to ask", name)
		}
	}
}
