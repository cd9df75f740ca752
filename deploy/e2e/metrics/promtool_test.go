package metrics

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool is Prometheus's own tool, where it is installed.
func promtool(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("promtool"); err == nil {
		return path
	}
	out, err := exec.Command("go", "env", "GOPATH").Output()
	if err == nil {
		path := filepath.Join(strings.TrimSpace(string(out)), "bin", "promtool")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("NOT RUN: no promtool: go install github.com/prometheus/prometheus/cmd/promtool@v0.316.0")
	return ""
}

// Prometheus takes its configuration, and each alert fires when it should and
// not before.
func TestRules(t *testing.T) {
	tool := promtool(t)
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"test", "rules", "rules_test.yml"},
	} {
		c := exec.Command(tool, args...)
		c.Dir = filepath.Dir(rulesFile)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// Each alert is tested.
func TestEachAlertIsSeenToFire(t *testing.T) {
	list, _ := rules(t)
	tests, err := os.ReadFile(filepath.Join(filepath.Dir(rulesFile), "rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := 0
	for _, q := range list {
		name, ok := strings.CutPrefix(q.where, "rule Twamp")
		if !ok {
			continue
		}
		alerts++
		if !strings.Contains(string(tests), "alertname: Twamp"+name+"\n        exp_alerts:\n          - exp_labels:") {
			t.Errorf("no test in rules_test.yml has Twamp%s fire", name)
		}
	}
	if alerts < 10 {
		t.Errorf("%d alerts", alerts)
	}
}
