package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"tinytwamp/shared/events"
)

const (
	reflector   = "reflector"
	prober      = "prober"
	logger      = "logger"
	initialiser = "init"
)

var roles = []string{reflector, prober, logger, initialiser}

// user is one that the server lets in.
type user struct {
	role   string
	name   string // of the instance, as in its subjects; a logger's consumer has it, too
	public string // key
}

// parseUser reads ROLE or ROLE-NAME.
func parseUser(s string) (user, error) {
	role, name, named := strings.Cut(s, "-")
	if !named {
		name = role
	}
	if !slices.Contains(roles, role) {
		return user{}, fmt.Errorf("%q is no user: name a role (%s), or a role and an instance such as reflector-paris", s, strings.Join(roles, ", "))
	}
	if name != events.FitName(name) {
		return user{}, fmt.Errorf("%q is no user: the name of an instance is letters, digits, _ and -, at most 63", s)
	}
	return user{role: role, name: name}, nil
}

// id is what stands in file names.
func (u user) id() string {
	if u.name == u.role {
		return u.role
	}
	return u.role + "-" + u.name
}

// permissions are the subjects that a user may publish and subscribe to:
// nothing else.
type permissions struct{ publish, subscribe []string }

// permissions returns what a user needs. loggers are the names of all of them,
// whose consumers init makes. A shared reflector or prober has many names.
func (u user) permissions(loggers []string, shared bool) permissions {
	name := u.name
	if shared {
		name = "*"
	}
	p := permissions{subscribe: []string{"_INBOX_" + u.name + ".>"}}
	switch u.role {
	case reflector:
		p.publish = []string{events.TypeLog + "." + name}
		// The results of tests against its addresses, which the server does not
		// know: to have no others, put these in the place of the last *.
		p.subscribe = append(p.subscribe, events.TypeRTT+".*.*.*")
	case prober:
		p.publish = []string{events.TypeLog + "." + name, events.TypeRTT + "." + name + ".*.*"}
	case logger:
		// By the first, and what it subscribes to, loggers of one consumer notice
		// each other; in its test log it tells of dead letters that were lost.
		claim := "twamp.consumer." + u.name + ".>"
		p.subscribe = append(p.subscribe, claim)
		p.publish = []string{
			claim,
			events.TypeLog + "." + u.name,
			events.TypeDeadLetter + "." + u.name,
			api("STREAM.INFO"),
			api("CONSUMER.INFO") + "." + u.name,
			api("CONSUMER.MSG.NEXT") + "." + u.name,
			"$JS.ACK." + events.StreamName + "." + u.name + ".>",
		}
	case initialiser:
		p.publish = []string{api("STREAM.INFO"), api("STREAM.CREATE")}
		for _, l := range loggers {
			p.publish = append(p.publish, api("CONSUMER.INFO")+"."+l, api("CONSUMER.CREATE")+"."+l)
		}
	}
	return p
}

// api is the subject of a request to JetStream about our stream.
func api(request string) string { return "$JS.API." + request + "." + events.StreamName }

const confHead = `# Who may do what: the users of NATS by their public keys. There is no secret
# in it. Made by "make credentials", which keeps a file that was changed by hand.
`

// conf returns the server's configuration of users.
func conf(users []user, shared bool) string {
	var loggers []string
	for _, u := range users {
		if u.role == logger {
			loggers = append(loggers, u.name)
		}
	}
	var b strings.Builder
	b.WriteString("authorization {\n  users = [\n")
	for _, u := range users {
		p := u.permissions(loggers, shared)
		fmt.Fprintf(&b, "    { # %s\n      nkey: %s\n      permissions {\n", u.id(), u.public)
		fmt.Fprintf(&b, "        publish: %s\n        subscribe: %s\n      }\n    }\n", list(p.publish), list(p.subscribe))
	}
	b.WriteString("  ]\n}\n")
	body := b.String()
	return confHead + sumLine(body) + body
}

func list(subjects []string) string {
	var b strings.Builder
	b.WriteString("[\n")
	for _, s := range subjects {
		fmt.Fprintf(&b, "          %q\n", s)
	}
	b.WriteString("        ]")
	return b.String()
}

const sumPrefix = "# sum: "

// sumLine is by which a file that was changed by hand is told.
func sumLine(body string) string {
	sum := sha256.Sum256([]byte(body))
	return sumPrefix + hex.EncodeToString(sum[:8]) + "\n\n"
}

// untouched tells whether a file is as it was made here.
func untouched(text string) bool {
	_, rest, ok := strings.Cut(text, sumPrefix)
	_, body, cut := strings.Cut(rest, "\n\n")
	return ok && cut && strings.Contains(text, sumLine(body)+body)
}
