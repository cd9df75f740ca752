package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of the project.
const root = "../.."

var services = []string{"reflector", "prober", "logger"}

// bin is the folder with the binaries of all services, as they are now, and with
// users, which makes their credentials.
var bin string

func TestMain(m *testing.M) {
	for variable, main := range map[string]func() error{generatorURL: generate, serverMain: serve} {
		if os.Getenv(variable) == "" {
			continue
		}
		if err := main(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (code int, err error) {
	if bin, err = os.MkdirTemp("", "tinytwamp-e2e-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(bin)
	args := []string{"build", "-o", bin + "/"}
	for _, s := range services {
		args = append(args, "./services/"+s)
	}
	args = append(args, "./deploy/nats/users")
	build := exec.Command("go", args...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("the services do not build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

func binary(service string) string { return filepath.Join(bin, service) }

func output(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", c, err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}
