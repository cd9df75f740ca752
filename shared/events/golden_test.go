package events

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
)

var update = flag.Bool("update", false, "write the golden files anew; those of a published version never change, but for added fields")

// goldens are events of which testdata holds the wire form. A published golden
// stays for ever: what was once written must be readable.
var goldens = []struct {
	file string
	data Data
	full bool // every field of the type is set
}{
	{"twamp.v1.rtt.json", fullRTT(), true},
	{"twamp.v1.rtt.no-reply.json", noReplyRTT(), false},
	{"twamp.v1.log.json", fullLog(), false},
	{"twamp.v1.log.control.json", controlLog(), true},
	{"twamp.v1.log.empty.json", &Log{Service: "reflector"}, false},
	{"twamp.v1.dlq.json", fullDeadLetter(), true},
}

// at is the time of the golden events, in a zone that must not show.
var at = time.Date(2026, 3, 29, 16, 9, 1, 123456789, time.FixedZone("", 2*60*60))

// goldenSource is a source whose ids and sequence are known.
func goldenSource() *Source {
	s := NewSource("prober", "probe-1")
	s.run = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	s.sequence.Store(41)
	return s
}

func TestGoldens(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.file, func(t *testing.T) {
			e, err := goldenSource().Encode(at, g.data)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, e.Body, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			path := filepath.Join("testdata", g.file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("encoded is\n%s\nand the golden\n%s", got.Bytes(), want)
			}
			decoded, err := Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if back := decodeData(t, decoded); !reflect.DeepEqual(utc(back), utc(g.data)) {
				t.Errorf("decoded is\n%+v\nnot\n%+v", back, g.data)
			}
			if decoded.ID != "ABCDEFGHIJKLMNOPQRSTUVWXYZ-42" || e.ID != decoded.ID || decoded.Sequence != "00000000000000000042" ||
				decoded.Name() != "probe-1" || !decoded.Time.Equal(at) {
				t.Errorf("attributes are %+v", decoded)
			}
			validateCloudEvent(t, e.Body)
		})
	}
}

// A golden of which a field is left out would not notice when the field's name
// or form changes.
func TestFullGoldensSetEveryField(t *testing.T) {
	for _, g := range goldens {
		if g.full {
			for _, path := range unset(reflect.ValueOf(g.data), g.file, false) {
				t.Errorf("%s is not set: a new field must enter the golden", path)
			}
		}
	}
}

func TestUnsetFindsWhatIsMissing(t *testing.T) {
	r := fullRTT()
	r.RTT.IPDV.P90Ns = 0
	r.Clock.ReflectorSynchronized = nil
	got := strings.Join(unset(reflect.ValueOf(r), "rtt", false), " ")
	if want := "rtt.RTT.IPDV.P90Ns rtt.Clock.ReflectorSynchronized"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

// unset returns the paths below v that hold a zero value. In a list of records
// each field has to be set in one of them.
func unset(v reflect.Value, path string, pointed bool) []string {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		return unset(v.Elem(), path, true)
	}
	switch v.Interface().(type) {
	case time.Time, netip.Addr, netip.AddrPort:
	default:
		switch v.Kind() {
		case reflect.Struct:
			var paths []string
			for i := range v.NumField() {
				paths = append(paths, unset(v.Field(i), path+"."+v.Type().Field(i).Name, false)...)
			}
			return paths
		case reflect.Slice:
			if v.Len() > 0 {
				return unsetInAll(v, path)
			}
		}
	}
	if v.IsZero() && !pointed {
		return []string{path}
	}
	return nil
}

func unsetInAll(list reflect.Value, path string) []string {
	missing := make(map[string]int)
	var order []string
	for i := range list.Len() {
		for _, p := range unset(list.Index(i), path+"[]", false) {
			if missing[p]++; missing[p] == list.Len() {
				order = append(order, p)
			}
		}
	}
	return order
}

// validateCloudEvent holds an event to the reference implementation.
func validateCloudEvent(t *testing.T, body []byte) {
	t.Helper()
	var ce cloudevents.Event
	if err := json.Unmarshal(body, &ce); err != nil {
		t.Fatalf("CloudEvents SDK: %v", err)
	}
	if err := ce.Validate(); err != nil {
		t.Errorf("CloudEvents SDK: %v", err)
	}
}

func decodeData(t *testing.T, e Event) Data {
	t.Helper()
	var d Data
	var err error
	switch e.Type {
	case TypeRTT:
		d, err = e.RTT()
	case TypeLog:
		d, err = e.Log()
	case TypeDeadLetter:
		d, err = e.DeadLetter()
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// utc returns d with its instants in UTC and its lists made, so that it can be
// compared with what was decoded.
func utc(d Data) Data {
	switch d := d.(type) {
	case *RTT:
		c := *d
		c.Report.Start, c.Report.End = c.Report.Start.UTC(), c.Report.End.UTC()
		c.ICMP = append([]ICMP{}, c.ICMP...)
		c.Health.Reasons = append([]string{}, c.Health.Reasons...)
		c.Samples = slices.Clone(c.Samples)
		for i := range c.Samples {
			c.Samples[i].Sent = c.Samples[i].Sent.UTC()
		}
		return &c
	case *Log:
		c := *d
		c.Records = []Record{}
		for _, r := range d.Records {
			r.Time = r.Time.UTC()
			c.Records = append(c.Records, r)
		}
		return &c
	}
	return d
}
