package targets

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// under is a file with one target that has the lines, from line 3 on.
func under(lines ...string) string {
	return "targets:\n  - address: a.example\n    " + strings.Join(lines, "\n    ") + "\n"
}

// many repeats a format with numbers.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", strconv.Itoa(i)))
	}
	return b.String()
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, file, want string }{
		{"empty", "", "1:1: is empty: it needs a list of targets"},
		{"comment only", "# none\n", "1:1: is empty: it needs a list of targets"},
		{"null", "---\n", "2:1: a targets file must be a mapping (key: value), not empty"},
		{"list", "- a\n", "1:1: a targets file must be a mapping (key: value), not a list"},
		{"no targets", "defaults: {}\n", "1:1: needs a list of targets"},
		{"targets null", "targets:\n", "1:1: targets must be a list, not empty"},
		{"targets empty", "targets: []\n", "1:1: targets must name at least one"},
		{"targets mapping", "targets: {a: b}\n", "1:1: targets must be a list, not a mapping"},
		{"targets text", "targets:\n  - a.example\n", "2:5: a target must be a mapping (key: value), not one value"},
		{"target null", "targets:\n  -\n", "2:4: a target must be a mapping (key: value), not empty"},
		{"two documents", "targets: [{address: a}]\n---\ntargets: []\n", "2:1: a second document begins here: a targets file is one document"},
		{"trailing", "targets: [{address: a}]\n...\nfoo: [\n", "4:1: is not YAML: did not find expected node content; look at indentation, quotes and brackets here and above"},
		{"root key", "default: {}\ntargets: [{address: a}]\n", `1:1: there is no key "default" here; did you mean defaults?`},
		{"name in defaults", "defaults: {name: a, address: b}\ntargets: [{address: a}]\n", "1:12: name belongs to a target, not to the defaults\n1:21: address belongs to a target, not to the defaults"},
		{"defaults null", "defaults:\ntargets: [{address: a}]\n", "1:1: defaults must be a mapping (key: value), not empty"},
		{"no address", "targets:\n  - name: a\n", "2:5: a target needs an address"},
		{"unknown key", under("intervall: 1s"), `3:5: there is no key "intervall" here; did you mean interval?`},
		{"flag", under("source-ports: 1"), `3:5: there is no key "source-ports" here; did you mean source_ports?`},
		{"far key", under("colour: 1"), `3:5: there is no key "colour" here`},
		{"case", under("Interval: 1s"), `3:5: there is no key "Interval" here; did you mean interval?`},
		{"merge", under("<<: {count: 1}"), `3:5: there is no key "<<" here; defaults and aliases of whole values do`},
		{"twice", under("count: 1", "interval: 1s", "count: 2"), `5:5: key "count" is there twice, in line 3 first`},
		{"null value", under("interval:", "name: ~", "labels:"), "3:5: interval has no value\n4:5: name has no value\n5:5: labels must be a mapping (key: value), not empty"},
		{"list for a value", under("interval: [1s]", "dscp: {a: b}", "name: [a]", "labels: a"), "3:5: interval must be one value, not a list\n4:5: dscp must be one value, not a mapping\n5:5: name must be text in quotes, not a list\n6:5: labels must be a mapping (key: value), not one value"},
		{"mapping for a list", under("tlv: {cos: true}", "source_ports: [[1]]"), "3:5: tlv must be a list or one value, not a mapping\n4:5: source_ports must be a list of single values, not a list"},
		{"numbers", under("name: 12", "message: 1.5", "labels: {a: true, b: 2026-01-01, c: 1}"), "3:5: name must be text: put it in quotes\n4:5: message must be text: put it in quotes\n5:14: label a must be text: put it in quotes\n5:23: label b must be text: put it in quotes\n5:38: label c must be text: put it in quotes"},
		{"quotes", under(`count: "10"`, `ssid: '1'`), "3:5: count must not be in quotes\n4:5: ssid must not be in quotes"},
		{"tag", under(`message: !!str 10`, `count: !x 1`), "3:5: message must have no tag, but has !!str\n4:5: count must have no tag, but has !x"},
		{"values", under("interval: 100", "dscp: EFF", "mode: stmp", "count: ten", "source_ports: [0]", "ssid: 70000", `source: ""`), "3:5: interval must be a time such as 500us, 100ms, 2s or 5m, not \"100\"\n4:5: dscp must be a number from 0 to 63, or a name such as EF, AF41 or CS1\n5:5: mode must be stamp, light or twamp\n6:5: count must be a whole number, not negative, not \"ten\"\n7:5: source_ports must be ports or ranges such as 50000-50007, not \"0\"\n8:5: ssid must be a whole number from 0 to 65535, not \"70000\"\n9:5: source needs a value"},
		{"bounds", under("count: 0", "interval: 1us"), "3:5: count must be at least 1\n4:5: interval must be between 10µs and 24h0m0s"},
		{"together", under("interval: 10us", "timeout: 1m") + "  - {address: b, timeout: 1m}\n  - {address: c, interval: 10us}\ndefaults: {timeout: 50s}\n", "4:5: timeout must be at most 10.48576s at this interval: more packets would wait for their answers than are kept\n6:5: timeout must be at most 10.48576s at this interval: more packets would wait for their answers than are kept"},
		{"inherited", "defaults:\n  count: 0\n  interval: 10us\n  timeout: 1m\ntargets:\n  - address: a\n  - {address: b, count: 1}\n  - {address: c, timeout: 1s}\n  - {address: d, interval: 1s, count: 1}\n", "2:3: count must be at least 1\n4:3: timeout must be at most 10.48576s at this interval: more packets would wait for their answers than are kept"},
		{"names", "targets:\n  - address: a\n  - {name: b, address: a}\n  - {address: b}\n  - address: a\n", "4:6: the target in line 3 has the name \"b\", too: give each its own\n5:5: the target in line 2 has the name \"a\", too: give each its own"},
		{"a name twice, once with a bad address", "targets:\n  - {name: b, address: \"a:x\"}\n  - {name: b, address: a}\n", "2:15: address \"a:x\": the port must be a number from 1 to 65535\n3:6: the target in line 2 has the name \"b\", too: give each its own"},
		{"bad names", under(`name: ""`) + "  - {address: b, name: \"a\\nb\"}\n  - {address: c, name: " + strings.Repeat("n", 254) + "}", "3:5: the name of a target must be 1 to 253 octets that can be printed\n4:18: the name of a target must be 1 to 253 octets that can be printed\n5:18: the name of a target must be 1 to 253 octets that can be printed"},
		{"addresses", "targets:\n  - address: a:0\n  - address: a b\n  - address: [::1]\n  - address: 12\n  - address: \"\"\n", "2:5: address \"a:0\": the port must be a number from 1 to 65535\n3:5: address \"a b\" must be a host, host:port, an IPv4 or IPv6 address, or [address]:port\n4:5: address must be text in quotes, not a list\n5:5: address must be text: put it in quotes\n6:5: address \"\" must be a host, host:port, an IPv4 or IPv6 address, or [address]:port"},
		{"family", "defaults: {family: ipv4}\ntargets:\n  - address: ::1\n  - {address: 192.0.2.1, family: ipv6}\n  - {address: ::2, family: any, source: 192.0.2.9}\n", "3:5: address ::1 is not of the family ipv4, which the target's settings ask for\n4:6: address 192.0.2.1 is not of the family ipv6, which the target's settings ask for\n5:6: address ::2 must be of the same family as the source 192.0.2.9"},
		{"labels", under(`labels: {9a: x, a-b: y, c: "a\tb", ok: "` + strings.Repeat("v", 254) + `"}`), "3:14: the key of a label must be letters, digits and _, at most 63 and no digit first, not \"9a\"\n3:21: the key of a label must be letters, digits and _, at most 63 and no digit first, not \"a-b\"\n3:29: label c must be at most 253 octets without control characters\n3:40: label ok must be at most 253 octets without control characters"},
		{"many labels", under("labels: {" + many(33, "l%d: v, ") + "}"), "3:5: labels must be at most 32, with those of the defaults"},
		{"many keys", under("labels: {" + many(101, "l%d: v, ") + "}"), "3:5: labels must be at most 100 keys"},
		{"tab", "targets:\n\t- address: a\n", "2:1: is not YAML: found character that cannot start any token; indent with spaces, not with tabs"},
		{"indent", "targets:\n  - address: a\n   interval: 1s\n", "3:4: is not YAML: did not find expected '-' indicator; look at indentation, quotes and brackets here and above"},
		{"brackets", "targets:\n  - name: a\n    address: [::1]:862\n", `3:19: is not YAML: did not find expected key; an address in brackets needs quotes: "[2001:db8::1]:862"`},
		{"brackets flow", "targets:\n  - {name: a, address: [::1]:862}\n", `2:29: is not YAML: did not find expected ',' or '}'; an address in brackets needs quotes: "[2001:db8::1]:862"`},
		{"unclosed", "targets:\n  - address: \"a\n", "3:1: is not YAML: found unexpected end of stream; look at indentation, quotes and brackets here and above"},
		{"anchor", "targets:\n  - address: *x\n", "2:14: is not YAML: unknown anchor 'x' referenced; look at indentation, quotes and brackets here and above"},
		{"self", "targets: &t\n  - *t\n", "2:5: a target must be a mapping (key: value), not a list"},
		{"utf8", "targets:\n  - address: a\xff\n", "2:1: is not UTF-8 in this line"},
		{"control", "targets:\n  - address: a\x00\n", "2:1: has the character U+0000 in this line, which YAML does not allow"},
		{"ffff", "targets:\n  - address: a\uffff\n", "2:1: has the character U+FFFF in this line, which YAML does not allow"},
		{"bom", "\ufefftargets:\n  - address: 1\n", "2:5: address must be text: put it in quotes"},
		{"crlf", "targets:\r\n  - address: 1\r\n", "2:5: address must be text: put it in quotes"},
		{"long", under("message: " + strings.Repeat("m", 1025)), "3:5: message must be at most 1024 octets"},
		{"long list", under("tlv: [" + many(101, "cos, ") + "]"), "3:5: tlv must be at most 100 values"},
		{"key list", under("? [a]\n    : b", "{a: b}: c"), "3:7: there is no key \"\" here\n5:5: there is no key \"\" here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := refuse(t, test.file); got != test.want {
				t.Errorf("in\n%s\n got %q\nwant %q", test.file, got, test.want)
			}
		})
	}
}

