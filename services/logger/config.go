package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tinytwamp/services/logger/internal/embedded"
	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/paths"
	"tinytwamp/shared/service"
)

// Config holds the settings of the logger.
type Config struct {
	Data        string        `env:"DATA" envDefault:"data" arg:"FOLDER" group:"Files" help:"Folder of the event files. One logger at a time has it."`
	RotateSize  service.Bytes `env:"ROTATE_SIZE" envDefault:"64MiB" arg:"SIZE" group:"Files" help:"A file that would grow larger is ended, and a new one begun; also after a million events. 0: no limit."`
	RotateAge   time.Duration `env:"ROTATE_AGE" envDefault:"24h" arg:"TIME" group:"Files" help:"A file that was begun so long ago is ended with the next event. 0: no limit."`
	CompressAge time.Duration `env:"COMPRESS_AGE" envDefault:"1h" arg:"TIME" group:"Files" help:"A file that was ended so long ago is compressed, with zstd. 0: never."`
	RetainSize  service.Bytes `env:"RETAIN_SIZE" envDefault:"10GiB" arg:"SIZE" group:"Files" help:"Room for all files: the oldest are removed, but none that is not acknowledged yet. 0: no limit."`
	RetainAge   time.Duration `env:"RETAIN_AGE" envDefault:"0s" arg:"TIME" group:"Files" help:"Files whose last event is older are removed. 0: no limit."`
	History     time.Duration `env:"HISTORY" envDefault:"744h" arg:"TIME" group:"Files" help:"How far back the page shows paths, at least 1h. With -page that is kept in the folder history of -data, some 0.5 MB for each path; it is made of the event files where they have more."`

	Page             string         `env:"PAGE" default:"off" arg:"ADDRESS" group:"Page" help:"Address of the page that shows paths and their history in a browser, such as 127.0.0.1:8620. Beyond loopback it needs -page-token-file or -page-trusted-proxy."`
	PageTokenFile    string         `env:"PAGE_TOKEN_FILE" default:"none" arg:"FILE" group:"Page" help:"File with the token that the page asks for, one word of at least 16 characters: browsers log in with it, programs send it as a bearer token."`
	PageTrustedProxy []netip.Prefix `env:"PAGE_TRUSTED_PROXY" default:"none" arg:"PREFIXES" group:"Page" help:"Proxies that have asked who it is: requests from there need no token. Others are refused, unless they have one. A proxy on this host makes every program of this host trusted, a browser with a hostile page in it as well."`

	Consumer string   `env:"CONSUMER" envDefault:"logger" arg:"NAME" group:"Stream" help:"Name of the durable consumer. Each logger has its own: letters, digits, _ and -, at most 63."`
	Filter   []string `env:"FILTER" default:"all" arg:"SUBJECTS" group:"Stream" help:"Subjects that the consumer takes, for instance twamp.v1.rtt.>. Used when the consumer is made."`
	Init     bool     `env:"INIT" envDefault:"false" group:"Stream" help:"Make the stream and the consumer, then end. What is there already is left as it is."`

	StreamReplicas int           `env:"STREAM_REPLICAS" envDefault:"1" arg:"N" group:"Stream" help:"Copies of the stream in a cluster, when it is made: 1 to 5."`
	StreamStorage  bus.Storage   `env:"STREAM_STORAGE" envDefault:"file" arg:"KIND" group:"Stream" help:"Where the stream is stored, when it is made: file, or memory, which is gone with its servers."`
	StreamMaxAge   time.Duration `env:"STREAM_MAX_AGE" envDefault:"168h" arg:"TIME" group:"Stream" help:"How long the stream keeps events, when it is made. 0: no limit."`
	StreamMaxBytes service.Bytes `env:"STREAM_MAX_BYTES" envDefault:"1GiB" arg:"SIZE" group:"Stream" help:"Room for the stream's events, when it is made: the oldest go. 0: no limit."`

	Bus          bus.Settings
	NATSEmbedded string `env:"NATS_EMBEDDED" default:"off" arg:"FOLDER" group:"NATS" help:"Run a NATS server inside, with its store in this folder. It listens where -nats-url says, else on nats://127.0.0.1:4222, and has its stream and consumer made."`
	NATSAuthFile string `env:"NATS_AUTH_FILE" default:"none" arg:"FILE" group:"NATS" help:"Users of the NATS server inside: a file in the form of nats-server's configuration with authorization { users = [ ... ] }, and tls { ... } if wanted. Without it the server listens on loopback addresses only."`

	Common service.Settings
	Paths  paths.Settings
}

// Bounds of the history.
const (
	minHistory = time.Hour
	maxHistory = 3 * 366 * 24 * time.Hour
)

// minMaxAge is the least age that the server takes.
const minMaxAge = 100 * time.Millisecond

// Check checks the settings that depend on each other or have a range, and
// completes the URL of the embedded server.
func (c *Config) Check() []service.Problem {
	var problems []service.Problem
	wrong := func(variable, format string, args ...any) {
		problems = append(problems, service.Problem{Var: variable, Msg: fmt.Sprintf(format, args...)})
	}
	c.checkFiles(wrong)
	c.checkStream(wrong)
	c.checkServer(wrong)
	c.checkPage(wrong)
	return problems
}

