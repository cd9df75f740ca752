package targets

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tinytwamp/services/prober/internal/prober"
	"tinytwamp/shared/service"
)

// defaultTest is the settings of a command line that names none.
func defaultTest(t testing.TB) prober.Test {
	t.Helper()
	var cfg struct{ Test prober.Test }
	var stderr strings.Builder
	if _, _, ok := (service.Program{}).Parse(&cfg, nil, nil, nil, &stderr); !ok {
		t.Fatal(stderr.String())
	}
	return cfg.Test
}

// read parses a file that is good.
func read(t *testing.T, text string) []prober.Target {
	t.Helper()
	list, faults := parse("t.yaml", []byte(text), defaultTest(t))
	if len(faults) > 0 {
		t.Fatalf("%s\nin\n%s", strings.Join(faults, "\n"), text)
	}
	return list
}

// refuse parses a file that is bad and returns its faults without its name.
func refuse(t *testing.T, text string) string {
	t.Helper()
	list, faults := parse("t.yaml", []byte(text), defaultTest(t))
	if len(faults) == 0 || list != nil {
		t.Fatalf("%d targets and no fault in\n%s", len(list), text)
	}
	return strings.ReplaceAll(strings.Join(faults, "\n"), "t.yaml:", "")
}

func TestTargets(t *testing.T) {
	t.Parallel()
	list := read(t, `
defaults:
  interval: 1s
  dscp: EF
  labels: {region: eu, role: none}
targets:
  - name: fra-edge
    address: reflector.example:862
    labels: {site: fra, role: edge}
    interval: 200ms
    source_ports: [50000, 50001, 50010-50012]
    tlv: [cos, follow-up]
  - address: "[2001:db8::1]:8620"
`)
	if len(list) != 2 {
		t.Fatalf("%d targets", len(list))
	}
	a, b := list[0], list[1]
	if a.Name != "fra-edge" || a.Host != "reflector.example" || a.Port != 862 || a.Test.Interval != 200*time.Millisecond ||
		a.Test.DSCP != 46 || a.Test.TLV != (prober.TLVs{FollowUp: true, ClassOfService: true}) ||
		!slices.Equal(a.Test.SourcePorts, prober.Ports{50000, 50001, 50010, 50011, 50012}) ||
		!maps.Equal(a.Labels, map[string]string{"region": "eu", "site": "fra", "role": "edge"}) {
		t.Errorf("the first is %+v", a)
	}
	if b.Name != "[2001:db8::1]:8620" || b.Host != "2001:db8::1" || b.Port != 8620 || b.Test.Interval != time.Second ||
		b.Test.DSCP != 46 || b.Test.Count != 10 || !maps.Equal(b.Labels, map[string]string{"region": "eu", "role": "none"}) {
		t.Errorf("the second is %+v", b)
	}
}

// values has a text for each key of a target's settings, which is not its
// default.
var values = map[string]string{
	"count": "20", "interval": "3s", "schedule": "poisson", "timeout": "7s", "reflector_state": "stateless",
	"samples": "5", "family": "ipv6", "source": `":863"`, "source_ports": "[50000-50001, 50003]", "mode": "light",
	"size": "100", "tlv": "[cos]", "padding": "zero", "message": "hello", "dscp": "AF41", "timestamp": "ptp", "ssid": "77", "zero_ssid": "stop",
}

// Every setting can be in a target and in the defaults, and reaches the target.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	standard := defaultTest(t)
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("* 000102030405060708090a0b0c0d0e0f"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, key := range service.Keys(&standard) {
		value, ok := values[key.Name]
		switch key.Name {
		case "auth", "key_id", "reflect_octets", "symmetrical_size": // need others: below
			continue
		case "key_file":
			value, ok = strconv.Quote(file), true
		}
		if !ok {
			t.Errorf("add a value for %s to this test", key.Name)
			continue
		}
		list := read(t, fmt.Sprintf("targets: [{address: a.example, %s: %s}]", key.Name, value))
		got := reflect.ValueOf(list[0].Test)
		for field := range got.NumField() {
			name := got.Type().Field(field).Name
			if !got.Type().Field(field).IsExported() {
				continue
			}
			changed := !reflect.DeepEqual(got.Field(field).Interface(), reflect.ValueOf(standard).Field(field).Interface())
			if changed != (field == i) {
				t.Errorf("%s: %s: field %s changed is %v", key.Name, value, name, changed)
			}
		}
		inherited := read(t, fmt.Sprintf("targets: [{address: a.example}]\ndefaults: {%s: %s}", key.Name, value))
		if !reflect.DeepEqual(list, inherited) {
			t.Errorf("%s: %s: in the defaults it makes %+v", key.Name, value, inherited)
		}
	}
}

