package metrics

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composed is a service of docker-compose.yml.
type composed struct {
	Volumes     []string
	Environment map[string]string
}

func readYAML(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func stack(t *testing.T) map[string]composed {
	t.Helper()
	var s struct{ Services map[string]composed }
	readYAML(t, "docker-compose.yml", &s)
	return s.Services
}

// Prometheus finds the services of the stack, and Grafana its dashboards.
func TestMonitoringFitsTheStack(t *testing.T) {
	var scrape struct {
		Jobs []struct {
			Name    string                       `yaml:"job_name"`
			Targets []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "deploy/prometheus/prometheus.yml", &scrape)
	main := stack(t)
	var jobs []string
	for _, j := range scrape.Jobs {
		jobs = append(jobs, j.Name)
		host, port, err := net.SplitHostPort(j.Targets[0].Targets[0])
		if _, there := main[host]; !there || err != nil {
			t.Errorf("job %s: no service %q in docker-compose.yml", j.Name, host)
		} else if _, want, _ := net.SplitHostPort(main[host].Environment["TWAMP_ADMIN"]); port != want {
			t.Errorf("job %s: port %s, its admin HTTP is on %s", j.Name, port, want)
		}
	}
	if want := slices.Sorted(slices.Values(services)); !slices.Equal(slices.Sorted(slices.Values(jobs)), want) {
		t.Errorf("jobs %v, want one for each of %v", jobs, want)
	}
	var provider struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, "deploy/grafana/provisioning/dashboards/twamp.yml", &provider)
	if want := "./deploy/grafana/dashboards:" + provider.Providers[0].Options.Path + ":ro"; !slices.Contains(main["grafana"].Volumes, want) {
		t.Errorf("grafana's volumes are %v, the dashboards want %s", main["grafana"].Volumes, want)
	}
}
