package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const systemd = root + "/deploy/systemd"

// units copies the units into a folder, for services that are in bin.
func units(t *testing.T) (paths []string) {
	t.Helper()
	folder := t.TempDir()
	for _, pattern := range []string{"*.service", "*.timer"} {
		found, err := filepath.Glob(filepath.Join(systemd, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			paths = append(paths, filepath.Join(folder, filepath.Base(path)))
			moved := strings.ReplaceAll(string(text), "/usr/local/bin/", bin+"/")
			if err := os.WriteFile(paths[len(paths)-1], []byte(moved), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return paths
}

// analyze runs systemd-analyze, or has the test not run.
func analyze(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("NOT RUN: no systemd-analyze (Debian: systemd)")
	}
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || strings.Contains(string(out), "gnor") {
		t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out) // what it does not know it ignores, or is ignoring
	}
}

// TestUnitsVerify: systemd has nothing to say against the units.
func TestUnitsVerify(t *testing.T) {
	analyze(t, append([]string{"verify", "--man=no"}, units(t)...)...)
}

// TestUnitsSecurity: they are exposed by less than 2 of 10.
func TestUnitsSecurity(t *testing.T) {
	for _, unit := range units(t) {
		if filepath.Ext(unit) == ".service" {
			t.Run(filepath.Base(unit), func(t *testing.T) {
				analyze(t, "security", "--no-pager", "--offline=true", "--threshold=20", unit)
			})
		}
	}
}

// TestUnitsSettings: the services take the settings that the units give them.
func TestUnitsSettings(t *testing.T) {
	for _, unit := range units(t) {
		if filepath.Ext(unit) != ".service" {
			continue
		}
		t.Run(filepath.Base(unit), func(t *testing.T) {
			text, err := os.ReadFile(unit)
			if err != nil {
				t.Fatal(err)
			}
			var service string
			environ := []string{"TWAMP_TARGETS=192.0.2.1"} // of the settings' file, which the prober needs
			for line := range strings.Lines(strings.NewReplacer("%S", "/var/lib", "%L", "/var/log").Replace(string(text))) {
				line = strings.TrimSpace(line)
				if values, ok := strings.CutPrefix(line, "Environment="); ok {
					environ = append(environ, strings.Fields(values)...)
				}
				if command, ok := strings.CutPrefix(line, "ExecStart="+bin+"/"); ok {
					service = command
				}
			}
			if !slices.Contains(services, service) {
				t.Fatalf("there is no service %q to start", service)
			}
			takes(t, service, environ)
		})
	}
}

// takes checks that a service knows its settings, and starts with them.
func takes(t *testing.T, service string, environ []string, args ...string) {
	t.Helper()
	known := append(settings(t, service), setting{variable: "TWAMP_TARGETS"})
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !slices.ContainsFunc(known, func(k setting) bool { return k.variable == name }) {
			t.Errorf("the %s has no setting %s", service, name)
		}
	}
	for _, problem := range complaints(t, service, environ, args...) {
		t.Errorf("the %s cannot start: %s", service, problem)
	}
}

// TestCron: the prober takes the flags of the crontab.
func TestCron(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(systemd, "tinytwamp.cron"))
	if err != nil {
		t.Fatal(err)
	}
	_, command, ok := strings.Cut(string(text), "/usr/local/bin/prober ")
	if !ok {
		t.Fatal("it does not run the prober")
	}
	args, _, _ := strings.Cut(command, " reflector.example ")
	takes(t, "prober", []string{"TWAMP_TARGETS=192.0.2.1"}, strings.Fields(args)...)
}

// TestLogrotate: logrotate takes its file.
func TestLogrotate(t *testing.T) {
	logrotate, err := exec.LookPath("logrotate")
	if err != nil {
		if logrotate = "/usr/sbin/logrotate"; exec.Command(logrotate, "--version").Run() != nil {
			t.Skip("NOT RUN: no logrotate (Debian: logrotate)")
		}
	}
	text, err := os.ReadFile(filepath.Join(systemd, "logrotate.conf"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	log := filepath.Join(folder, "tinytwamp-reflector", "reflector.log")
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, []byte("line\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	hup := filepath.Join(folder, "reloaded") // in place of systemctl
	moved := strings.NewReplacer("/var/log/", folder+"/", "systemctl try-reload-or-restart", "echo >>"+hup, "2>/dev/null", "").Replace(string(text))
	config := filepath.Join(folder, "logrotate.conf")
	if err := os.WriteFile(config, []byte(moved), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(logrotate, "--force", "--state", filepath.Join(folder, "state"), config).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(log + ".1"); err != nil {
		t.Errorf("not moved away: %v", err)
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("a new one is there that the service may not write to")
	}
	said, err := os.ReadFile(hup)
	for _, unit := range []string{"reflector", "prober-continuous", "logger"} {
		if !strings.Contains(string(said), "tinytwamp-"+unit+".service") {
			t.Errorf("%s is not told: %q, %v", unit, said, err)
		}
	}
}