// Of many faults there are the first, and how many more there are.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	got := strings.Split(refuse(t, "targets:\n"+many(50, "  - {address: h%d, ssid: x}\n")), "\n")
	if len(got) != 21 || got[19] != `21:20: ssid must be a whole number from 0 to 65535, not "x"` || got[20] != "and 30 more" {
		t.Errorf("%d lines, %q", len(got), got)
	}
}

// What is wrong with the command line is not the file's.
func TestBadBase(t *testing.T) {
	t.Parallel()
	base := defaultTest(t)
	base.Count = 0
	if list, faults := parse("t.yaml", []byte("targets: [{address: a}]"), base); len(list) != 1 {
		t.Error(faults)
	}
	if _, faults := parse("t.yaml", []byte("targets: [{address: a, samples: 9999}]"), base); len(faults) != 1 || !strings.Contains(faults[0], "samples must be") {
		t.Error(faults)
	}
}

// Whatever a file holds, reading it ends, with targets or with faults, each of
// which names its place.
func FuzzParse(f *testing.F) {
	f.Add([]byte("defaults: {size: 70, labels: {a: b}}\ntargets:\n  - address: a\n    tlv: [cos]\n"))
	f.Add([]byte(under("labels: &l {a: *l}", "<<: *l", "tlv: [[]]", "? [a] : b")))
	f.Add([]byte("targets: &t [*t, {address: \"[::1]:862\", name: !!str 1}]\n---\n"))
	base := defaultTest(f)
	place := regexp.MustCompile(`^t\.yaml:[1-9][0-9]*:[1-9][0-9]*: [^\pC]+$`)
	f.Fuzz(func(t *testing.T, text []byte) {
		list, faults := parse("t.yaml", text, base)
		if (len(list) > 0) == (len(faults) > 0) || len(faults) > maxShown+1 {
			t.Fatalf("%d targets, %d faults", len(list), len(faults))
		}
		for _, fault := range faults[:min(len(faults), maxShown)] {
			if !place.MatchString(fault) {
				t.Errorf("%q", fault)
			}
		}
		names := make(map[string]bool)
		for _, target := range list {
			if target.Host == "" || target.Name == "" || names[target.Name] || len(target.Labels) > maxLabels || len(target.Test.Check()) > 0 {
				t.Errorf("%+v", target)
			}
			names[target.Name] = true
		}
	})
}
