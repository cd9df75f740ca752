package prober

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// Test says how a target is tested. By its tags it is a part of the settings,
// for all targets, and of the targets file: for its defaults and for each
// target.
type Test struct {
	Count          uint64        `env:"COUNT" envDefault:"10" arg:"N" group:"Test" help:"Packets to each address; a continuous test has no end."`
	Interval       time.Duration `env:"INTERVAL" envDefault:"100ms" arg:"TIME" group:"Test" help:"Time between the packets to an address, at least 10us; in twamp mode at most 10m, and 1m if it is a mean."`
	Schedule       Schedule      `env:"SCHEDULE" envDefault:"periodic" arg:"HOW" group:"Test" help:"Times between packets: periodic (RFC 3432), or poisson (RFC 2330) with the interval as their mean."`
	Timeout        time.Duration `env:"TIMEOUT" envDefault:"2s" arg:"TIME" group:"Test" help:"A packet that was not answered within this time from its own sending is lost."`
	ReflectorState StateHint     `env:"REFLECTOR_STATE" envDefault:"auto" arg:"STATE" group:"Test" help:"Whether the reflector numbers its replies by itself, which tells the direction of a loss: stateful, stateless, or auto: unknown until a number differs from the prober's."`
	Samples        int           `env:"SAMPLES" envDefault:"0" arg:"N" group:"Test" help:"Packets that each report lists one by one, the first of its time, at most 3000."`
	Family         Family        `env:"FAMILY" envDefault:"any" arg:"FAMILY" group:"Test" help:"Addresses of a name that are tested: ipv4, ipv6, or any."`
	Source         Source        `env:"SOURCE" default:"any" arg:"ADDRESS" group:"Test" help:"Own address to send from, with or without a port, for instance 192.0.2.1, [2001:db8::1]:862 or :862."`
	SourcePorts    Ports         `env:"SOURCE_PORTS" default:"none" arg:"PORTS" group:"Test" list:"true" help:"Own ports to send from, for instance 50000-50007: a session for each, which routers that spread flows over several paths (ECMP) take different ways; each is reported by itself, and all together."`

	Mode      Mode       `env:"MODE" envDefault:"stamp" arg:"MODE" group:"Packets" help:"Protocol: stamp (RFC 8762), light (TWAMP Light, RFC 5357 appendix I), or twamp (RFC 5357): the target's port is that of TWAMP-Control (TCP), by which a session is agreed on."`
	Size      int        `env:"SIZE" envDefault:"0" arg:"OCTETS" group:"Packets" help:"UDP payload of a packet, 44 to 65507, in twamp mode from 14, or 48 if packets are authenticated or encrypted; 0: as the message needs, and no less than a reply."`
	TLV       TLVs       `env:"TLV" default:"none" arg:"LIST" group:"Packets" list:"true" help:"Extensions of RFC 8972 to ask for: follow-up (a reply tells when the one before it really left, by the reflector's kernel), cos (DSCP and ECN with which a request arrived), location (addresses and ports with which it arrived: finds NAT), timestamp-info (where the reflector's timestamps come from), direct (packets as both ends count them), access-3gpp or access-non-3gpp (Access Report)."`
	Padding   Padding    `env:"PADDING" envDefault:"message" arg:"WHAT" group:"Packets" help:"What fills a packet behind its base: message, zero or random."`
	Message   string     `env:"MESSAGE" envDefault:"TWAMP test message" arg:"TEXT" group:"Packets" help:"Readable message in each packet, which the reflector logs; at most 256 octets."`
	DSCP      stamp.DSCP `env:"DSCP" envDefault:"0" arg:"DSCP" group:"Packets" help:"Differentiated services code point of the packets: 0 to 63, or a name such as EF, AF41 or CS1."`
	Timestamp Format     `env:"TIMESTAMP" envDefault:"ntp" arg:"FORMAT" group:"Packets" help:"Format of the sender's timestamps: ntp or, but in twamp mode, ptp (RFC 8186)."`
	SSID      uint16     `env:"SSID" envDefault:"0" arg:"ID" group:"Packets" help:"Session-Sender identifier (RFC 8972) of the first session, from which those of further ones count up; 0: random ones."`
	ZeroSSID  ZeroSSID   `env:"ZERO_SSID" envDefault:"continue" arg:"WHAT" group:"Packets" help:"What to do with a session whose replies come without the SSID, as old reflectors send them: continue, or stop."`

	ReflectOctets   int  `env:"REFLECT_OCTETS" envDefault:"0" arg:"OCTETS" group:"Packets" help:"In twamp mode: octets of padding that must come back in each reply (RFC 6038); 0: it does not matter. A server that does not offer it is an error."`
	SymmetricalSize bool `env:"SYMMETRICAL_SIZE" envDefault:"false" group:"Packets" help:"In twamp mode: padding stands where the reply has it (RFC 6038), so that packets are as long as replies. A server that does not offer it is an error."`

	Auth    Auth   `env:"AUTH" envDefault:"none" arg:"MODE" group:"Packets" help:"Least protection that is accepted: none, or authenticated (RFC 8762), and in twamp mode also mixed (of TWAMP-Control alone, RFC 5618) or encrypted. With a key there is the strongest that both ends can."`
	KeyFile string `env:"KEY_FILE" default:"none" arg:"FILE" group:"Packets" help:"Keys of authenticated mode, one selector and key a line: * or ssid:4660 or a prefix of targets, then hexadecimal digits. The first that fits wins, as in the reflector's -keys-file. In twamp mode one key id and passphrase a line, as in the reflector's -passphrase-file. Not readable by all."`
	KeyID   string `env:"KEY_ID" default:"the only one" arg:"ID" group:"Packets" help:"In twamp mode: which passphrase of the key file to use, if it has several."`

	// Of the key file, once checked.
	keys        stamp.Keys        // in stamp mode
	passphrases twamp.Passphrases // in twamp mode
	keysOf      keyFile           // where they were read from
}

