package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/services/prober/internal/threshold"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
)

// Config holds the prober's settings.
type Config struct {
	args []string // targets named as arguments

	Common service.Settings
	Bus    bus.Settings

	Targets        []string              `env:"TARGETS" default:"none" arg:"TARGETS" group:"Test" help:"Targets besides those named as arguments: host, host:port, address or [address]:port; port 862 where none is named. A name is tested at each of its addresses."`
	Count          uint64                `env:"COUNT" envDefault:"10" arg:"N" group:"Test" help:"Packets to each address."`
	Interval       time.Duration         `env:"INTERVAL" envDefault:"100ms" arg:"TIME" group:"Test" help:"Time between the packets to an address, at least 10us."`
	Schedule       prober.Schedule       `env:"SCHEDULE" envDefault:"periodic" arg:"HOW" group:"Test" help:"Times between packets: periodic (RFC 3432), or poisson (RFC 2330) with the interval as their mean."`
	ReflectorState prober.ReflectorState `env:"REFLECTOR_STATE" envDefault:"auto" arg:"STATE" group:"Test" help:"Whether the reflectors number their replies by themselves, which tells the direction of a loss: stateful, stateless, or auto: unknown until a number differs from the prober's."`
	Spin           bool                  `env:"SPIN" envDefault:"true" group:"Test" help:"Spin for the last 20us before each packet where the interval is below 5ms, so that it leaves more exactly in time: at most 20us of CPU time a packet."`
	Realtime       bool                  `env:"REALTIME" envDefault:"false" group:"Test" help:"Ask for real-time priority (SCHED_FIFO) for the threads that send and receive packets."`
	Timeout        time.Duration         `env:"TIMEOUT" envDefault:"2s" arg:"TIME" group:"Test" help:"A packet that was not answered within this time from its own sending is lost."`
	Continuous     bool                  `env:"CONTINUOUS" envDefault:"false" group:"Test" help:"Go on until ended by a signal, with a report for each report interval."`
	ReportInterval time.Duration         `env:"REPORT_INTERVAL" envDefault:"10s" arg:"TIME" group:"Test" help:"Time that each report of a continuous test covers."`
	Samples        int                   `env:"SAMPLES" envDefault:"0" arg:"N" group:"Test" help:"Packets that each report lists one by one, the first of its time, at most 3000."`
	FailOn         FailOn                `env:"FAIL_ON" default:"none" arg:"RULES" group:"Test" help:"Limits that no report may cross, for instance loss>1%,rtt_p99>50ms: else exit with 1, in a continuous test a warning. A wrong name lists all figures."`
	Mode           prober.Mode           `env:"MODE" envDefault:"stamp" arg:"MODE" group:"Packets" help:"Protocol: stamp (RFC 8762) or light (TWAMP Light, RFC 5357)."`
	Size           int                   `env:"SIZE" envDefault:"0" arg:"OCTETS" group:"Packets" help:"UDP payload of a packet, 44 to 65507; 0: as the message needs."`
	TLV            prober.TLVs           `env:"TLV" default:"none" arg:"LIST" group:"Packets" help:"Extensions of RFC 8972 to ask for: follow-up (a reply tells when the one before it really left, by the reflector's kernel), cos (a reply tells with which DSCP and ECN its request arrived)."`
	Padding        prober.Padding        `env:"PADDING" envDefault:"message" arg:"WHAT" group:"Packets" help:"What fills a packet behind its base: message, zero or random."`
	Message        string                `env:"MESSAGE" envDefault:"TWAMP test message" arg:"TEXT" group:"Packets" help:"Readable message in each packet, which the reflector logs; at most 256 octets."`
	DSCP           DSCP                  `env:"DSCP" envDefault:"0" arg:"DSCP" group:"Packets" help:"Differentiated services code point of the packets: 0 to 63, or a name such as EF, AF41 or CS1."`
	Timestamp      Format                `env:"TIMESTAMP" envDefault:"ntp" arg:"FORMAT" group:"Packets" help:"Format of the sender's timestamps: ntp or ptp (RFC 8186)."`
	SSID           uint16                `env:"SSID" envDefault:"0" arg:"ID" group:"Packets" help:"Session-Sender identifier (RFC 8972) of all sessions; 0: a random one for each."`
	Source         Source                `env:"SOURCE" default:"any" arg:"ADDRESS" group:"Packets" help:"Own address to send from, with or without a port, for instance 192.0.2.1, [2001:db8::1]:862 or :862."`
	JSON           bool                  `env:"JSON" envDefault:"false" group:"Output" help:"Print each report as one line of JSON instead of text."`
	Quiet          bool                  `env:"QUIET" envDefault:"false" group:"Output" help:"Print no line for each reply."`
}

// Bounds of settings.
const (
	minInterval = 10 * time.Microsecond
	maxInterval = 24 * time.Hour
	maxTimeout  = time.Hour
	// maxInFlight bounds a session's memory: packets that can wait for their
	// answers at a time.
	maxInFlight = 1 << 20
)

