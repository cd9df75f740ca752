package bus_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/bus/bustest"
	"tinytwamp/shared/events"
)

// restricted adds a user who may do everything but publish on a subject, and
// one who may do everything.
func restricted(subject string) func(*server.Options) {
	return func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "p1", Password: "geheim", Permissions: &server.Permissions{
				Publish:   &server.SubjectPermission{Allow: []string{">"}, Deny: []string{subject}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_p1.>"}},
			}},
			{Username: "admin", Password: "geheim"},
		}
	}
}

// as returns the server's URL with a user in it.
func as(s *bustest.Server, user string) string {
	return strings.Replace(s.URL(), "://", "://"+user+":geheim@", 1)
}

// A publish that the server refuses is nothing but a missing acknowledgement to
// the publisher. The log says what and who is refused, and the event is kept.
func TestPermissionErrorsAreVisible(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	denied := event(t, "denied")
	s := bustest.NewServer(t, restricted(denied.Subject))
	if err := connect(t, as(s, "admin"), "admin", newLines()).Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	c := connect(t, as(s, "p1"), "p1", log)
	p := publisher(t, c, settings(""), log)
	p.Publish(denied)
	log.await(ctx, t, "level=ERROR", "does not allow", denied.Subject, "user=p1", "action=Publish")
	if _, err := c.Subscribe("not.mine", func(string, []byte) {}); err != nil {
		t.Fatal(err)
	}
	log.await(ctx, t, "level=ERROR", "does not allow", "subject=not.mine", "user=p1", "action=Subscription")
	// What is allowed goes through beside it.
	p.Publish(events.Encoded{ID: "allowed", Subject: "twamp.v1.log.other", Body: []byte("{}")})
	for p.Stats().Acknowledged == 0 {
		select {
		case <-ctx.Done():
			t.Fatal("nothing was acknowledged")
		case <-time.After(time.Millisecond):
		}
	}
	if p.Stats().Pending != 1 {
		t.Errorf("stats are %+v", p.Stats())
	}
	if strings.Contains(log.String(), "geheim") {
		t.Errorf("the password is in the log:\n%s", log)
	}
}

// Instances of several names can share a user, who is allowed one inbox.
func TestInboxOfSharedUser(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t, restricted("x"))
	if err := connect(t, as(s, "admin"), "admin", newLines()).Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
		t.Fatal(err)
	}
	shared := settings(as(s, "p1")) // who may subscribe to _INBOX_p1.>
	shared.Inbox = "_INBOX_p1.pod"
	c, err := bus.Connect(shared, "pod-17", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := publisher(t, c, settings(""), log)
	p.Publish(event(t, "one"))
	if left := p.Drain(ctx); left != 0 {
		t.Errorf("%d events were not acknowledged:\n%s", left, log)
	}
}

// A wrong password is no reason to give up: somebody may put it right.
func TestWrongPasswordIsTriedAgain(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t, restricted("x"))
	c := connect(t, strings.Replace(as(s, "p1"), "geheim", "falsch", 1), "p1", log)
	log.await(ctx, t, "cannot connect to nats", "user=p1", "Authorization")
	short, cancel := context.WithTimeout(ctx, 4*time.Second) // three tries; nats.go gives up after two
	defer cancel()
	if _, err := c.Consumer(short, "logger"); err == nil || !strings.Contains(err.Error(), "no connection to NATS") {
		t.Errorf("error is %v", err)
	}
	if strings.Contains(log.String(), "falsch") {
		t.Errorf("the password is in the log:\n%s", log)
	}
}

func TestSubscribeSurvivesRestart(t *testing.T) {
	t.Parallel()
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t)
	got := make(chan string, 1000)
	c := connect(t, s.URL(), "reflector", log)
	cancel, err := c.Subscribe("twamp.v1.rtt.*.*.x", func(subject string, body []byte) { got <- subject + " " + string(body) })
	if err != nil {
		t.Fatal(err)
	}
	s.Restart()
	pub := initialized(t, s, "p1", log)
	p := publisher(t, pub, settings(""), log)
	// The subscription is back at a moment that nobody tells us: publish until it is.
	for n := 0; ; n++ {
		p.Publish(events.Encoded{ID: fmt.Sprint("id", n), Subject: "twamp.v1.rtt.a.b.x", Body: []byte("result")})
		select {
		case m := <-got:
			if m != "twamp.v1.rtt.a.b.x result" {
				t.Errorf("got %q", m)
			}
			cancel()
			return
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("nothing came after the restart")
		}
	}
}

