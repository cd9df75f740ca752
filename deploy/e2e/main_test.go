package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// root is the folder of the project.
const root = "../.."

var services = []string{"reflector", "prober", "logger"}

// bin is the folder with the binaries of all services, as they are now, and with
// users, which makes their credentials.
var bin string

func TestMain(m *testing.M) {
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
