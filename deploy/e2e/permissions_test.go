package e2e

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"tinytwamp/shared/events"
)

// TestServicesUnderTheirPermissions runs the services against the server of
// docker-compose.yml: what they are allowed is enough for all that they do.
func TestServicesUnderTheirPermissions(t *testing.T) {
	credentials := makeCredentials(t)
	url := startNATS(t, filepath.Join(credentials, "users.conf"))
	as := func(name string, args ...string) []string {
		return append([]string{"-name", name, "-nats-url", url, "-nats-nkey", seedFile(credentials, name)}, args...)
	}
	for range 2 { // the second finds what the first has made
		if code, log := finish(t, "logger", as("init", "-init")...); code != 0 {
			t.Fatalf("init ended with code %d:\n%s", code, log)
		}
	}
	data, reflector := t.TempDir(), freeUDP(t)
	daemons := []*daemon{
		start(t, "logger", as("logger", "-data", data)...),
		start(t, "reflector", as("reflector", "-listen", reflector, "-log-packets", "all")...),
	}
	for _, d := range daemons {
		d.says("connected to nats")
	}
	probed := false
	await(t, "a test", func() bool { // the reflector is not ready before it says so, which it does not
		code, log := finish(t, "prober", as("prober", "-count", "3", "-interval", "10ms", "-timeout", "500ms", reflector)...)
		refuseRefusals(t, log)
		if code != 0 && code != 69 {
			t.Fatalf("the prober ended with code %d:\n%s", code, log)
		}
		probed = probed || code == 0
		return probed
	})
	// What the logger cannot read goes to its dead letters.
	junk := login(t, url, seedFile(credentials, "prober"), func(err error) { t.Error(err) })
	if err := junk.Publish("twamp.v1.log.prober", []byte("no event")); err != nil {
		t.Fatal(err)
	}
	if err := junk.Flush(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`"subject":"twamp\.v1\.rtt\.prober\.`, `"subject":"twamp\.v1\.log\.prober"`, `"subject":"twamp\.v1\.log\.reflector"`,
		`"subject":"twamp\.v1\.log\.reflector".*` + string(events.ResultReceived), `"subject":"twamp\.v1\.dlq\.logger"`,
	}
	await(t, "events of all kinds in the logger's files", func() bool {
		kept := files(t, data)
		return !slices.ContainsFunc(want, func(w string) bool { return !regexp.MustCompile(w).MatchString(kept) })
	})
	for _, d := range daemons {
		refuseRefusals(t, d.log())
	}
}

func refuseRefusals(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, "does not allow") || strings.Contains(strings.ToLower(log), "violation") {
		t.Errorf("NATS has refused something:\n%s", log)
	}
}

// files returns what the logger has in its files.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	paths, _ := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

func seedFile(credentials, user string) string { return filepath.Join(credentials, user+".nk") }

// TestEmbeddedServerTakesTheSameUsers: users.conf is an authorization file of
// the logger's own server as well.
func TestEmbeddedServerTakesTheSameUsers(t *testing.T) {
	credentials := makeCredentials(t)
	url := "nats://" + freeAddress(t)
	logger := start(t, "logger", "-name", "logger", "-nats-embedded", filepath.Join(t.TempDir(), "store"), "-data", t.TempDir(),
		"-nats-url", url, "-nats-auth-file", filepath.Join(credentials, "users.conf"))
	logger.says("taking events from the stream")
	// Nobody answers, but its event is delivered: else it would be 75.
	code, log := finish(t, "prober", "-name", "prober", "-count", "1", "-timeout", "10ms", "-nats-url", url, "-nats-nkey", seedFile(credentials, "prober"), freeUDP(t))
	if code != 69 || strings.Contains(log, "lost") {
		t.Errorf("code %d, want 69:\n%s", code, log)
	}
	refuseRefusals(t, log)
	code, log = finish(t, "prober", "-name", "prober", "-count", "1", "-timeout", "10ms", "-nats-url", url, freeUDP(t))
	if !strings.Contains(log, "Authorization") {
		t.Errorf("somebody without a key was let in: code %d\n%s", code, log)
	}
}

// Subjects that somebody might try, and what they stand for.
var (
	token       = events.AddressToken(netip.MustParseAddrPort("[fd5d:8c1f:e2a7:1::862]:862"))
	toPublish   = subjectsToPublish()
	toSubscribe = []string{
		">", "twamp.>", "twamp.v1.>", "twamp.v1.log.>", "twamp.v1.log.prober", "twamp.v1.rtt.>", "twamp.v1.dlq.>", "twamp.v1.*.*",
		"twamp.v1.rtt.*.*." + token, "_INBOX.>", "*.>", "$JS.>", "$JS.API.>", "$JS.ACK.>", "$JS.EVENT.ADVISORY.>", "$SYS.>",
		"_INBOX_reflector.>", "_INBOX_prober.>", "_INBOX_logger.>", "_INBOX_init.>", "_INBOX_paris.>", "_INBOX_reflector.abc.*",
		"twamp.consumer.>", "twamp.consumer.logger.ask", "twamp.consumer.logger.answer", "twamp.consumer.other.ask",
	}
)

