package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"tinytwamp/services/reflector/internal/reflector"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
)

// Config holds the reflector's settings.
type Config struct {
	Listen         []Address               `env:"LISTEN" envDefault:"[::]:862,0.0.0.0:862" arg:"ADDRESSES" group:"Reflector" help:"UDP addresses to answer test packets on; port 862 where none is named."`
	Advertise      []Address               `env:"ADVERTISE" default:"none" arg:"ADDRESSES" group:"Reflector" help:"Addresses that probers see instead of this host's own, behind NAT: results of tests against them are heard, too."`
	Stateless      bool                    `env:"STATELESS" envDefault:"false" group:"Reflector" help:"Keep no sessions: replies take the sender's sequence number, so nobody can tell the direction of a loss."`
	SessionTable   int                     `env:"SESSION_TABLE" envDefault:"65536" arg:"N" group:"Reflector" help:"Most sessions kept at a time; in a full table a new one takes the place of one that is silent, or is answered without state."`
	Strict         bool                    `env:"STRICT" envDefault:"false" group:"Reflector" help:"Take all octets behind the base packet for TLVs (RFC 8972), never for padding."`
	HideLocation   bool                    `env:"HIDE_LOCATION" envDefault:"false" group:"Reflector" help:"Answer Location TLVs (RFC 8972) with zeros: senders do not learn at which address and port behind a NAT this reflector is."`
	Workers        int                     `env:"WORKERS" envDefault:"1" arg:"N" group:"Reflector" help:"Sockets for each address, each with a worker of its own (SO_REUSEPORT): as many as there are CPUs to give, where one is not enough."`
	Realtime       bool                    `env:"REALTIME" envDefault:"false" group:"Reflector" help:"Ask for real-time priority (SCHED_FIFO) for the threads that answer packets."`
	LogPackets     reflector.Logging       `env:"LOG_PACKETS" envDefault:"sampled" arg:"WHICH" group:"Reflector" help:"Test packets in the test log: off, sampled (one a second of each session) or all, up to a cap."`
	Allow          []netip.Prefix          `env:"ALLOW" default:"all" arg:"PREFIXES" group:"Guards" help:"Senders that are answered."`
	AllowSymmetric []netip.Prefix          `env:"ALLOW_SYMMETRIC" default:"none" arg:"PREFIXES" group:"Guards" help:"Senders that are answered although they send from port 862 or one that this reflector listens on; others are dropped as a loop between reflectors."`
	CoSAllow       []stamp.DSCP            `env:"COS_ALLOW" default:"all" arg:"DSCPS" group:"Guards" help:"Code points that a sender may have for its replies by a Class of Service TLV (RFC 8972), as numbers or names; where it asks for another, the reply has that of the request and says so."`
	Sessions       []reflector.Provisioned `env:"SESSIONS" default:"all" arg:"LIST" group:"Guards" help:"The only sessions that are answered (RFC 8972): each an SSID, decimal or with 0x, or SSID@PREFIX for those senders only. SSID 0: senders without one."`
	RateLimit      int                     `env:"RATE_LIMIT" envDefault:"0" arg:"N" group:"Guards" help:"Most packets a second that are answered of one source, an IPv4 address or an IPv6 /64, with bursts of a second's worth or 10. 0: no limit."`
	RateLimitTotal int                     `env:"RATE_LIMIT_TOTAL" envDefault:"0" arg:"N" group:"Guards" help:"Most packets a second that are answered of all sources, with bursts likewise. 0: no limit."`

	KeysFile             string         `env:"KEYS_FILE" default:"none" arg:"FILE" group:"Authentication" help:"Keys of STAMP's authenticated mode (RFC 8762), a line each: selector, space, key in hexadecimal digits. A selector is *, ssid:4660, an address or a prefix, and the first that fits a packet wins. With keys every packet must authenticate. SIGHUP reads the file anew."`
	AllowUnauthenticated []netip.Prefix `env:"ALLOW_UNAUTHENTICATED" default:"none" arg:"PREFIXES" group:"Authentication" help:"Senders that need not authenticate although there are keys."`
	ReplayWindow         time.Duration  `env:"REPLAY_WINDOW" envDefault:"0s" arg:"TIME" group:"Authentication" help:"How far the time in an authentic packet may be from this host's, so that none is answered twice: both clocks must agree to it. At most 7m; 0: packets may be of any time, and repeated. Without state only the time counts."`

	ControlListen                []Address           `env:"CONTROL_LISTEN" envDefault:"[::]:862,0.0.0.0:862" arg:"ADDRESSES" group:"TWAMP-Control" help:"TCP addresses to negotiate TWAMP test sessions on; port 862 where none is named. Where only -listen is given its addresses are taken. Empty: none is negotiated."`
	ControlModes                 []ControlMode       `env:"CONTROL_MODES" default:"none; with a passphrase file the other three" arg:"MODES" group:"TWAMP-Control" help:"Modes that clients may choose from: none, authenticated, encrypted and mixed (RFC 5618)."`
	PassphraseFile               string              `env:"PASSPHRASE_FILE" default:"none" arg:"FILE" group:"TWAMP-Control" help:"Passphrases of the protected modes, a line each: key id, space, passphrase. SIGHUP reads the file anew."`
	TestPorts                    reflector.PortRange `env:"TEST_PORTS" envDefault:"18760-19960" arg:"FIRST-LAST" group:"TWAMP-Control" help:"UDP ports of negotiated sessions that do not get the one that they would like."`
	ControlConnections           int                 `env:"CONTROL_CONNECTIONS" envDefault:"1024" arg:"N" group:"TWAMP-Control" help:"Most control connections at a time."`
	ControlConnectionsPerAddress int                 `env:"CONTROL_CONNECTIONS_PER_ADDRESS" envDefault:"64" arg:"N" group:"TWAMP-Control" help:"Most of them of one IPv4 address or IPv6 /64."`
	TestSessions                 int                 `env:"TEST_SESSIONS" envDefault:"1024" arg:"N" group:"TWAMP-Control" help:"Most negotiated sessions at a time. One on a port of its own has a socket and a thread."`
	TestSessionsPerAddress       int                 `env:"TEST_SESSIONS_PER_ADDRESS" envDefault:"256" arg:"N" group:"TWAMP-Control" help:"Most of them whose client is of one IPv4 address or IPv6 /64."`
	TestSessionsPerKey           int                 `env:"TEST_SESSIONS_PER_KEY" envDefault:"512" arg:"N" group:"TWAMP-Control" help:"Most of them with one key id, in the protected modes."`
	ServWait                     time.Duration       `env:"SERVWAIT" envDefault:"15m" arg:"TIME" group:"TWAMP-Control" help:"How long a client may be silent before its control connection is closed (RFC 5357)."`
	RefWait                      time.Duration       `env:"REFWAIT" envDefault:"15m" arg:"TIME" group:"TWAMP-Control" help:"How long a negotiated session may be without packets before it is ended (RFC 5357)."`
	StopGrace                    time.Duration       `env:"STOP_GRACE" envDefault:"5s" arg:"TIME" group:"TWAMP-Control" help:"How long negotiated sessions may go on when the reflector is told to end."`

	Bus    bus.Settings
	Common service.Settings
}

