package main

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/service"
	"tinytwamp/shared/stamp"
	"tinytwamp/shared/udp"
)

const (
	oldKey = "0f0e0d0c0b0a09080706050403020100"
	newKey = "ff0e0d0c0b0a09080706050403020100"
)

// secretFile writes a file that only its owner may read.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asker sends authenticated test packets from one socket.
type asker struct {
	*testing.T
	to   netip.AddrPort
	conn *udp.Conn
}

func newAsker(t *testing.T, to netip.AddrPort) *asker {
	t.Helper()
	c, err := udp.Listen(udp.Config{Local: netip.MustParseAddrPort("[::1]:0")})
	if err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(deadline, func() { c.Close() })
	t.Cleanup(func() {
		timeout.Stop()
		c.Close()
	})
	return &asker{t, to, c}
}

func (a *asker) send(mac *stamp.MAC, sequence uint32) {
	a.Helper()
	b := stamp.SenderPacket{Sequence: sequence, SSID: 1, Timestamp: 1, ErrorEstimate: 1}.AppendAuthenticated(nil)
	mac.Seal(b)
	if _, err := a.conn.Write([]udp.Message{{Buf: b, N: len(b), Peer: a.to}}); err != nil {
		a.Fatal(err)
	}
}

// reply waits for a reply, which must be of the key, and gives the number of
// its request.
func (a *asker) reply(mac *stamp.MAC) uint32 {
	a.Helper()
	ms := []udp.Message{{Buf: make([]byte, 2048)}}
	if _, _, err := a.conn.Read(ms, nil); err != nil {
		a.Fatalf("no reply: %v", err)
	}
	var p stamp.ReflectorPacket
	if err := p.UnmarshalAuthenticated(ms[0].Buf[:ms[0].N]); err != nil || !mac.Verify(ms[0].Buf[:ms[0].N]) {
		a.Fatalf("the reply does not verify (%v)", err)
	}
	return p.SenderSequence
}

// SIGHUP changes the keys at once, and a bad file changes nothing. It has the
// log file opened anew.
func TestHangup(t *testing.T) {
	file, logFile := secretFile(t, "* "+oldKey), filepath.Join(t.TempDir(), "test.log")
	at := freeUDP(t)
	i := launch(t, "-listen", at.String(), "-keys-file", file, "-log-file", logFile)
	i.line(i.stderr, "listening")
	before, after := macOf(t, oldKey), macOf(t, newKey)
	a := newAsker(t, at)
	a.send(after, 1)
	a.send(before, 2)
	if got := a.reply(before); got != 2 {
		t.Errorf("packet %d is answered", got)
	}

	hangup := func(want string) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		i.line(i.stderr, want)
	}
	rewrite(t, file, "* "+newKey+"\n* "+newKey)
	hangup("the keys stay as they were")
	a.send(before, 3)
	if got := a.reply(before); got != 3 {
		t.Errorf("packet %d is answered", got)
	}

	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) { // the line comes beside the reply
		b, err := os.ReadFile(logFile)
		if strings.Contains(string(b), "Session opened with") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the log file holds %q (%v)", b, err)
		}
	}
	if err := os.Rename(logFile, logFile+".1"); err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, "* "+newKey)
	hangup("keys read anew")
	a.send(before, 4)
	a.send(after, 5)
	if got := a.reply(after); got != 5 {
		t.Errorf("packet %d is answered", got)
	}
	i.terminate(service.ExitOK)
	for path, want := range map[string]string{logFile + ".1": "Session opened with", logFile: "Session with [::1] ended"} {
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s holds %q (%v)", path, b, err)
		}
	}
}

func macOf(t *testing.T, digits string) *stamp.MAC {
	t.Helper()
	key, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return stamp.NewMAC(key)
}

// A file of keys that cannot be used ends the reflector with a sentence, which
// does not tell a key.
func TestBadKeyFile(t *testing.T) {
	t.Parallel()
	loose := secretFile(t, "* "+oldKey)
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	const start = "TWAMP_KEYS_FILE (-keys-file) must name a file of keys that can be used: "
	for want, args := range map[string][]string{
		start + "cannot read secret: open /nowhere/keys: no such file or directory":                                                    {"-keys-file", "/nowhere/keys"},
		start + "secret file " + loose + " is readable by everybody: run chmod 600":                                                    {"-keys-file", loose},
		start + "stamp: key file: there is no key in it":                                                                               {"-keys-file", secretFile(t, "# none yet\n")},
		start + "stamp: key file: line 1: the selector must be *, ssid: and a number, an address or a prefix; line 3: the key must be": {"-keys-file", secretFile(t, oldKey+" *\n\n* "+oldKey[1:])},
		"TWAMP_REPLAY_WINDOW (-replay-window) must be 0 without a -keys-file":                                                          {"-replay-window", "1s"},
		"TWAMP_ALLOW_UNAUTHENTICATED (-allow-unauthenticated) must be empty without a -keys-file":                                      {"-allow-unauthenticated", "::1/128"},
		"TWAMP_REPLAY_WINDOW (-replay-window) must be between 0s and 7m":                                                               {"-replay-window", "7m1s", "-keys-file", secretFile(t, "* "+oldKey)},
	} {
		exit, stdout, stderr := once(t, nil, args...)
		if exit != service.ExitUsage || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, oldKey[1:]) {
			t.Errorf("exit %d\n got %s\nwant %s", exit, stderr, want)
		}
	}
}