func subjectsToPublish() []string {
	list := []string{
		"twamp.v1.other.prober", "other", "$SYS.REQ.SERVER.PING", "$JS.API.INFO",
		"$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.OTHER", "$JS.API.DIRECT.GET.TWAMP.twamp.v1.log.prober",
		"$JS.API.CONSUMER.CREATE.TWAMP", "$JS.API.CONSUMER.CREATE.TWAMP.logger.twamp.v1.log.prober", "$JS.API.META.LEADER.STEPDOWN",
	}
	for _, name := range []string{"reflector", "prober", "logger", "init", "paris"} {
		list = append(list, "twamp.v1.log."+name, "twamp.v1.dlq."+name, "twamp.v1.rtt."+name+".target."+token, "_INBOX_"+name+".abc")
	}
	for _, request := range []string{"INFO", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN"} {
		list = append(list, "$JS.API.STREAM."+request+".TWAMP")
	}
	for _, consumer := range []string{"logger", "other"} {
		for _, request := range []string{"INFO", "CREATE", "DURABLE.CREATE", "DELETE", "MSG.NEXT", "PAUSE", "LEADER.STEPDOWN"} {
			list = append(list, "$JS.API.CONSUMER."+request+".TWAMP."+consumer)
		}
		list = append(list, "twamp.consumer."+consumer+".ask", "twamp.consumer."+consumer+".answer", "$JS.ACK.TWAMP."+consumer+".1.1.1.1764000000000000000.0")
	}
	return list
}

// may is what a user is allowed of these subjects; all others are refused.
type may struct{ publish, subscribe []string }

var allowed = map[string]may{
	"reflector": {
		publish:   []string{"twamp.v1.log.reflector"},
		subscribe: []string{"twamp.v1.rtt.*.*." + token, "_INBOX_reflector.>", "_INBOX_reflector.abc.*"},
	},
	"prober": {
		publish:   []string{"twamp.v1.log.prober", "twamp.v1.rtt.prober.target." + token},
		subscribe: []string{"_INBOX_prober.>"},
	},
	"logger": {
		publish: []string{
			"twamp.v1.log.logger", "twamp.v1.dlq.logger", "$JS.API.STREAM.INFO.TWAMP", "$JS.API.CONSUMER.INFO.TWAMP.logger", "$JS.API.CONSUMER.MSG.NEXT.TWAMP.logger",
			"$JS.ACK.TWAMP.logger.1.1.1.1764000000000000000.0", "twamp.consumer.logger.ask", "twamp.consumer.logger.answer",
		},
		subscribe: []string{"_INBOX_logger.>", "twamp.consumer.logger.ask", "twamp.consumer.logger.answer"},
	},
	"init": {
		publish: []string{
			"$JS.API.STREAM.INFO.TWAMP", "$JS.API.STREAM.CREATE.TWAMP", "$JS.API.CONSUMER.INFO.TWAMP.logger", "$JS.API.CONSUMER.CREATE.TWAMP.logger",
		},
		subscribe: []string{"_INBOX_init.>"},
	},
}

// TestForbiddenSubjects tries each subject as each user.
func TestForbiddenSubjects(t *testing.T) {
	credentials := makeCredentials(t)
	testForbidden(t, credentials, "users.conf", allowed)
}

// TestForbiddenSubjectsOfSharedUsers: users of many names have more, but neither
// each other's work nor the stream.
func TestForbiddenSubjectsOfSharedUsers(t *testing.T) {
	credentials := makeCredentials(t)
	shared := maps.Clone(allowed)
	names := func(prefix, suffix string) (list []string) {
		for _, name := range []string{"reflector", "prober", "logger", "init", "paris"} {
			list = append(list, prefix+name+suffix)
		}
		return list
	}
	shared["reflector"] = may{names("twamp.v1.log.", ""), allowed["reflector"].subscribe}
	shared["prober"] = may{append(names("twamp.v1.log.", ""), names("twamp.v1.rtt.", ".target."+token)...), allowed["prober"].subscribe}
	url := testForbidden(t, credentials, "users-shared.conf", shared)

	if code, log := finish(t, "logger", "-init", "-name", "init", "-nats-url", url, "-nats-nkey", seedFile(credentials, "init")); code != 0 {
		t.Fatalf("init ended with code %d:\n%s", code, log)
	}
	code, log := finish(t, "prober", "-name", "pod-17", "-nats-inbox", "_INBOX_prober", "-count", "1", "-timeout", "10ms",
		"-nats-url", url, "-nats-nkey", seedFile(credentials, "prober"), freeUDP(t))
	if code != 69 || strings.Contains(log, "lost") { // nobody answers, but its events are delivered
		t.Errorf("a pod's prober: code %d, want 69:\n%s", code, log)
	}
	refuseRefusals(t, log)
}