// maxReplayWindow is less than half as long as a session without packets is
// remembered: what a clock that is a window ahead sends is answered for two.
const maxReplayWindow = 7 * time.Minute

// maxRate is more packets/s than a reflector can answer.
const maxRate = 10_000_000

// Check finds settings that cannot work.
func (c *Config) Check() []service.Problem {
	problems := c.Bus.CheckOutbox()
	bad := func(variable, msg string) { problems = append(problems, service.Problem{Var: variable, Msg: msg}) }
	if len(c.Listen) == 0 {
		bad("LISTEN", "must name at least one address")
	}
	for i, a := range c.Listen {
		if slices.Contains(c.Listen[:i], a) {
			bad("LISTEN", fmt.Sprintf("must name each address once, not %v twice", a))
		}
	}
	if c.SessionTable < 1 || c.SessionTable > 1<<24 {
		bad("SESSION_TABLE", "must be between 1 and 16777216")
	}
	if c.RateLimit < 0 || c.RateLimit > maxRate {
		bad("RATE_LIMIT", fmt.Sprintf("must be between 0 and %d", maxRate))
	}
	if c.RateLimitTotal < 0 || c.RateLimitTotal > maxRate {
		bad("RATE_LIMIT_TOTAL", fmt.Sprintf("must be between 0 and %d", maxRate))
	}
	if c.Workers < 1 || c.Workers > 1024 {
		bad("WORKERS", "must be between 1 and 1024")
	}
	if _, err := readKeys(c.KeysFile, slog.New(slog.DiscardHandler)); err != nil { // whose warnings come at the start
		bad("KEYS_FILE", fmt.Sprintf("must name a file of keys that can be used: %v", err))
	}
	if len(c.AllowUnauthenticated) > 0 && c.KeysFile == "" {
		bad("ALLOW_UNAUTHENTICATED", "must be empty without a -keys-file: nobody has to authenticate then, and -allow says who is answered")
	}
	if c.ReplayWindow < 0 || c.ReplayWindow > maxReplayWindow {
		bad("REPLAY_WINDOW", "must be between 0s and 7m")
	}
	if c.ReplayWindow > 0 && c.KeysFile == "" {
		bad("REPLAY_WINDOW", "must be 0 without a -keys-file: what is not authenticated can tell any time")
	}
	return append(problems, c.checkControl()...)
}

// defaultListen is the default of Listen and ControlListen, which need not work as a whole.
var defaultListen = []Address{
	{netip.AddrPortFrom(netip.IPv6Unspecified(), stamp.Port)},
	{netip.AddrPortFrom(netip.IPv4Unspecified(), stamp.Port)},
}

func (c *Config) listenNamed() bool { return !slices.Equal(c.Listen, defaultListen) }

// Address is an IP address and a port, 862 unless named.
type Address struct{ netip.AddrPort }

// UnmarshalText reads ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT.
func (a *Address) UnmarshalText(text []byte) error {
	s := string(text)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		a.AddrPort = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
		return nil
	}
	if n := len(s); n > 2 && s[0] == '[' && s[n-1] == ']' {
		s = s[1 : n-1]
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return errors.New("must be IP addresses, each with or without a port, for instance [::]:862 or 192.0.2.1")
	}
	a.AddrPort = netip.AddrPortFrom(ip.Unmap(), stamp.Port)
	return nil
}

func plain(addrs []Address) []netip.AddrPort {
	var p []netip.AddrPort
	for _, a := range addrs {
		p = append(p, a.AddrPort)
	}
	return p
}
