package service_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/service"
)

// config has a setting of each sort.
type config struct {
	Count    int              `env:"COUNT" envDefault:"10" arg:"N" group:"Test" help:"Packets to send."`
	Interval time.Duration    `env:"INTERVAL" envDefault:"100ms" arg:"TIME" group:"Test" help:"Time between two packets, from the beginning of one to the beginning of the next, whatever comes back in between."`
	DSCP     uint8            `env:"DSCP" envDefault:"0" arg:"N" group:"Test" help:"DSCP of test packets."`
	SSID     uint16           `env:"SSID" default:"random" arg:"N" group:"Test" help:"Session-Sender identifier."`
	Share    float64          `env:"SHARE" envDefault:"0.5" arg:"X" group:"Test" help:"A share."`
	Quiet    bool             `env:"QUIET" group:"Test" help:"Print nothing but the result."`
	Mode     string           `env:"MODE" envDefault:"a|b" group:"Test" help:"Either a|b."`
	Listen   []netip.AddrPort `env:"LISTEN" envDefault:"[::]:862,0.0.0.0:862" arg:"ADDRESS,..." group:"Network" help:"Addresses to listen on."`
	Allow    []netip.Prefix   `env:"ALLOW" default:"all" group:"Network" help:"Prefixes that may ask."`
	Source   netip.Addr       `env:"SOURCE" arg:"ADDRESS" group:"Network" help:"Own address."`
	Targets  []string         `env:"TARGETS" group:"Test" help:"Whom to test."`
	Store    store            `envPrefix:"STORE_" group:"Store"`

	service.Settings
}

type store struct {
	URL  service.URL   `env:"URL" arg:"URL" help:"Where it is."`
	Size service.Bytes `env:"SIZE" envDefault:"64MiB" arg:"SIZE" help:"How much it holds."`
	Key  string        `env:"KEY,notEmpty" envDefault:"main" help:"Name of its key."`
}

func (s *store) Check() []service.Problem {
	if s.Size < 1024 {
		return []service.Problem{{Var: "TWAMP_STORE_SIZE", Msg: "must be at least 1KiB"}}
	}
	return nil
}

func (c *config) Check() []service.Problem {
	if c.Count < 1 {
		return []service.Problem{{Var: "COUNT", Flag: "count", Msg: "must be at least 1"}}
	}
	return nil
}

var program = service.Program{
	Name:     "demo",
	Synopsis: "[flag]... target...",
	About:    "Sends test packets to targets and tells how long they took on their way there and back again.\n\nIt is an example.",
	Examples: []string{"demo 192.0.2.1", "TWAMP_COUNT=5 demo -quiet \\\n  2001:db8::1"},
	Sections: []service.Section{{
		Title: "A file",
		Text:  "What it holds is told in a sentence that is longer than a line of the terminal.\n\n      key: value\n      other: value\n\nAnd that is all.",
	}},
	Args: true,
}

// parse parses into a config and fails the test if the settings are wrong.
func parse(t *testing.T, args, environ []string) (config, []string) {
	t.Helper()
	var cfg config
	var stdout, stderr strings.Builder
	rest, exit, ok := program.Parse(&cfg, args, environ, &stdout, &stderr)
	if !ok || exit != 0 || stdout.Len()+stderr.Len() > 0 {
		t.Fatalf("Parse(%q, %q): ok %v, exit %d\n%s%s", args, environ, ok, exit, &stdout, &stderr)
	}
	return cfg, rest
}

// refuse parses and returns what is said of the settings.
func refuse(t *testing.T, p service.Program, args, environ []string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	_, exit, ok := p.Parse(new(config), args, environ, &stdout, &stderr)
	if ok || exit != service.ExitUsage || stdout.Len() > 0 {
		t.Fatalf("Parse(%q, %q): ok %v, exit %d, stdout %q; want exit 64", args, environ, ok, exit, &stdout)
	}
	return stderr.String()
}
