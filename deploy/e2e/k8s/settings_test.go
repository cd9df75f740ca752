package k8s

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// service returns which of ours a container runs, or "".
func service(c corev1.Container) string {
	name, ok := strings.CutPrefix(c.Image, "tinytwamp/")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, ":")
	return name
}

// environment returns the settings of a container, as kubelet would make them,
// but with files that stand for those of its volumes.
func environment(t *testing.T, p pod, c corev1.Container) []string {
	t.Helper()
	values := map[string]string{}
	for _, from := range c.EnvFrom {
		for name, value := range configMap(t, p, from.ConfigMapRef.Name) {
			values[name] = value
		}
	}
	fields := map[string]string{"status.hostIP": "2001:db8::1", "metadata.name": "pod-0"}
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil {
			if value = fields[e.ValueFrom.FieldRef.FieldPath]; value == "" {
				t.Fatalf("%s comes from %s, of which this test does not know", e.Name, e.ValueFrom.FieldRef.FieldPath)
			}
		}
		for name, known := range values {
			value = strings.ReplaceAll(value, "$("+name+")", known)
		}
		if strings.Contains(value, "$(") {
			t.Errorf("%s=%s takes what is not defined before it", e.Name, value)
		}
		values[e.Name] = value
	}
	var environ []string
	for name, value := range values {
		if strings.HasPrefix(name, "TWAMP_") {
			environ = append(environ, name+"="+mounted(t, p, c, value))
		}
	}
	slices.Sort(environ)
	return environ
}

// configMap finds one in the overlay of p, or in that which it stands on.
func configMap(t *testing.T, p pod, name string) map[string]string {
	t.Helper()
	for _, overlay := range []string{p.overlay, "continuous"} {
		for _, object := range objects(t, overlay) {
			if m, ok := object.(*corev1.ConfigMap); ok && m.Name == name && m.Namespace == p.owner.GetNamespace() {
				return m.Data
			}
		}
	}
	t.Fatalf("%v: there is no ConfigMap %s", p, name)
	return nil
}

// mounted returns the path of a copy of the file that value names, if that is in
// the volume of a ConfigMap.
func mounted(t *testing.T, p pod, c corev1.Container, value string) string {
	t.Helper()
	if !filepath.IsAbs(value) {
		return value
	}
	for _, m := range c.VolumeMounts {
		inside, ok := strings.CutPrefix(value, m.MountPath+"/")
		if !ok {
			continue
		}
		for _, v := range p.Spec.Volumes {
			if v.Name != m.Name || v.ConfigMap == nil {
				continue
			}
			text, ok := configMap(t, p, v.ConfigMap.Name)[inside]
			if !ok {
				t.Fatalf("ConfigMap %s has no %s", v.ConfigMap.Name, inside)
			}
			file := filepath.Join(t.TempDir(), inside)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return file
		}
		return value
	}
	t.Errorf("%s is in none of the volumes, and nothing else can be written or is there", value)
	return value
}

var settingName = regexp.MustCompile(`TWAMP_[A-Z0-9_]+`)

// settings returns the names of those that a service takes.
func settings(t *testing.T, service string) []string {
	t.Helper()
	help, err := exec.Command(binary(service), "-h").Output()
	if err != nil {
		t.Fatalf("%s -h: %v", service, err)
	}
	return settingName.FindAllString(string(help), -1)
}

// TestSettings: the services take the settings that the manifests have.
func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, p pod) {
		for _, c := range p.Spec.Containers {
			s := service(c)
			if s == "" {
				continue
			}
			if !slices.Contains(services, s) {
				t.Fatalf("there is no service %q", s)
			}
			environ := environment(t, p, c)
			known := settings(t, s)
			for _, e := range environ {
				if name, _, _ := strings.Cut(e, "="); !slices.Contains(known, name) {
					t.Errorf("the %s has no setting %s", s, name)
				}
			}
			if problems := complaints(t, s, environ, c.Args...); len(problems) > 0 {
				t.Errorf("the %s cannot start:\n%s", s, strings.Join(problems, "\n"))
			}
		}
	})
}

// complaints returns what a service has to say of its settings. It does not
// start: a flag that does not exist is always wrong, and left out here.
func complaints(t *testing.T, service string, environ []string, args ...string) []string {
	t.Helper()
	const bad = "-no-such-flag"
	var stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), binary(service), append(slices.Clone(args), bad)...)
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

// TestExitCodes: a Job takes exit codes for what the prober means by them.
func TestExitCodes(t *testing.T) {
	help, err := exec.Command(binary("prober"), "-h").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"1         a report crossed a limit of -fail-on", "64        bad settings", "69        no target answered",
		"70        internal error", "75        measured, but events could not be delivered",
	} {
		if !strings.Contains(string(help), line) {
			t.Errorf("prober -h does not say %q", line)
		}
	}
}
