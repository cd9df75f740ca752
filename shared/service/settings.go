package service

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
)

// maxName is the longest name: it is a token of a subject and a part of ids.
const maxName = 63

// Settings are those that every service has. Embed it in the service's own.
type Settings struct {
	Name      string     `env:"NAME" default:"the host name" arg:"NAME" group:"Instance" help:"Name of this instance in events and subjects: letters, digits, _ and -, at most 63."`
	LogFile   string     `env:"LOG_FILE" default:"stdout; prober: none" arg:"FILE" group:"Logging" help:"File that readable lines are appended to."`
	LogFormat LogFormat  `env:"LOG_FORMAT" envDefault:"auto" arg:"FORMAT" group:"Logging" help:"Form of the program's own log on stderr: text, json, or auto: text on a terminal, else json."`
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" arg:"LEVEL" group:"Logging" help:"Least level that is logged on stderr: debug, info, warn or error."`
	Admin     string     `env:"ADMIN" default:"off" arg:"ADDRESS" group:"Admin" help:"Address of the admin HTTP with /livez, /readyz and /metrics, for instance 127.0.0.1:9862."`
	Pprof     bool       `env:"PPROF" envDefault:"false" group:"Admin" help:"Serve /debug/pprof/ on the admin address."`
}

// Check completes and checks the settings. [Program.Parse] calls it.
func (s *Settings) Check() []Problem {
	var problems []Problem
	if s.Name == "" {
		host, _ := os.Hostname() // without one the name is made up of nothing, below
		s.Name = fitName(host)
	}
	if s.Name != fitName(s.Name) {
		problems = append(problems, Problem{Var: "NAME", Msg: fmt.Sprintf("must be letters, digits, _ and -, at most %d, not %q", maxName, s.Name)})
	}
	if s.Admin != "" && !isListenAddress(s.Admin) {
		problems = append(problems, Problem{Var: "ADMIN", Msg: fmt.Sprintf("must be ADDRESS:PORT such as 127.0.0.1:9862 or [::1]:9862, not %q", s.Admin)})
	}
	return problems
}

// fitName makes s fit to be a name: what is not allowed becomes -, and what is
// too long is cut off. It is never empty.
func fitName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '-'
	}, s)
	if s == "" {
		return "unnamed"
	}
	return s[:min(len(s), maxName)]
}

// isListenAddress tells whether s is HOST:PORT with a number for the port.
func isListenAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// LogFormat is the form of the program's own log.
type LogFormat string

// Forms of the log.
const (
	LogAuto LogFormat = "auto" // text on a terminal, else JSON
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText takes auto, text and json.
func (f *LogFormat) UnmarshalText(b []byte) error {
	switch v := LogFormat(b); v {
	case LogAuto, LogText, LogJSON:
		*f = v
		return nil
	}
	return fmt.Errorf("must be auto, text or json, not %q", b)
}