// A target can be tested with TWAMP beside others that are not, also with a key
// file that has another form than theirs.
func TestTWAMPTarget(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := read(t, fmt.Sprintf(`
defaults: {mode: twamp, auth: mixed, key_file: %q, key_id: ann, symmetrical_size: true}
targets:
  - {address: a.example, reflect_octets: 20}
  - {address: b.example, auth: encrypted, key_id: joe}
  - {address: c.example, mode: stamp, auth: authenticated, key_file: %q, key_id: "", symmetrical_size: false}
`, write("passphrases", "joe open sesame\nann other\n"), write("keys", "* 000102030405060708090a0b0c0d0e0f")))
	if a := list[0].Test; a.Mode != prober.ModeTWAMP || a.Auth != prober.Mixed || a.KeyID != "ann" || a.ReflectOctets != 20 || !a.SymmetricalSize {
		t.Errorf("a is %+v", a)
	}
	if b := list[1].Test; b.Auth != prober.Encrypted || b.KeyID != "joe" || b.ReflectOctets != 0 {
		t.Errorf("b is %+v", b)
	}
	if c := list[2].Test; c.Mode != prober.ModeSTAMP || c.Auth != prober.Authenticated || c.KeyID != "" {
		t.Errorf("c is %+v", c)
	}
}

