//go:build e2e

package e2e

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// imageConfig is what docker inspect tells of an image.
type imageConfig struct {
	Size   int64
	Config struct {
		User        string
		Entrypoint  []string
		Labels      map[string]string
		Healthcheck struct{ Test []string }
	}
}

// testImages looks at the images of a stack: what is in them and about them.
func (s *stack) testImages(t *testing.T) {
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			image := "tinytwamp/" + service + ":" + s.version
			var list []imageConfig
			if err := json.Unmarshal([]byte(docker(t, "image", "inspect", image)), &list); err != nil || len(list) != 1 {
				t.Fatal(err)
			}
			c := list[0].Config
			if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/service"}) ||
				!slices.Equal(c.Healthcheck.Test, []string{"CMD", "/service", "healthcheck"}) {
				t.Errorf("config is %+v", c)
			}
			if list[0].Size > 32<<20 {
				t.Errorf("%d MiB are too many for a service", list[0].Size>>20)
			}
			for label, want := range map[string]string{
				"title": "TinyTwamp " + service, "version": s.version, "revision": "unknown", "licenses": "MIT",
				"description": "Two-way active measurement (TWAMP, STAMP): the " + service,
			} {
				if got := c.Labels["org.opencontainers.image."+label]; got != want {
					t.Errorf("label %s is %q, want %q", label, got, want)
				}
			}
			made := fromImage(t, image)
			wantStatic(t, made)
			testReproducible(t, service, s.version, made)
		})
	}
	// That the services build for arm64 is the work of make cross; here it is
	// whether the image's builder hears of it.
	t.Run("architecture", func(t *testing.T) {
		build := exec.Command("docker", "build", "--force-rm", "-f", "deploy/Dockerfile", "--network=host", "--build-arg", "GOPROXY="+moduleProxy(t),
			"--build-arg", "SERVICE=reflector", "--build-arg", "TARGETARCH=none", ".")
		build.Dir = root
		out, err := build.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "unsupported GOOS/GOARCH pair linux/none") {
			t.Errorf("TARGETARCH does not reach the compiler: %v\n%s", err, out)
		}
	})
}

// fromImage copies the binary out of an image, which has no shell.
func fromImage(t *testing.T, image string) (file string) {
	t.Helper()
	id := docker(t, "create", image)
	defer docker(t, "rm", id)
	file = filepath.Join(t.TempDir(), "service")
	docker(t, "cp", id+":/service", file)
	return file
}

// wantStatic: the binary needs nothing else in its image.
func wantStatic(t *testing.T, file string) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %v, %v", libraries, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
}

// testReproducible builds the binary of an image again, elsewhere: it is the
// same to the last octet.
func testReproducible(t *testing.T, service, version, made string) {
	info, err := buildinfo.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if info.GoVersion != runtime.Version() {
		t.Skipf("NOT RUN: the image was made with %s, this is %s", info.GoVersion, runtime.Version())
	}
	dir := t.TempDir()
	for _, folder := range []string{"shared", "services/" + service} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	again := filepath.Join(dir, "again")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X tinytwamp/shared/service.version="+version, "-o", again, ".")
	build.Dir = filepath.Join(dir, "services", service)
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=")
	output(t, build)
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("two builds differ: %d and %d octets", len(want), len(got))
	}
}