func (c *Config) checkFiles(wrong func(variable, format string, args ...any)) {
	if c.Data == "" && !c.Init {
		wrong("DATA", "must be the folder of the event files")
	}
	for _, age := range []struct {
		variable string
		value    time.Duration
	}{{"ROTATE_AGE", c.RotateAge}, {"COMPRESS_AGE", c.CompressAge}, {"RETAIN_AGE", c.RetainAge}} {
		if age.value < 0 {
			wrong(age.variable, "must be 0 (off) or above, not %s", age.value)
		}
	}
	if c.History < minHistory || c.History > maxHistory {
		wrong("HISTORY", "must be from %s to %s, not %s", minHistory, maxHistory, c.History)
	}
	if c.RetainSize != 0 && c.RetainSize < c.RotateSize {
		wrong("RETAIN_SIZE", "must be 0 (no limit) or at least -rotate-size, %s, not %s", c.RotateSize, c.RetainSize)
	}
}

func (c *Config) checkStream(wrong func(variable, format string, args ...any)) {
	if c.Consumer != events.FitName(c.Consumer) {
		wrong("CONSUMER", "must be letters, digits, _ and -, at most 63, not %q", c.Consumer)
	}
	for _, f := range c.Filter {
		if !isFilter(f) {
			wrong("FILTER", "must be subjects that begin with twamp.v1, such as %s.>, not %q", events.TypeRTT, f)
		}
	}
	if c.StreamReplicas < 1 || c.StreamReplicas > 5 {
		wrong("STREAM_REPLICAS", "must be 1 to 5, not %d", c.StreamReplicas)
	} else if c.StreamReplicas > 1 && c.NATSEmbedded != "" {
		wrong("STREAM_REPLICAS", "must be 1 with -nats-embedded, which is a single server")
	}
	if c.StreamMaxAge != 0 && c.StreamMaxAge < minMaxAge {
		wrong("STREAM_MAX_AGE", "must be 0 (no limit) or at least %s, not %s", minMaxAge, c.StreamMaxAge)
	}
}

func (c *Config) checkServer(wrong func(variable, format string, args ...any)) {
	if c.NATSEmbedded == "" {
		if !c.Bus.Enabled() {
			wrong("NATS_URL", "must be that of a NATS server, such as nats://nats:4222; or run one inside with -nats-embedded FOLDER")
		}
		if c.NATSAuthFile != "" {
			wrong("NATS_AUTH_FILE", "is for -nats-embedded only")
		}
		return
	}
	if c.Init {
		wrong("INIT", "is not for -nats-embedded, which has its stream and consumer made")
	}
	if c.Bus.Creds != "" || c.Bus.NKey != "" {
		wrong("NATS_EMBEDDED", "needs neither -nats-creds nor -nats-nkey: the logger is let in by its own server")
	}
	if filepath.Clean(c.NATSEmbedded) == filepath.Clean(c.Data) {
		wrong("NATS_EMBEDDED", "must be another folder than -data")
	}
	if !c.Bus.Enabled() {
		c.Bus.URL = embedded.DefaultURL
	}
	listen, err := c.listen()
	if err != nil {
		wrong("NATS_URL", "with -nats-embedded %v", err)
	} else if c.NATSAuthFile == "" && !listen.Addr().IsLoopback() {
		wrong("NATS_URL", "must be a loopback address such as %s with -nats-embedded, or have users with -nats-auth-file", embedded.DefaultURL)
	}
}

func (c *Config) checkPage(wrong func(variable, format string, args ...any)) {
	if c.Page == "" {
		if c.PageTokenFile != "" {
			wrong("PAGE_TOKEN_FILE", "is for -page only")
		}
		if len(c.PageTrustedProxy) > 0 {
			wrong("PAGE_TRUSTED_PROXY", "is for -page only")
		}
		return
	}
	host, port, err := net.SplitHostPort(c.Page)
	if _, number := strconv.ParseUint(port, 10, 16); err != nil || number != nil {
		wrong("PAGE", "must be an address and a port, such as 127.0.0.1:8620, not %q", c.Page)
		return
	}
	address, err := netip.ParseAddr(host)
	loopback := host == "localhost" || err == nil && address.Unmap().IsLoopback()
	if !loopback && c.PageTokenFile == "" && len(c.PageTrustedProxy) == 0 {
		wrong("PAGE", "must be a loopback address such as 127.0.0.1:8620, or have a token with -page-token-file, or a proxy before it with -page-trusted-proxy")
	}
}

// listen returns where the embedded server listens.
func (c *Config) listen() (netip.AddrPort, error) { return embedded.ParseURL(string(c.Bus.URL)) }

// isFilter tells whether f is a subject, or a pattern of subjects, of the
// stream.
func isFilter(f string) bool {
	tokens := strings.Split(f, ".")
	for i, t := range tokens {
		if t == "" || strings.ContainsAny(t, " \t\r\n") ||
			strings.Contains(t, ">") && (t != ">" || i != len(tokens)-1) ||
			strings.Contains(t, "*") && t != "*" {
			return false
		}
	}
	return strings.HasPrefix(f, strings.TrimSuffix(events.StreamSubjects, ">"))
}

func (c *Config) journal() journal.Options {
	return journal.Options{
		Dir:         c.Data,
		RotateSize:  int64(c.RotateSize),
		RotateAge:   c.RotateAge,
		CompressAge: c.CompressAge,
		RetainSize:  int64(c.RetainSize),
		RetainAge:   c.RetainAge,
	}
}

func (c *Config) stream() (bus.StreamConfig, bus.ConsumerConfig) {
	return bus.StreamConfig{Replicas: c.StreamReplicas, Storage: c.StreamStorage, MaxAge: c.StreamMaxAge, MaxBytes: int64(c.StreamMaxBytes)},
		bus.ConsumerConfig{Durable: c.Consumer, Filters: c.Filter}
}