// Users of all kinds get in, and the log knows them by name.
func TestNKeyAndCredentials(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	userSeed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	nkeyFile, credsFile := filepath.Join(dir, "nkey"), filepath.Join(dir, "creds")
	if err := os.WriteFile(nkeyFile, userSeed, 0o600); err != nil {
		t.Fatal(err)
	}
	s := bustest.NewServer(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
	log := newLines()
	with := settings(s.URL())
	with.NKey = nkeyFile
	c, err := bus.Connect(with, "p1", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	log.await(ctx, t, "connected to nats", "user="+public)

	// The server takes no JWT: what shows is that we know who we say we are.
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public)
	claims.Name = "reflector-a"
	token, err := claims.Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(token, userSeed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(credsFile, creds, 0o600); err != nil {
		t.Fatal(err)
	}
	with.NKey, with.Creds = "", credsFile
	log = newLines()
	c2, err := bus.Connect(with, "p1", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Close()
	log.await(ctx, t, "cannot connect to nats", "user=reflector-a")
	if strings.Contains(log.String(), string(userSeed)) || strings.Contains(log.String(), token) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

// Everything that was started ends with Close, also in the middle of an outage.
func TestNothingIsLeftRunning(t *testing.T) {
	ctx, log := testContext(t), newLines()
	s := bustest.NewServer(t)
	work := func(outage bool) {
		c, err := bus.Connect(settings(s.URL()), "p1", log.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Init(ctx, bus.StreamConfig{}, bus.ConsumerConfig{Durable: "logger"}); err != nil {
			t.Fatal(err)
		}
		p, err := bus.NewPublisher(c, settings(""), log.logger())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		k, err := c.Consumer(ctx, "logger")
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if _, err := c.Subscribe("x", func(string, []byte) {}); err != nil {
			t.Fatal(err)
		}
		p.Publish(event(t, "x"))
		if _, err := k.Next(ctx); err != nil {
			t.Fatal(err)
		}
		if outage {
			s.Stop()
			p.Publish(event(t, "left"))
		}
	}
	s.Stop()
	quiet := runtime.NumGoroutine()
	for _, outage := range []bool{false, true} {
		s.Restart()
		work(outage)
		s.Stop()
		for runtime.NumGoroutine() > quiet {
			select {
			case <-ctx.Done():
				stacks := make([]byte, 1<<20)
				t.Fatalf("outage %v: %d goroutines, before %d\n%s", outage, runtime.NumGoroutine(), quiet, stacks[:runtime.Stack(stacks, true)])
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func TestConnectRejectsBadSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const url = "nats://someone:geheim@127.0.0.1:4222"
	with := func(change func(*bus.Settings)) bus.Settings {
		s := settings(url)
		change(&s)
		return s
	}
	for name, s := range map[string]bus.Settings{
		"no URL":            settings(""),
		"bad URL":           settings("nats://someone:geheim@127.0.0.1:port"),
		"a space in it":     settings("nats://someone:geheim @host:1"),
		"bad scheme":        settings("http://someone:geheim@127.0.0.1:4222"),
		"creds missing":     with(func(s *bus.Settings) { s.Creds = filepath.Join(dir, "none") }),
		"creds are not":     with(func(s *bus.Settings) { s.Creds = file("creds", "x", 0o600) }),
		"nkey is not":       with(func(s *bus.Settings) { s.NKey = file("nkey", "x", 0o600) }),
		"CA missing":        with(func(s *bus.Settings) { s.CA = filepath.Join(dir, "none") }),
		"CA is not":         with(func(s *bus.Settings) { s.CA = file("ca", "x", 0o600) }),
		"cert without key":  with(func(s *bus.Settings) { s.Cert = "x" }),
		"key without cert":  with(func(s *bus.Settings) { s.Key = "x" }),
		"wildcard inbox":    with(func(s *bus.Settings) { s.Inbox = "_INBOX.*" }),
		"creds and nkey":    with(func(s *bus.Settings) { s.Creds, s.NKey = "x", "y" }),
		"cert is not":       with(func(s *bus.Settings) { s.Cert, s.Key = file("cert", "x", 0o600), file("key", "x", 0o600) }),
		"no room":           with(func(s *bus.Settings) { s.OutboxSize = 0 }),
		"nkey open for all": with(func(s *bus.Settings) { s.NKey = file("open", string(seed(t)), 0o644) }),
	} {
		c, err := bus.Connect(s, "p1", newLines().logger())
		if err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "bus: ") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: error is %q", name, err)
		}
	}
}

func seed(t *testing.T) []byte {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return seed
}