// Bounds of settings.
const (
	minInterval = 10 * time.Microsecond
	maxInterval = 24 * time.Hour
	maxTimeout  = time.Hour
	// maxInFlight bounds a session's memory: packets that can wait for their
	// answers at a time.
	maxInFlight = 1 << 20
	// A TWAMP server ends a session without a packet for 15 minutes (REFWAIT, RFC
	// 5357 section 4.2) and does not say so: all further packets would count as
	// lost. A Poisson process has a gap of 15 times its mean once in 3 million.
	maxTWAMPInterval, maxTWAMPMean = 10 * time.Minute, time.Minute
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
	t.checkSize(bad)
	t.checkMode(bad)
	if len(t.Message) > stamp.MaxMessage || !utf8.ValidString(t.Message) || strings.ContainsRune(t.Message, 0) {
		bad("MESSAGE", "must be text of at most %d octets", stamp.MaxMessage)
	}
	return problems
}

// checkSize finds sizes that packets cannot have.
func (t *Test) checkSize(bad func(variable, format string, args ...any)) {
	if t.Mode == ModeTWAMP {
		if t.ReflectOctets < 0 || t.ReflectOctets == 1 || t.ReflectOctets > maxReflect {
			bad("REFLECT_OCTETS", "must be 0, or from 2 to %d", maxReflect)
			return
		}
		if t.Size > MaxSize {
			bad("SIZE", "must be at most %d", MaxSize)
		} else if _, err := t.twampPayload(t.Auth.mode()|t.extensions(), 0); err != nil {
			bad("SIZE", "%v", err)
		}
		return
	}
	if t.Size != 0 && (t.Size < stamp.BaseSize || t.Size > MaxSize) {
		bad("SIZE", "must be 0, or from %d to %d", stamp.BaseSize, MaxSize)
	} else if _, err := t.payload(t.Auth == Authenticated); err != nil {
		bad("SIZE", "%v", err)
	}
}

// checkMode finds settings that the mode does not know.
func (t *Test) checkMode(bad func(variable, format string, args ...any)) {
	if t.TLV != (TLVs{}) && t.Mode != ModeSTAMP {
		bad("TLV", "must be empty but in stamp mode")
	}
	if t.Mode != ModeTWAMP {
		if t.ReflectOctets != 0 {
			bad("REFLECT_OCTETS", "must be 0 but in twamp mode")
		}
		if t.SymmetricalSize {
			bad("SYMMETRICAL_SIZE", "must be false but in twamp mode")
		}
		return
	}
	most := maxTWAMPInterval
	if t.Schedule == Poisson {
		most = maxTWAMPMean
	}
	if t.Interval > most {
		bad("INTERVAL", "must be at most %v in twamp mode, with this schedule: a server ends sessions that are silent for long", most)
	}
	if t.SSID != 0 {
		bad("SSID", "must be 0 in twamp mode, where the server chooses a session identifier")
	}
	if t.Timestamp.Format != stamp.NTP {
		bad("TIMESTAMP", "must be ntp in twamp mode")
	}
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
