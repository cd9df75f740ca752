package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// root is the folder of the project.
const root = "../../.."

var services = []string{"reflector", "prober", "logger"}

// deadline is far above what anything here takes.
const deadline = time.Minute

// families are the metrics of a service by name, without those of the Go
// runtime and of the process.
type families map[string]*dto.MetricFamily

// fleet returns the metrics of each service, once the prober has reported to
// the logger. It is made once for all tests.
var fleet = sync.OnceValues(func() (map[string]families, error) {
	dir, err := os.MkdirTemp("", "tinytwamp-metrics-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		return nil, err
	}
	return run(dir)
})

// metricsOf are those of all services, for a test.
func metricsOf(t *testing.T) map[string]families {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("NOT RUN: without kernel timestamps some metrics have no values")
	}
	all, err := fleet()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func build(dir string) error {
	args := []string{"build", "-o", dir + "/"}
	for _, s := range services {
		args = append(args, "./services/"+s)
	}
	c := exec.Command("go", args...)
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("the services do not build: %w\n%s", err, out)
	}
	return nil
}

// run has a prober test a reflector, and a logger keep the results.
func run(dir string) (all map[string]families, err error) {
	nats, target := freeTCP(), freeUDP()
	admin := map[string]string{}
	for _, s := range services {
		admin[s] = freeTCP()
	}
	started := []*exec.Cmd{}
	defer func() { // the logger with NATS last
		for i := len(started) - 1; i >= 0; i-- {
			c := started[i]
			_ = c.Process.Signal(syscall.SIGTERM)
			if waited := c.Wait(); waited != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w:\n%s", filepath.Base(c.Path), waited, c.Stderr))
			}
		}
	}()
	start := func(service string, args ...string) error {
		args = append(args, "-name", service, "-nats-url", "nats://"+nats, "-admin", admin[service])
		c := exec.Command(filepath.Join(dir, service), args...)
		c.Stderr = new(bytes.Buffer)
		if err := c.Start(); err != nil {
			return err
		}
		started = append(started, c)
		return nil
	}
	err = errors.Join(
		start("logger", "-nats-embedded", filepath.Join(dir, "store"), "-data", filepath.Join(dir, "data"), "-page", "127.0.0.1:0"),
		start("reflector", "-listen", target),
		start("prober", "-continuous", "-interval", "50ms", "-report-interval", "1s", target),
	)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(deadline); ; time.Sleep(50 * time.Millisecond) {
		all = map[string]families{}
		failed := error(nil)
		for _, s := range services {
			found, err := scrape(admin[s])
			all[s], failed = found, errors.Join(failed, err)
		}
		switch {
		case failed == nil && all["logger"]["twamp_path_reports_total"] != nil && all["prober"]["twamp_path_reports_total"] != nil:
			return all, nil
		case time.Now().After(end):
			return nil, errors.Join(errors.New("no report has come to the logger"), failed)
		}
	}
}

// scrape asks an instance as Prometheus does: native histograms come in that
// form only.
func scrape(admin string) (families, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+admin+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	client := http.Client{Timeout: deadline}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", admin, answer.Status)
	}
	found := families{}
	for d := expfmt.NewDecoder(answer.Body, expfmt.ResponseFormat(answer.Header)); ; {
		f := new(dto.MetricFamily)
		if err := d.Decode(f); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		found[f.GetName()] = f
	}
}

func freeTCP() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0" // which the services then cannot be reached at
	}
	defer l.Close()
	return l.Addr().String()
}

func freeUDP() string {
	l, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.LocalAddr().String()
}
