package service_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

func TestParseDefaults(t *testing.T) {
	cfg, rest := parse(t, nil, nil)
	if cfg.Count != 10 || cfg.Interval != 100*time.Millisecond || cfg.Store.Size != 64<<20 || cfg.Store.Key != "main" ||
		cfg.LogLevel != slog.LevelInfo || cfg.LogFormat != service.LogAuto || cfg.Admin != "" || cfg.Quiet || len(rest) != 0 {
		t.Errorf("got %+v, %q", cfg, rest)
	}
	if want := []netip.AddrPort{netip.MustParseAddrPort("[::]:862"), netip.MustParseAddrPort("0.0.0.0:862")}; !slices.Equal(cfg.Listen, want) {
		t.Errorf("listen: %v, want %v", cfg.Listen, want)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	fit := regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
	if !fit.MatchString(cfg.Name) || fit.MatchString(host) && cfg.Name != host {
		t.Errorf("name: %q on host %q", cfg.Name, host)
	}
}

func TestParseIgnoresTheProcessEnvironment(t *testing.T) {
	t.Setenv("TWAMP_COUNT", "77")
	if cfg, _ := parse(t, nil, nil); cfg.Count != 10 {
		t.Errorf("count %d came from the process, not from environ", cfg.Count)
	}
}

func TestParse(t *testing.T) {
	args := func(a ...string) []string { return a }
	tests := []struct {
		name          string
		args, environ []string
		get           func(config) any
		want          any
		rest          []string
	}{
		{"variable", nil, args("TWAMP_COUNT=3"), func(c config) any { return c.Count }, 3, nil},
		{"variable of others", nil, args("TWAMP_NOBODYS=3", "COUNT=4"), func(c config) any { return c.Count }, 10, nil},
		{"flag wins", args("-count", "4"), args("TWAMP_COUNT=3"), func(c config) any { return c.Count }, 4, nil},
		{"flag wins over a bad variable", args("-count", "4"), args("TWAMP_COUNT=x"), func(c config) any { return c.Count }, 4, nil},
		{"two dashes and =", args("--log-level=debug"), nil, func(c config) any { return c.LogLevel }, slog.LevelDebug, nil},
		{"bool without value", args("-quiet", "x"), nil, func(c config) any { return c.Quiet }, true, args("x")},
		{"bool with value", args("-quiet=false"), args("TWAMP_QUIET=1"), func(c config) any { return c.Quiet }, false, nil},
		{"flags behind arguments", args("x", "-count", "4", "y", "-quiet"), nil, func(c config) any { return fmt.Sprint(c.Count, c.Quiet) }, "4 true", args("x", "y")},
		{"-- ends flags", args("-count", "4", "--", "-quiet", "x"), nil, func(c config) any { return fmt.Sprint(c.Count, c.Quiet) }, "4 false", args("-quiet", "x")},
		{"a dash is an argument", args("-", "-count", "4"), nil, func(c config) any { return c.Count }, 4, args("-")},
		{"nested", args("-store-size", "2KiB"), nil, func(c config) any { return c.Store.Size }, service.Bytes(2048), nil},
		{"list", nil, args("TWAMP_TARGETS= a, b,,c "), func(c config) any { return strings.Join(c.Targets, "+") }, "a+b+c", nil},
		{"list in several flags", args("-allow", "10.0.0.0/8", "-allow", "::/0"), args("TWAMP_ALLOW=x"), func(c config) any { return fmt.Sprint(c.Allow) }, "[10.0.0.0/8 ::/0]", nil},
		{"empty list", args("-listen", ""), nil, func(c config) any { return len(c.Listen) }, 0, nil},
		{"empty text", nil, args("TWAMP_MODE="), func(c config) any { return c.Mode }, "", nil},
		{"empty number is not set", nil, args("TWAMP_COUNT="), func(c config) any { return c.Count }, 10, nil},
		{"empty text that must not be", nil, args("TWAMP_STORE_KEY="), func(c config) any { return c.Store.Key }, "main", nil},
		{"empty choice is not set", nil, args("TWAMP_LOG_FORMAT="), func(c config) any { return c.LogFormat }, service.LogAuto, nil},
		{"value that looks like a flag", args("-mode", "-count"), nil, func(c config) any { return c.Mode }, "-count", nil},
		{"variable in a value is left alone", args("-mode", "$HOME"), nil, func(c config) any { return c.Mode }, "$HOME", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, rest := parse(t, test.args, test.environ)
			if got := test.get(cfg); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if !slices.Equal(rest, test.rest) {
				t.Errorf("arguments: %q, want %q", rest, test.rest)
			}
		})
	}
}