// Check finds settings that cannot work.
func (c *Config) Check() []service.Problem {
	var problems []service.Problem
	bad := func(variable, format string, args ...any) {
		problems = append(problems, service.Problem{Var: variable, Msg: fmt.Sprintf(format, args...)})
	}
	if c.Count == 0 {
		bad("COUNT", "must be at least 1")
	}
	if c.Interval < minInterval || c.Interval > maxInterval {
		bad("INTERVAL", "must be between %v and %v", minInterval, maxInterval)
	}
	if c.Timeout <= 0 || c.Timeout > maxTimeout {
		bad("TIMEOUT", "must be above 0 and at most %v", maxTimeout)
	} else if c.Interval >= minInterval && c.Timeout/c.Interval > maxInFlight {
		bad("TIMEOUT", "must be at most %v at this interval: more packets would wait for their answers than are kept", c.Interval*maxInFlight)
	}
	if c.ReportInterval < time.Second || c.ReportInterval > maxInterval {
		bad("REPORT_INTERVAL", "must be between 1s and %v", maxInterval)
	}
	if c.Samples < 0 || c.Samples > events.MaxSamples {
		bad("SAMPLES", "must be from 0 to %d: with more, a report may be too long for NATS", events.MaxSamples)
	}
	if c.Size != 0 && (c.Size < stamp.BaseSize || c.Size > prober.MaxSize) {
		bad("SIZE", "must be 0, or from %d to %d", stamp.BaseSize, prober.MaxSize)
	} else if _, err := prober.Payload(c.Mode, c.Size, c.TLV, uint8(c.DSCP), c.Padding, c.Message); err != nil {
		bad("SIZE", "%v", err)
	}
	if c.TLV != (prober.TLVs{}) && c.Mode != prober.ModeSTAMP {
		bad("TLV", "must be empty but in stamp mode")
	}
	if len(c.Message) > stamp.MaxMessage || !utf8.ValidString(c.Message) || strings.ContainsRune(c.Message, 0) {
		bad("MESSAGE", "must be text of at most %d octets", stamp.MaxMessage)
	}
	_, wrong := c.targets()
	return append(problems, wrong...)
}

// TakeArgs takes the targets that are named as arguments.
func (c *Config) TakeArgs(args []string) { c.args = args }

// targets are those of the arguments, then those of the setting.
func (c *Config) targets() ([]prober.Target, []service.Problem) {
	var targets []prober.Target
	var problems []service.Problem
	for i, a := range slices.Concat(c.args, c.Targets) {
		t, err := prober.ParseTarget(a)
		if err != nil {
			p := service.Problem{Msg: "target " + err.Error()}
			if i >= len(c.args) {
				p = service.Problem{Var: "TARGETS", Msg: err.Error()}
			}
			problems = append(problems, p)
		}
		targets = append(targets, t)
	}
	if len(targets) == 0 {
		problems = append(problems, service.Problem{Msg: "no target: name at least one, as an argument or with -targets"})
	}
	return targets, problems
}

// FailOn are limits that no report may cross.
type FailOn []threshold.Rule

// UnmarshalText reads the setting.
func (f *FailOn) UnmarshalText(b []byte) error {
	rules, err := threshold.Parse(string(b))
	*f = rules
	return err
}

// DSCP is a differentiated services code point.
type DSCP uint8

// dscpNames are those of RFC 2474, 2597, 3246, 5865 and 8622.
var dscpNames = map[string]DSCP{
	"DF": 0, "BE": 0, "CS0": 0, "CS1": 8, "CS2": 16, "CS3": 24, "CS4": 32, "CS5": 40, "CS6": 48, "CS7": 56,
	"AF11": 10, "AF12": 12, "AF13": 14, "AF21": 18, "AF22": 20, "AF23": 22,
	"AF31": 26, "AF32": 28, "AF33": 30, "AF41": 34, "AF42": 36, "AF43": 38,
	"EF": 46, "VA": 44, "LE": 1,
}

// UnmarshalText reads the setting.
func (d *DSCP) UnmarshalText(b []byte) error {
	if v, ok := dscpNames[strings.ToUpper(string(b))]; ok {
		*d = v
		return nil
	}
	v, err := strconv.ParseUint(string(b), 0, 8)
	if err != nil || v > 63 {
		return errors.New("must be a number from 0 to 63, or a name such as EF, AF41 or CS1")
	}
	*d = DSCP(v)
	return nil
}

// Format is a timestamp format.
type Format struct{ stamp.Format }

// UnmarshalText reads the setting.
func (f *Format) UnmarshalText(b []byte) error {
	if f.Format.UnmarshalText(b) != nil {
		return errors.New("must be ntp or ptp")
	}
	return nil
}

// Source is an own address, a port, or both.
type Source struct{ netip.AddrPort }

// UnmarshalText reads ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or :PORT.
func (s *Source) UnmarshalText(b []byte) error {
	text := string(b)
	bare := text
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		s.AddrPort = netip.AddrPortFrom(a.Unmap(), 0)
		return nil
	}
	if strings.HasPrefix(text, ":") {
		text = "[::]" + text
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return errors.New("must be an address of this host with or without a port, or :PORT")
	}
	s.AddrPort = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	return nil
}