func testForbidden(t *testing.T, credentials, conf string, allowed map[string]may) (url string) {
	t.Helper()
	url = startNATS(t, filepath.Join(credentials, conf))
	for user, may := range allowed {
		t.Run(user, func(t *testing.T) {
			want := slices.Concat(
				without("Publish", toPublish, may.publish), without("Subscription", toSubscribe, may.subscribe))
			got := refusals(t, url, seedFile(credentials, user))
			slices.Sort(want)
			slices.Sort(got)
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("not refused: %s", w)
				}
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Errorf("refused: %s", g)
				}
			}
		})
	}
	if _, err := nats.Connect(url); err == nil {
		t.Error("somebody without a key was let in")
	}
	return url
}

// without returns the actions on those subjects that are not allowed.
func without(action string, all, allowed []string) (list []string) {
	for _, a := range allowed {
		if !slices.Contains(all, a) {
			panic("nobody tries " + a)
		}
	}
	for _, s := range all {
		if !slices.Contains(allowed, s) {
			list = append(list, fmt.Sprintf("%s %q", action, s))
		}
	}
	return list
}

var refusal = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to ("[^"]*")`)

// refusals tries all subjects, and returns what the server refuses.
func refusals(t *testing.T, url, file string) []string {
	t.Helper()
	var mu sync.Mutex
	var got []string
	nc := login(t, url, file, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if m := refusal.FindStringSubmatch(err.Error()); m != nil {
			got = append(got, m[1]+" "+m[2])
		}
	})
	for _, s := range toPublish {
		if err := nc.PublishRequest(s, "_INBOX_nobody", nil); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	for _, s := range toSubscribe {
		if _, err := nc.SubscribeSync(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	// The server answers in order; a last refusal tells that all others are here.
	const last = "the.last"
	if err := nc.Publish(last, nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the last refusal", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(got, `Publish "`+last+`"`)
	})
	mu.Lock()
	defer mu.Unlock()
	return slices.DeleteFunc(got, func(g string) bool { return strings.Contains(g, last) })
}

// TestWrongCredentials: what a person reads who has mixed something up.
func TestWrongCredentials(t *testing.T) {
	credentials, others := makeCredentials(t), makeCredentials(t)
	url := startNATS(t, filepath.Join(credentials, "users.conf"))
	public := regexp.MustCompile(`nkey: (U\w+)`)
	conf, err := os.ReadFile(filepath.Join(credentials, "users.conf"))
	if err != nil {
		t.Fatal(err)
	}
	keys := public.FindAllStringSubmatch(string(conf), -1) // in the order of the files: init, logger, prober, reflector

	t.Run("a key that the server does not know", func(t *testing.T) {
		start(t, "reflector", "-name", "reflector", "-listen", freeUDP(t), "-nats-url", url, "-nats-nkey", seedFile(others, "reflector")).
			says("cannot connect to nats", "Authorization", `"user":"U`)
	})
	t.Run("another name than the user's", func(t *testing.T) {
		address := freeUDP(t)
		d := start(t, "reflector", "-name", "berlin", "-listen", address, "-nats-url", url, "-nats-nkey", seedFile(credentials, "reflector"))
		d.says("connected to nats")
		await(t, "a test, which is an event", func() bool {
			code, _ := finish(t, "prober", "-count", "1", "-timeout", "500ms", address)
			return code == 0
		})
		d.says(`"level":"ERROR"`, "nats does not allow", "_INBOX_berlin.", keys[3][1])
		d.says(`"level":"ERROR"`, "nats does not allow", `"subject":"twamp.v1.log.berlin"`, keys[3][1])
	})
	t.Run("another service's key", func(t *testing.T) {
		start(t, "logger", "-name", "logger", "-data", t.TempDir(), "-nats-url", url, "-nats-nkey", seedFile(credentials, "prober")).
			says(`"level":"ERROR"`, "nats does not allow", "_INBOX_logger.", keys[2][1])
	})
	t.Run("no key", func(t *testing.T) {
		code, log := finish(t, "prober", "-count", "1", "-nats-url", url, "-nats-nkey", seedFile(credentials, "nobody"), freeUDP(t))
		if code == 0 || !strings.Contains(log, "nobody.nk") {
			t.Errorf("code %d:\n%s", code, log)
		}
	})
}
