package stamp_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"tinytwamp/shared/stamp"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// RFC 8762 4.4-5, RFC 8972 4.8-18
func TestKeyLookup(t *testing.T) {
	key := func(digit string) string { return strings.Repeat(digit, 32) }
	keys, err := stamp.ParseKeys([]byte("# keys of the lab\n\n" +
		"ssid:4660  " + key("1") + "  # one session\r\n" +
		"\t192.0.2.7\t" + key("2") + "\n" +
		"192.0.2.0/24 " + key("3") + "\n" +
		"2001:db8:1::/48 " + key("A") + "\n" +
		"ssid:65535 " + key("5") + "\n" +
		"::ffff:198.51.100.1 " + key("6") + "\n" +
		"0.0.0.0/0 " + key("7") + "\n" +
		"* " + strings.Repeat("8", 2048)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ssid uint16
		peer string
		want string
	}{
		{4660, "192.0.2.7", "1"},
		{4661, "192.0.2.7", "2"},
		{0, "::ffff:192.0.2.7", "2"},
		{65535, "192.0.2.8", "3"}, // the first that fits, not the closest
		{65535, "203.0.113.1", "5"},
		{1, "2001:db8:1::5", "a"},
		{1, "2001:db8:1::5%eth0", "a"},
		{1, "198.51.100.1", "6"},
		{1, "203.0.113.1", "7"},
		{1, "2001:db8:2::5", "8"},
	} {
		got, ok := keys.Lookup(c.ssid, addr(c.peer))
		if digits := hex.EncodeToString(got); !ok || strings.Trim(digits, c.want) != "" || len(got) < 16 {
			t.Errorf("SSID %d of %s has the key %s, %v; want %s", c.ssid, c.peer, digits, ok, c.want)
		}
		b := senderPacket.AppendAuthenticated(nil)
		stamp.NewMAC(got).Seal(b)
		if mac := keys.MACs().Lookup(c.ssid, addr(c.peer)); mac == nil || !mac.Verify(b) {
			t.Errorf("SSID %d of %s has a MAC of another key", c.ssid, c.peer)
		}
	}

	keys, err = stamp.ParseKeys([]byte("192.0.2.0/24 " + key("3")))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := keys.Lookup(1, addr("192.0.3.1")); ok || keys.MACs().Lookup(1, addr("192.0.3.1")) != nil {
		t.Errorf("the key %x is for nobody", got)
	}
	if _, ok := (stamp.Keys{}).Lookup(1, addr("::1")); ok {
		t.Error("no keys, and one is found")
	}
}

// A faulty file is told in whole, with line numbers, and what stands in it is
// not repeated: it may be a key in the wrong place.
func TestKeyFileFaults(t *testing.T) {
	good := strings.Repeat("5c", 16)
	const (
		fields   = "must be a selector, a space and a key in hexadecimal digits"
		selector = "the selector must be *, ssid: and a number, an address or a prefix"
		ssid     = "the SSID must be a number from 1 to 65535"
		key      = "the key must be 32 to 2048 hexadecimal digits, an even number of them"
	)
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "there is no key in it"},
		{"comments alone", "# nothing\n\n  # here\n", "there is no key in it"},
		{"no key", "*\n", "line 1: " + fields},
		{"too much", "* " + good + " x", "line 1: " + fields},
		{"the other way around", good + " *", "line 1: " + selector},
		{"short key", "\n* " + good[2:], "line 2: " + key},
		{"odd key", "* " + good + "5", "line 1: " + key},
		{"long key", "* " + strings.Repeat("5c", 1025), "line 1: " + key},
		{"not hexadecimal", "* " + strings.Repeat("5g", 16), "line 1: " + key},
		{"SSID 0", "ssid:0 " + good, "line 1: " + ssid},
		{"SSID too large", "ssid:65536 " + good, "line 1: " + ssid},
		{"SSID in words", "ssid: " + good, "line 1: " + ssid},
		{"name", "router1 " + good, "line 1: " + selector},
		{"zone", "fe80::1%eth0 " + good, "line 1: " + selector},
		{"mapped prefix", "::ffff:192.0.2.0/120 " + good, "line 1: " + selector},
		{"same", "* " + good + "\n* " + good, "line 2: the selector is that of line 1"},
		{"same prefix", "192.0.2.1/24 " + good + "\n192.0.2.0/24 " + good, "line 2: the selector is that of line 1"},
		{"same address", "192.0.2.1 " + good + "\n#\n192.0.2.1/32 " + good, "line 3: the selector is that of line 1"},
		{"several", "x " + good + "\n* " + good + "\n* 5c\nssid:0 " + good, "line 1: " + selector + "; line 3: " + key + "; line 4: " + ssid},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys, err := stamp.ParseKeys([]byte(c.text))
			if err == nil || err.Error() != "stamp: key file: "+c.want {
				t.Fatalf("got %v\nwant %s", err, c.want)
			}
			if _, ok := keys.Lookup(1, addr("::1")); ok {
				t.Error("there are keys in spite of the error")
			}
			if strings.Contains(err.Error(), "5c") {
				t.Errorf("the error tells a key: %v", err)
			}
		})
	}
}

func TestKeyFileBound(t *testing.T) {
	line := func(n int) string {
		return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}).String() + " " + strings.Repeat("5c", 16) + "\n"
	}
	var text strings.Builder
	for n := range 1024 {
		text.WriteString(line(n))
	}
	if _, err := stamp.ParseKeys([]byte(text.String() + "\n# the end\n")); err != nil {
		t.Errorf("1024 keys: %v", err)
	}
	text.WriteString(line(1024))
	if _, err := stamp.ParseKeys([]byte(text.String())); err == nil || !strings.HasSuffix(err.Error(), "line 1025: there are more than 1024 keys") {
		t.Errorf("1025 keys: %v", err)
	}
	if _, err := stamp.ParseKeys([]byte(strings.Repeat("x\n", 1<<20))); err == nil || len(err.Error()) > 1<<17 {
		t.Errorf("an endless list of faults")
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("# comment\nssid:1 " + testKey + "\n::/0 " + testKey + "\n* " + testKey))
	f.Add([]byte("* " + testKey + "\r\n* " + testKey))
	f.Add([]byte("ssid:99999 00\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := stamp.ParseKeys(b)
		key, ok := keys.Lookup(1, addr("::1"))
		if err != nil && ok || ok && (len(key) < 16 || len(key) > 1024) {
			t.Fatalf("%v, key of %d octets", err, len(key))
		}
		if ok != (keys.MACs().Lookup(1, addr("::1")) != nil) {
			t.Fatal("there is a key without a MAC")
		}
	})
}