// A target can ask for authentication, with a key file of its own.
func TestAuthenticatedTarget(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte("* 000102030405060708090a0b0c0d0e0f"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := read(t, fmt.Sprintf("targets: [{address: a.example, auth: authenticated, key_file: %q}, {address: b.example}]", file))
	if a, b := list[0].Test, list[1].Test; a.Auth != prober.Authenticated || a.KeyFile != file || b.Auth != prober.AuthNone {
		t.Errorf("%+v, %+v", a, b)
	}
}

// Thousands of targets share the keys of the defaults' file, which is read once.
func TestKeysAreReadOnce(t *testing.T) {
	const keys, many = 1000, 300
	file := filepath.Join(t.TempDir(), "keys")
	var lines bytes.Buffer
	for i := range keys {
		fmt.Fprintf(&lines, "ssid:%d %032x\n", i+1, i)
	}
	if err := os.WriteFile(file, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("defaults: {key_file: %q}\ntargets:\n", file)
	for i := range many {
		text += fmt.Sprintf("- address: t%d.example\n", i)
	}
	if n := testing.AllocsPerRun(1, func() { read(t, text) }); n > keys*many/2 {
		t.Errorf("%v allocations for %d keys and %d targets", n, keys, many)
	}
}

// A target can go back to what the defaults changed.
func TestTargetEmptiesADefault(t *testing.T) {
	t.Parallel()
	const file = `
defaults: {tlv: [cos, follow-up], source_ports: 50000, message: hello}
targets: [{address: a.example, tlv: [], source_ports: [], message: ""}, {address: b.example, tlv: cos}]`
	list := read(t, file)
	if a := list[0].Test; a.TLV != (prober.TLVs{}) || len(a.SourcePorts) > 0 || a.Message != "" {
		t.Errorf("the first is %+v", a)
	}
	if b := list[1].Test; b.TLV != (prober.TLVs{ClassOfService: true}) || b.Message != "hello" {
		t.Errorf("the second is %+v", b)
	}
}

// Anchors are taken where they stand for a whole value.
func TestAliases(t *testing.T) {
	t.Parallel()
	list := read(t, `
targets:
  - {address: a.example, labels: &l {site: &s fra}, tlv: &t [&c cos], interval: &i 2s}
  - {address: b.example, labels: *l, tlv: *t, interval: *i}
  - {address: c.example, labels: {site: *s}, tlv: [*c], interval: *i}
`)
	for _, target := range list {
		if !maps.Equal(target.Labels, list[0].Labels) || target.Labels["site"] != "fra" || !reflect.DeepEqual(target.Test, list[0].Test) {
			t.Errorf("got %+v", target)
		}
	}
}

// The reference file is good, and names every key.
func TestReferenceFile(t *testing.T) {
	t.Parallel()
	const path = "../../../../deploy/env/targets.yaml"
	if list, faults := Load(path, defaultTest(t)); len(faults) > 0 || len(list) == 0 {
		t.Errorf("%d targets, %s", len(list), strings.Join(faults, "\n"))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range targetKeys {
		if !strings.Contains(string(text), key+": ") {
			t.Errorf("the reference file lacks the key %s", key)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "t.yaml")
	if _, faults := Load(missing, defaultTest(t)); len(faults) != 1 || faults[0] != "cannot read the targets file: open "+missing+": no such file or directory" {
		t.Errorf("a missing file: %q", faults)
	}
	long := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(long, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, faults := Load(long, defaultTest(t)); len(faults) != 1 || faults[0] != long+" is too long: a targets file has at most 16 MiB" {
		t.Errorf("a long file: %q", faults)
	}
}

// soon logs how long something took. It fails where that is out of all
// proportion, however busy the machine: each takes well under a second.
func soon(t *testing.T, begin time.Time) {
	t.Helper()
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	} else {
		t.Logf("took %v", took)
	}
}

// A file of 5,000 targets, and one of aliases that would be much longer than
// can be read if they were written out.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	large := "targets:\n" + many(5000, "  - name: t%d\n    address: 192.0.2.1\n    labels: {site: fra, role: edge}\n    interval: 1%dms\n    dscp: EF\n    source_ports: [50000, 50001]\n")
	begin := time.Now()
	if list := read(t, large); len(list) != 5000 || list[4999].Name != "t4999" {
		t.Errorf("%d targets", len(list))
	}
	soon(t, begin)

	bomb := "targets:\n" +
		"  - &t {address: a, tlv: &l [" + strings.Repeat("cos, ", maxItems) + "], labels: {" + many(maxKeys, "l%d: *l, ") + "}}\n" +
		strings.Repeat("  - *t\n", maxTargets-1)
	begin = time.Now()
	if got := refuse(t, bomb); !strings.HasSuffix(got, "\ntoo much is wrong: the rest of the file was not read") || strings.Count(got, "\n") > maxShown {
		t.Error(got)
	}
	soon(t, begin)

	harmless := "defaults: {message: &m " + strings.Repeat("m", 250) + ", labels: &l {" + many(maxLabels, "l%d: v, ") + "}, tlv: &t [" +
		strings.Repeat("cos, ", maxItems) + "]}\ntargets:\n" + many(maxTargets/20, "  - {address: h%d, message: *m, tlv: *t, labels: *l}\n")
	begin = time.Now()
	if list := read(t, harmless); len(list) != maxTargets/20 {
		t.Errorf("%d targets", len(list))
	}
	soon(t, begin)
}

// More targets than are taken are told of without a look at them.
func TestTooManyTargets(t *testing.T) {
	t.Parallel()
	if got := refuse(t, "targets: ["+strings.Repeat("a, ", maxTargets+1)+"]"); got != "1:1: targets must be at most 100000" {
		t.Error(got)
	}
}

// The example of -h is a file as it stands.
func TestHelpExample(t *testing.T) {
	t.Parallel()
	for paragraph := range strings.SplitSeq(Help.Text, "\n\n") {
		if strings.HasPrefix(paragraph, " ") {
			if list := read(t, paragraph); len(list) != 2 || len(list[0].Test.SourcePorts) != 5 {
				t.Errorf("it makes %+v", list)
			}
		}
	}
}
