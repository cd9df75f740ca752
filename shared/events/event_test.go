package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Numbers of a source run without gaps, also when many goroutines encode and
// some of what they encode fails.
func TestSequenceIsGapless(t *testing.T) {
	const workers, each = 8, 200
	s := NewSource("reflector", "r1")
	never := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	seen := make(map[string]bool)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := s.Encode(never, &Log{}); err == nil {
					t.Error("a year that RFC 3339 cannot write was encoded")
				}
				e, err := s.Encode(at, &Log{})
				if err != nil {
					t.Error(err)
					return
				}
				d, err := Decode(e.Body)
				if err != nil || d.ID != e.ID {
					t.Errorf("id %q is %q in the body: %v", e.ID, d.ID, err)
				}
				mu.Lock()
				seen[d.Sequence] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i := 1; i <= workers*each; i++ {
		if !seen[fmt.Sprintf("%020d", i)] {
			t.Errorf("number %d is missing", i)
		}
	}
}

// Two processes under one name, or one after its restart, make different ids.
func TestIDsAreUniqueAcrossSources(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		s := NewSource("prober", "same")
		for n := 1; n <= 3; n++ {
			e, err := s.Encode(at, &Log{})
			if err != nil {
				t.Fatal(err)
			}
			run, number, _ := strings.Cut(e.ID, "-")
			if len(run) < 26 || number != strconv.Itoa(n) || seen[e.ID] {
				t.Errorf("id %q, seen before: %v", e.ID, seen[e.ID])
			}
			seen[e.ID] = true
		}
	}
}

func TestEncodedSubject(t *testing.T) {
	s := NewSource("prober", "lab probe")
	r := noReplyRTT()
	r.Prober = "somebody else"
	for want, d := range map[string]Data{
		RTTSubject("lab-probe", "gone", netip.MustParseAddrPort("192.0.2.9:862")): r,
		"twamp.v1.log.lab-probe": &Log{},
		"twamp.v1.dlq.lab-probe": &DeadLetter{},
	} {
		e, err := s.Encode(at, d)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := Decode(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		// The name in the subject is the name of the source, which the logger checks.
		if name, ok := SubjectName(e.Subject); e.Subject != want || !ok || name != decoded.Name() || name != s.Name() {
			t.Errorf("subject %q, want %q; its name %q, the source's %q", e.Subject, want, name, decoded.Name())
		}
	}
}

func TestDecodeHoldsToCloudEvents(t *testing.T) {
	attributes := func(change map[string]any) []byte {
		e := map[string]any{"specversion": "1.0", "id": "1", "source": "/prober/p", "type": TypeLog, "data": map[string]any{"service": "prober"}}
		for k, v := range change {
			if e[k] = v; v == nil {
				delete(e, k)
			}
		}
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	accepted := map[string][]byte{
		"the least":             attributes(nil),
		"unknown attributes":    attributes(map[string]any{"traceparent": "00-ab", "partitionkey": "x"}),
		"unknown type":          attributes(map[string]any{"type": "com.example.x"}),
		"a field of the future": attributes(map[string]any{"data": map[string]any{"service": "prober", "new": 1}}),
	}
	for name, body := range accepted {
		if _, err := Decode(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	rejected := map[string][]byte{
		"nothing":            nil,
		"not JSON":           []byte("{"),
		"null":               []byte("null"),
		"a list":             []byte("[]"),
		"two values":         append(attributes(nil), attributes(nil)...),
		"no id":              attributes(map[string]any{"id": nil}),
		"empty id":           attributes(map[string]any{"id": ""}),
		"no source":          attributes(map[string]any{"source": nil}),
		"no type":            attributes(map[string]any{"type": nil}),
		"no specversion":     attributes(map[string]any{"specversion": nil}),
		"another version":    attributes(map[string]any{"specversion": "0.3"}),
		"id of another type": attributes(map[string]any{"id": 1}),
		"bad time":           attributes(map[string]any{"time": "yesterday"}),
	}
	for name, body := range rejected {
		if _, err := Decode(body); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestDataErrors(t *testing.T) {
	good := Event{Type: TypeLog, DataContentType: "application/json; charset=utf-8", Data: []byte(`{"service":"x"}`)}
	if l, err := good.Log(); err != nil || l.Service != "x" {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := good.RTT(); !errors.Is(err, ErrData) {
		t.Errorf("log read as a report: %v", err)
	}
	for name, e := range map[string]Event{
		"no data":      {Type: TypeLog},
		"null":         {Type: TypeLog, Data: []byte("null")},
		"another form": {Type: TypeLog, Data: []byte(`"x"`)},
		"XML":          {Type: TypeLog, DataContentType: "application/xml", Data: []byte(`"x"`)},
	} {
		if _, err := e.Log(); !errors.Is(err, ErrData) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEventName(t *testing.T) {
	for source, want := range map[string]string{
		"/prober/lab-1":   "lab-1",
		"/logger/a":       "a",
		"prober/lab-1":    "",
		"/prober":         "",
		"/prober/":        "",
		"/prober/a/b":     "",
		"//a":             "",
		"/prober/a b":     "",
		"https://x.org/a": "",
	} {
		if got := (Event{Source: source}).Name(); got != want {
			t.Errorf("name of %q is %q, want %q", source, got, want)
		}
	}
}

// Nothing that comes over the bus makes the readers fail other than by an
// error, and no line holds anything but printable characters.
func FuzzDecode(f *testing.F) {
	for _, g := range goldens {
		e, err := goldenSource().Encode(at, g.data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.Body)
	}
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/a/b","type":"twamp.v1.log","data":{"service":"\u001b[31m","records":[{"kind":"x","peer":"[fe80::1%\u0007]:1"}],"omitted":1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := Decode(body)
		if err != nil {
			return
		}
		e.Name()
		for _, line := range e.Lines() {
			checkPrintable(t, line.Text)
			checkPrintable(t, line.Kind)
		}
	})
}
