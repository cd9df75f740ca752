//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// docker runs the docker command and returns what it prints on stdout.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command("docker", args...))
}

// needCompose returns the compose commands that are here, or has the test not
// run.
func needCompose(t *testing.T) (tools [][]string) {
	t.Helper()
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: no Docker engine (Debian: docker.io): %v: %s", err, bytes.TrimSpace(out))
	}
	for _, c := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.Command(c[0], append(c[1:], "version")...).Run() == nil {
			tools = append(tools, c)
		}
	}
	if tools == nil {
		t.Skip("NOT RUN: neither docker compose nor docker-compose (Debian: docker-compose)")
	}
	return tools
}

// container is what docker inspect tells of a container.
type container struct {
	State struct {
		Status   string
		ExitCode int
		Health   struct {
			Status string
			Log    []struct{ Output string }
		}
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress, GlobalIPv6Address string }
	}
}

func inspect(t *testing.T, id string) container {
	t.Helper()
	var list []container
	if err := json.Unmarshal([]byte(docker(t, "inspect", id)), &list); err != nil || len(list) != 1 {
		t.Fatalf("docker inspect %s: %v", id, err)
	}
	return list[0]
}

// standIns makes local images in place of the public ones that are not on this
// machine, so that no registry need be reached, and removes them afterwards
// with what was built on them.
func standIns(t *testing.T) {
	t.Helper()
	if !hasImage("golang:1.26") {
		busybox, err := exec.LookPath("busybox")
		if err != nil {
			t.Skip("NOT RUN: neither an image golang:1.26 nor busybox to make one with (Debian: busybox-static)")
		}
		importImage(t, "golang:1.26", goTree(t, busybox), "ENV PATH=/usr/local/go/bin:/bin", "ENV GOTOOLCHAIN=local")
	}
	if !hasImage("nats:2") {
		tree := t.TempDir()
		// The version is that of the tests of shared/bus.
		build := exec.Command("go", "build", "-o", filepath.Join(tree, "nats-server"), "github.com/nats-io/nats-server/v2")
		build.Dir = root
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		output(t, build)
		importImage(t, "nats:2", tree, `ENTRYPOINT ["/nats-server"]`)
	}
}

func hasImage(name string) bool { return exec.Command("docker", "image", "inspect", name).Run() == nil }

// goTree makes the root of an image with this machine's Go and a shell.
func goTree(t *testing.T, busybox string) string {
	t.Helper()
	tree := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	copyFile := func(from, to string, mode os.FileMode) {
		content, err := os.ReadFile(from)
		must(err)
		must(os.MkdirAll(filepath.Dir(filepath.Join(tree, to)), 0o755))
		must(os.WriteFile(filepath.Join(tree, to), content, mode))
	}
	goroot := output(t, exec.Command("go", "env", "GOROOT"))
	must(os.CopyFS(filepath.Join(tree, "usr/local/go"), os.DirFS(goroot)))
	must(os.Mkdir(filepath.Join(tree, "tmp"), 0o777))
	copyFile(busybox, "bin/busybox", 0o755)
	for _, applet := range []string{"sh", "mkdir"} {
		must(os.Symlink("busybox", filepath.Join(tree, "bin", applet)))
	}
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(certificates); err == nil {
		copyFile(certificates, certificates, 0o644)
	} else { // only a proxy beyond this machine would need them
		must(os.MkdirAll(filepath.Join(tree, filepath.Dir(certificates)), 0o755))
		must(os.WriteFile(filepath.Join(tree, certificates), nil, 0o644))
	}
	return tree
}

// importImage makes an image of a folder. Images built on it inherit its
// label, by which they are found and removed.
func importImage(t *testing.T, name, tree string, changes ...string) {
	t.Helper()
	label := "tinytwamp.e2e=" + filepath.Base(bin)
	args := []string{"import", "-c", "LABEL " + label}
	for _, c := range changes {
		args = append(args, "-c", c)
	}
	r, w := io.Pipe()
	go func() {
		archive := tar.NewWriter(w)
		err := archive.AddFS(os.DirFS(tree))
		if err == nil {
			err = archive.Close()
		}
		w.CloseWithError(err)
	}()
	c := exec.Command("docker", append(args, "-", name)...)
	c.Stdin = r
	t.Cleanup(func() {
		docker(t, "image", "rm", name)
		docker(t, "image", "prune", "--force", "--filter", "label="+label)
	})
	output(t, c)
}

// moduleProxy serves this machine's module cache to the builds, and falls back
// to the proxy that this machine uses.
func moduleProxy(t *testing.T) string {
	t.Helper()
	cache := output(t, exec.Command("go", "env", "GOMODCACHE"))
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(cache, "cache/download"))))
	t.Cleanup(server.Close)
	return server.URL + "," + output(t, exec.Command("go", "env", "GOPROXY"))
}
