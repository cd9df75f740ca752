package bus

import (
	"cmp"
	"fmt"
	"strings"

	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// Settings are those of the bus. Put them into a service's own.
type Settings struct {
	URL   service.URL `env:"NATS_URL" default:"off: no bus" arg:"URL" group:"NATS" help:"NATS server to publish to, for instance nats://nats:4222; several with commas between them."`
	Creds string      `env:"NATS_CREDS" default:"none" arg:"FILE" group:"NATS" help:"Credentials file (JWT and key) of the NATS user."`
	NKey  string      `env:"NATS_NKEY" default:"none" arg:"FILE" group:"NATS" help:"File with the nkey seed of the NATS user."`
	Inbox string      `env:"NATS_INBOX" default:"the name's: _INBOX_NAME" arg:"SUBJECT" group:"NATS" help:"What the subjects of replies begin with, which the NATS user must be allowed to subscribe to. For instances of several names that share a user."`
	CA    string      `env:"NATS_CA" default:"the system's" arg:"FILE" group:"NATS" help:"Certificates that the NATS server's must be signed by; asks for TLS."`
	Cert  string      `env:"NATS_CERT" default:"none" arg:"FILE" group:"NATS" help:"Own certificate for TLS; needs the key as well."`
	Key   string      `env:"NATS_KEY" default:"none" arg:"FILE" group:"NATS" help:"Key of the own certificate."`

	Outbox     string        `env:"OUTBOX" default:"memory" arg:"FOLDER" group:"NATS" help:"Folder that keeps events until they are delivered, over crashes and restarts; one process at a time has it. Without it they are lost with the process. It needs -nats-url."`
	OutboxSize service.Bytes `env:"OUTBOX_SIZE" envDefault:"64MiB" arg:"SIZE" group:"NATS" help:"Room for events that are not delivered yet; when it is full the oldest are dropped, counted, and told of in an event."`
}

// Enabled tells whether there is a bus to connect to.
func (s Settings) Enabled() bool { return s.URL != "" }

// Check finds settings that do not go together.
func (s *Settings) Check() []service.Problem {
	var problems []service.Problem
	if s.Creds != "" && s.NKey != "" {
		problems = append(problems, service.Problem{Var: "NATS_NKEY", Msg: "must be empty when there is a credentials file: one user has one of them"})
	}
	if s.Inbox != "" && !isPlainSubject(s.Inbox) {
		problems = append(problems, service.Problem{Var: "NATS_INBOX", Msg: fmt.Sprintf("must be a subject without wildcards, such as _INBOX_reflectors, not %q", s.Inbox)})
	}
	if s.Cert != "" && s.Key == "" {
		problems = append(problems, service.Problem{Var: "NATS_KEY", Msg: "must be the key of the certificate"})
	}
	if s.Key != "" && s.Cert == "" {
		problems = append(problems, service.Problem{Var: "NATS_CERT", Msg: "must be the certificate of the key"})
	}
	if s.OutboxSize <= 0 {
		problems = append(problems, service.Problem{Var: "OUTBOX_SIZE", Msg: "must be above 0"})
	}
	return problems
}

// CheckOutbox finds an outbox that nothing would ever be delivered from. It is
// not a part of Check, after which a service may complete the URL.
func (s *Settings) CheckOutbox() []service.Problem {
	if s.Outbox == "" || s.Enabled() {
		return nil
	}
	return []service.Problem{{Var: "OUTBOX", Msg: "must be empty without -nats-url: there is nowhere to deliver the events to"}}
}

// isPlainSubject tells whether s is a subject of letters, digits, _ and - with
// dots between them.
func isPlainSubject(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if token != events.FitName(token) {
			return false
		}
	}
	return true
}

// inbox returns what the reply subjects of the instance name begin with.
func (s *Settings) inbox(name string) string { return cmp.Or(s.Inbox, "_INBOX_"+name) }
