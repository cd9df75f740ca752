package k8s

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// root is the folder of the project, manifests that of what is tested here.
const (
	root      = "../../.."
	manifests = root + "/deploy/k8s"
)

var services = []string{"reflector", "prober", "logger"}

// bin is the folder with the binaries of all services, as they are now.
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
	if bin, err = os.MkdirTemp("", "tinytwamp-k8s-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(bin)
	args := []string{"build", "-o", bin + "/"}
	for _, s := range services {
		args = append(args, "./services/"+s)
	}
	build := exec.Command("go", args...)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=") // these tests are outside of the workspace
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("the services do not build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

func binary(service string) string { return filepath.Join(bin, service) }