func TestParseReportsAllProblemsAtOnce(t *testing.T) {
	args := []string{
		"-nope", "-name", "a b", "--x=1", "-share", "much", "-source", "host", "-admin", "9862", "-count=", "-===",
		"-allow", "10.0.0.0/8,10.1", "-store-url", "nats://me:hunter2@[::1", "-log-file",
	}
	environ := []string{
		"TWAMP_INTERVAL=10", "TWAMP_DSCP=300", "TWAMP_SSID=70000", "TWAMP_QUIET=maybe", "TWAMP_LISTEN=:862",
		"TWAMP_LOG_FORMAT=xml", "TWAMP_LOG_LEVEL=loud", "TWAMP_STORE_SIZE=12B", "TWAMP_NOBODYS=1",
	}
	golden(t, "problems.txt", refuse(t, program, args, environ))
}

func TestProblem(t *testing.T) {
	noArgs := program
	noArgs.Args = false
	tests := []struct {
		name          string
		p             service.Program
		args, environ []string
		want          string // the only line about a setting
	}{
		{"cross-field rule", program, []string{"-count", "0"}, nil, "TWAMP_COUNT (-count) must be at least 1"},
		{"not twice", program, nil, []string{"TWAMP_STORE_SIZE=-1"}, `TWAMP_STORE_SIZE (-store-size) must be a size such as 512, 100kB or 64MiB, not "-1"`},
		{"arguments", noArgs, []string{"a", "-quiet", "b"}, nil, `demo takes no arguments, but got ["a" "b"]`},
		{"unknown flag with a value", noArgs, []string{"-contu", "7"}, nil, "-contu: there is no such flag"},
		{"flag without value", program, []string{"-count"}, nil, "-count: needs a value"},
		{"name too long", program, []string{"-name", strings.Repeat("n", 64)}, nil, `TWAMP_NAME (-name) must be letters, digits, _ and -, at most 63, not "` + strings.Repeat("n", 64) + `"`},
		{"number too large", program, nil, []string{"TWAMP_COUNT=99999999999"}, `TWAMP_COUNT (-count) must be a whole number, not "99999999999"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := "demo: cannot start with these settings:\n  " + test.want + "\nRun \"demo -h\" to see all settings.\n"
			if got := refuse(t, test.p, test.args, test.environ); got != want {
				t.Errorf(" got %s\nwant %s", got, want)
			}
		})
	}
}

func TestParseMissing(t *testing.T) {
	var cfg struct {
		Key  string `env:"KEY,required"`
		Word string `env:"WORD,notEmpty"`
	}
	var stderr strings.Builder
	if _, exit, ok := program.Parse(&cfg, nil, []string{"TWAMP_WORD="}, nil, &stderr); ok || exit != service.ExitUsage {
		t.Fatalf("ok %v, exit %d", ok, exit)
	}
	for _, want := range []string{"TWAMP_KEY (-key) must be given\n", "TWAMP_WORD (-word) must not be empty\n"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in %s", want, &stderr)
		}
	}
}

// timing has a rule that compares two settings.
type timing struct {
	Interval time.Duration `env:"INTERVAL" envDefault:"1s"`
	Timeout  time.Duration `env:"TIMEOUT" envDefault:"2s"`
}

func (t *timing) Check() []service.Problem {
	if t.Interval < time.Millisecond {
		return []service.Problem{{Var: "TIMEOUT", Msg: "is of no use without an interval"}}
	}
	return nil
}

func TestProblemHasNoConsequences(t *testing.T) {
	tests := []struct {
		name string
		cfg  any
		bad  string
	}{
		{"rules see the default of a bad setting", new(timing), "TWAMP_INTERVAL=x"},
		{"a Check that is promoted counts once", new(struct{ service.Settings }), "TWAMP_ADMIN=x"},
	}
	for _, test := range tests {
		var stderr strings.Builder
		if _, _, ok := program.Parse(test.cfg, nil, []string{test.bad}, nil, &stderr); ok || strings.Count(stderr.String(), "TWAMP_") != 1 {
			t.Errorf("%s: ok %v, %s", test.name, ok, &stderr)
		}
	}
}

func TestSecretsStayOutOfProblems(t *testing.T) {
	for _, url := range []string{"nats://me:hunter2@host:bad", "nats://me:hunter2/x@host", "me:hunter2@host", "nats://me:hunter2@%zz"} {
		if got := refuse(t, program, nil, []string{"TWAMP_STORE_URL=" + url}); strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", url, got)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	var stdout, stderr strings.Builder
	_, exit, ok := program.Parse(new(config), []string{"-count", "x", "-version"}, nil, &stdout, &stderr)
	if ok || exit != 0 || stderr.Len() > 0 || !strings.HasPrefix(stdout.String(), "demo "+service.Version()+" go1.") {
		t.Errorf("ok %v, exit %d, stdout %q, stderr %q", ok, exit, &stdout, &stderr)
	}
}
