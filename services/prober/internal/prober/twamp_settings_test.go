package prober

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tinytwamp/shared/stamp"
	"tinytwamp/shared/twamp"
)

// passphraseFile writes one for twamp mode.
func passphraseFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passphrases")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Settings of twamp mode that do not go together, and settings of other modes
// that do not go with it, each with what is said of them.
func TestTWAMPSettings(t *testing.T) {
	one := passphraseFile(t, "joe open sesame\n")
	two := passphraseFile(t, "joe open sesame\nann close sesame\n")
	stampKeys := passphraseFile(t, "* "+strings.Repeat("ab", 16)+"\n")
	for name, c := range map[string]struct {
		how  Test
		want string // in the first problem; empty: there is none
	}{
		"open":                     {Test{}, ""},
		"key id of one":            {Test{KeyFile: one}, ""},
		"key id of several":        {Test{KeyFile: two, KeyID: "ann"}, ""},
		"key id not told":          {Test{KeyFile: two}, "KEY_ID must be given where the key file has several"},
		"key id unknown":           {Test{KeyFile: two, KeyID: "eve"}, "KEY_ID must be one of the key file's"},
		"key id without file":      {Test{KeyID: "joe"}, "KEY_FILE must be given"},
		"protection without file":  {Test{Auth: Mixed}, "KEY_FILE must be given"},
		"STAMP's keys":             {Test{KeyFile: stampKeys, KeyID: "joe"}, "KEY_ID must be one"},
		"encrypted":                {Test{Auth: Encrypted, KeyFile: one}, ""},
		"STAMP, encrypted":         {Test{Mode: ModeSTAMP, Auth: Encrypted, KeyFile: one}, "AUTH must be none or authenticated but in twamp mode"},
		"light, mixed":             {Test{Mode: ModeLight, Auth: Mixed, KeyFile: one}, "AUTH must be none or authenticated but in twamp mode"},
		"STAMP, key id":            {Test{Mode: ModeSTAMP, KeyFile: stampKeys, KeyID: "joe"}, "KEY_ID must be empty but in twamp mode"},
		"STAMP with passphrases":   {Test{Mode: ModeSTAMP, KeyFile: one}, "KEY_FILE must be a good key file"},
		"SSID":                     {Test{SSID: 1}, "SSID must be 0 in twamp mode"},
		"TLVs":                     {Test{TLV: TLVs{Location: true}}, "TLV must be empty but in stamp mode"},
		"PTP":                      {Test{Timestamp: Format{stamp.PTP}}, "TIMESTAMP must be ntp in twamp mode"},
		"shortest":                 {Test{Size: 14}, ""},
		"too short":                {Test{Size: 13}, "SIZE must be at least 14 in mode none"},
		"shortest, mixed":          {Test{Size: 14, Auth: Mixed, KeyFile: one}, ""},
		"shortest, authenticated":  {Test{Size: 48, Auth: Authenticated, KeyFile: one}, ""},
		"too short, authenticated": {Test{Size: 47, Auth: Authenticated, KeyFile: one}, "SIZE must be at least 48 in mode authenticated"},
		"too short, symmetrical":   {Test{Size: 40, SymmetricalSize: true}, "SIZE must be at least 41"},
		"no room for octets":       {Test{Size: 140, ReflectOctets: 100}, "SIZE must be at least 141"},
		"room for octets":          {Test{Size: 141, ReflectOctets: 100}, ""},
		"no room, symmetrical":     {Test{Size: 141, ReflectOctets: 100, SymmetricalSize: true}, "SIZE must be at least 142"},
		"no room for the message":  {Test{Size: 20, Padding: PadMessage, Message: "more than 20"}, "SIZE must be at least 27"},
		"too long":                 {Test{Size: 65508}, "SIZE must be at most 65507"},
		"one octet":                {Test{ReflectOctets: 1}, "REFLECT_OCTETS must be 0, or from 2"},
		"too many octets":          {Test{ReflectOctets: 65500}, "REFLECT_OCTETS must be 0, or from 2"},
		"seldom":                   {Test{Interval: 10 * time.Minute}, ""},
		"too seldom":               {Test{Interval: 10*time.Minute + 1}, "INTERVAL must be at most 10m0s in twamp mode"},
		"seldom at random":         {Test{Interval: time.Minute, Schedule: Poisson}, ""},
		"too seldom at random":     {Test{Interval: time.Minute + 1, Schedule: Poisson}, "INTERVAL must be at most 1m0s in twamp mode"},
		"STAMP, seldom":            {Test{Mode: ModeSTAMP, Interval: time.Hour}, ""},
		"STAMP, octets":            {Test{Mode: ModeSTAMP, ReflectOctets: 2}, "REFLECT_OCTETS must be 0 but in twamp mode"},
		"STAMP, symmetrical":       {Test{Mode: ModeSTAMP, SymmetricalSize: true}, "SYMMETRICAL_SIZE must be false but in twamp mode"},
	} {
		if !strings.Contains(name, "STAMP,") && !strings.Contains(name, "STAMP with") && !strings.HasPrefix(name, "light") {
			c.how.Mode = ModeTWAMP
		}
		if c.how.Message == "" {
			c.how.Padding = PadZero
		}
		c.how.Count, c.how.Timeout = 1, 100*ms
		if c.how.Interval == 0 {
			c.how.Interval = 100 * ms
		}
		var all []string
		for _, p := range c.how.Check() {
			all = append(all, p.Var+" "+p.Msg)
		}
		if text := strings.Join(all, "; "); (text == "") != (c.want == "") || !strings.HasPrefix(text, c.want) {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

// What is said of a bad key file names its faults.
func TestTWAMPBadKeyFile(t *testing.T) {
	how := Test{Mode: ModeTWAMP, Count: 1, Interval: ms, Timeout: ms, KeyFile: passphraseFile(t, "joe\n")}
	problems := how.Check()
	if len(problems) != 1 || problems[0].Var != "KEY_FILE" || !strings.Contains(problems[0].Msg, "line 1: must be a key id, a space and a passphrase") {
		t.Errorf("problems are %v", problems)
	}
}

// Where the message and what is to be reflected stand, and how long a packet is
// that has no size of its own: as long as its reply.
func TestTWAMPPayload(t *testing.T) {
	const message = "hello" // and its end
	open, auth := twamp.Unauthenticated, twamp.Encrypted
	for name, c := range map[string]struct {
		how          Test
		mode         twamp.Mode
		serverOctets uint16
		size, at     int // at: where the message is
	}{
		"open":                  {Test{}, open, 0, 41, 14},
		"encrypted":             {Test{}, auth, 0, 112, 48},
		"mixed":                 {Test{}, twamp.Mixed, 0, 41, 14},
		"sized":                 {Test{Size: 20}, open, 0, 20, 14},
		"symmetrical":           {Test{SymmetricalSize: true}, open, 0, 47, 41},
		"symmetrical encrypted": {Test{SymmetricalSize: true}, auth, 0, 118, 112},
		"reflect":               {Test{ReflectOctets: 10}, open, 0, 51, 14},
		"server octets":         {Test{ReflectOctets: 10}, open, 0x1234, 51, 16},
		"both":                  {Test{ReflectOctets: 10, SymmetricalSize: true}, auth, 0x1234, 123, 114},
	} {
		c.how.Message = message
		b, err := c.how.twampPayload(c.mode|c.how.extensions(), c.serverOctets)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := make([]byte, c.size)
		copy(want[c.at:], message)
		if c.serverOctets != 0 {
			want[c.at-2], want[c.at-1] = byte(c.serverOctets>>8), byte(c.serverOctets)
		}
		if string(b) != string(want) {
			t.Errorf("%s: %d octets\n%x\nwant %d\n%x", name, len(b), b, len(want), want)
		}
	}
}
