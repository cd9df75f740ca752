package prober

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
)

// Test says how a target is tested. By its tags it is a part of the settings,
// for all targets, and of the targets file: for its defaults and for each
// target.
type Test struct {
	Count          uint64        `env:"COUNT" envDefault:"10" arg:"N" group:"Test" help:"Packets to each address; a continuous test has no end."`
	Interval       time.Duration `env:"INTERVAL" envDefault:"100ms" arg:"TIME" group:"Test" help:"Time between the packets to an address, at least 10us."`
	Schedule       Schedule      `env:"SCHEDULE" envDefault:"periodic" arg:"HOW" group:"Test" help:"Times between packets: periodic (RFC 3432), or poisson (RFC 2330) with the interval as their mean."`
	Timeout        time.Duration `env:"TIMEOUT" envDefault:"2s" arg:"TIME" group:"Test" help:"A packet that was not answered within this time from its own sending is lost."`
	ReflectorState StateHint     `env:"REFLECTOR_STATE" envDefault:"auto" arg:"STATE" group:"Test" help:"Whether the reflector numbers its replies by itself, which tells the direction of a loss: stateful, stateless, or auto: unknown until a number differs from the prober's."`
	Samples        int           `env:"SAMPLES" envDefault:"0" arg:"N" group:"Test" help:"Packets that each report lists one by one, the first of its time, at most 3000."`
	Family         Family        `env:"FAMILY" envDefault:"any" arg:"FAMILY" group:"Test" help:"Addresses of a name that are tested: ipv4, ipv6, or any."`
	Source         Source        `env:"SOURCE" default:"any" arg:"ADDRESS" group:"Test" help:"Own address to send from, with or without a port, for instance 192.0.2.1, [2001:db8::1]:862 or :862."`
	SourcePorts    Ports         `env:"SOURCE_PORTS" default:"none" arg:"PORTS" group:"Test" list:"true" help:"Own ports to send from, for instance 50000-50007: a session for each, which routers that spread flows over several paths (ECMP) take different ways; each is reported by itself, and all together."`

	Mode      Mode       `env:"MODE" envDefault:"stamp" arg:"MODE" group:"Packets" help:"Protocol: stamp (RFC 8762) or light (TWAMP Light, RFC 5357)."`
	Size      int        `env:"SIZE" envDefault:"0" arg:"OCTETS" group:"Packets" help:"UDP payload of a packet, 44 to 65507; 0: as the message needs."`
	TLV       TLVs       `env:"TLV" default:"none" arg:"LIST" group:"Packets" list:"true" help:"Extensions of RFC 8972 to ask for: follow-up (a reply tells when the one before it really left, by the reflector's kernel), cos (DSCP and ECN with which a request arrived), location (addresses and ports with which it arrived: finds NAT), timestamp-info (where the reflector's timestamps come from), direct (packets as both ends count them), access-3gpp or access-non-3gpp (Access Report)."`
	Padding   Padding    `env:"PADDING" envDefault:"message" arg:"WHAT" group:"Packets" help:"What fills a packet behind its base: message, zero or random."`
	Message   string     `env:"MESSAGE" envDefault:"TWAMP test message" arg:"TEXT" group:"Packets" help:"Readable message in each packet, which the reflector logs; at most 256 octets."`
	DSCP      stamp.DSCP `env:"DSCP" envDefault:"0" arg:"DSCP" group:"Packets" help:"Differentiated services code point of the packets: 0 to 63, or a name such as EF, AF41 or CS1."`
	Timestamp Format     `env:"TIMESTAMP" envDefault:"ntp" arg:"FORMAT" group:"Packets" help:"Format of the sender's timestamps: ntp or ptp (RFC 8186)."`
	SSID      uint16     `env:"SSID" envDefault:"0" arg:"ID" group:"Packets" help:"Session-Sender identifier (RFC 8972) of the first session, from which those of further ones count up; 0: random ones."`
	ZeroSSID  ZeroSSID   `env:"ZERO_SSID" envDefault:"continue" arg:"WHAT" group:"Packets" help:"What to do with a session whose replies come without the SSID, as old reflectors send them: continue, or stop."`

	Auth    Auth   `env:"AUTH" envDefault:"none" arg:"MODE" group:"Packets" help:"Least protection of packets that is accepted: none, or authenticated (RFC 8762). With none they are authenticated as well if the key file has a key for the target."`
	KeyFile string `env:"KEY_FILE" default:"none" arg:"FILE" group:"Packets" help:"Keys of authenticated mode, one selector and key a line: * or ssid:4660 or a prefix of targets, then hexadecimal digits. The first that fits wins, as in the reflector's -keys-file. Not readable by all."`

	keys   stamp.Keys // of KeyFile, once checked
	keysOf string     // the file that they were read from; empty: none
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
func (t *Test) Check() []service.Problem {
	var problems []service.Problem
	bad := func(variable, format string, args ...any) {
		problems = append(problems, service.Problem{Var: variable, Msg: fmt.Sprintf(format, args...)})
	}
	if t.Count == 0 {
		bad("COUNT", "must be at least 1")
	}
	if t.Interval < minInterval || t.Interval > maxInterval {
		bad("INTERVAL", "must be between %v and %v", minInterval, maxInterval)
	}
	if t.Timeout <= 0 || t.Timeout > maxTimeout {
		bad("TIMEOUT", "must be above 0 and at most %v", maxTimeout)
	} else if t.Interval >= minInterval && t.Timeout/t.Interval > maxInFlight {
		bad("TIMEOUT", "must be at most %v at this interval: more packets would wait for their answers than are kept", t.Interval*maxInFlight)
	}
	if t.Samples < 0 || t.Samples > events.MaxSamples {
		bad("SAMPLES", "must be from 0 to %d: with more, a report may be too long for NATS", events.MaxSamples)
	}
	if t.Source.Port() != 0 && len(t.SourcePorts) > 0 {
		bad("SOURCE_PORTS", "must be empty where the source has a port")
	}
	if a := t.Source.Addr(); a.IsValid() && !a.IsUnspecified() && !t.Family.holds(a) {
		bad("FAMILY", "must be that of the source address %v, or any", a)
	}
	t.checkAuth(bad)
	if t.Size != 0 && (t.Size < stamp.BaseSize || t.Size > MaxSize) {
		bad("SIZE", "must be 0, or from %d to %d", stamp.BaseSize, MaxSize)
	} else if _, err := t.payload(t.Auth == Authenticated); err != nil {
		bad("SIZE", "%v", err)
	}
	if t.TLV != (TLVs{}) && t.Mode != ModeSTAMP {
		bad("TLV", "must be empty but in stamp mode")
	}
	if len(t.Message) > stamp.MaxMessage || !utf8.ValidString(t.Message) || strings.ContainsRune(t.Message, 0) {
		bad("MESSAGE", "must be text of at most %d octets", stamp.MaxMessage)
	}
	return problems
}

// family is that of a name's addresses which are tested: the source's, if there
// is one.
func (t *Test) family() Family {
	a := t.Source.Addr()
	switch {
	case t.Family != AnyFamily || !a.IsValid() || a.IsUnspecified():
		return t.Family
	case a.Is4():
		return IPv4
	}
	return IPv6
}

// payload makes the packet that a session of the test sends.
func (t *Test) payload(authenticated bool) ([]byte, error) {
	base := stamp.BaseSize
	if authenticated {
		base = stamp.AuthSize
	}
	return Payload(t.Mode, base, t.Size, t.TLV, uint8(t.DSCP), t.Padding, t.Message)
}

// message is what can be read in each packet.
func (t *Test) message() string {
	if t.Padding != PadMessage {
		return ""
	}
	return t.Message
}
