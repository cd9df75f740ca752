package peek

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tinytwamp/shared/events"
)

// agree fails if the event is read otherwise than package events reads it.
func agree(t *testing.T, body []byte) (sure bool) {
	t.Helper()
	e, r, ok := Report(body)
	if !ok {
		return false
	}
	want, err := events.Decode(body)
	if err != nil {
		t.Fatalf("took what is no event: %v\n%s", err, body)
	}
	if _, err := want.RTT(); err != nil {
		t.Fatalf("took what is no report: %v\n%s", err, body)
	}
	lines := want.Lines()
	texts := r.Texts()
	if len(lines) != len(texts) {
		t.Fatalf("%d lines, want %d", len(texts), len(lines))
	}
	for i, l := range lines {
		if l.Text != texts[i] || !l.Time.Equal(e.Time) {
			t.Errorf("line is %s %q, want %s %q", e.Time, texts[i], l.Time, l.Text)
		}
	}
	if e.ID != want.ID || e.Source != want.Source || e.Type != want.Type || e.Name() != want.Name() {
		t.Errorf("event is %+v, want %+v", e, want)
	}
	if !bytes.Equal(bytes.TrimSpace(e.Data), want.Data) {
		t.Errorf("data is %s, want %s", e.Data, want.Data)
	}
	return true
}

// goldens are the events that package events keeps an example of.
func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../../../shared/events/testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	all := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(p)] = b
	}
	return all
}

func TestReportsAreReadAsPackageEventsDoes(t *testing.T) {
	for name, body := range goldens(t) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			t.Fatal(err)
		}
		isReport := bytes.Contains(body, []byte(`"`+events.TypeRTT+`"`))
		for _, b := range [][]byte{body, compact.Bytes()} {
			if agree(t, b) != isReport {
				t.Errorf("%s: sure of it is %v", name, !isReport)
			}
		}
	}
}

// Octets of a report are changed, left out, and made its end: what is still
// taken is what package events takes, with the same meaning.
func TestChangedReports(t *testing.T) {
	for name, step := range map[string]int{"twamp.v1.rtt.no-reply.json": 1, "twamp.v1.rtt.json": 11} {
		var compact bytes.Buffer
		if err := json.Compact(&compact, goldens(t)[name]); err != nil {
			t.Fatal(err)
		}
		body := compact.Bytes()
		for i := 0; i < len(body); i += step {
			agree(t, body[:i])
			agree(t, slices.Concat(body[:i], body[i+1:]))
			for _, c := range []byte("\"\\{],0-.eNx\x00\xff") {
				changed := bytes.Clone(body)
				changed[i] = c
				agree(t, changed)
			}
		}
	}
}

func TestWhatAnotherReaderCouldTakeOtherwiseIsLeftToPackageEvents(t *testing.T) {
	body := string(goldens(t)["twamp.v1.rtt.json"])
	for _, c := range []struct{ from, to string }{
		{`"source":`, `"source": "/prober/other", "source":`},
		{`"source":`, `"Source": "/prober/other", "source":`},
		{`"source":`, `"\u0073ource": "/prober/other", "source":`},
		{`"source":`, `"ſource": "/prober/other", "source":`},
		{`"sent": 2`, `"sent": 2.0`},
		{`"sent": 2`, `"sent": -2`},
		{`"sent": 2`, `"sent": 18446744073709551616`},
		{`"sent": 2`, `"sent": "2"`},
		{`"sent": 2`, `"sent": null`},
		{`"sent": 2`, `"sent": 02`},
		{`"prober": "probe-1"`, `"prober": "probe\u002d1"`},
		{`"address": "[2001:db8::7]:862"`, `"address": "core.lab:862"`},
		{`"address": "[2001:db8::7]:862"`, `"address": ""`},
	} {
		changed := bytes.Replace([]byte(body), []byte(c.from), []byte(c.to), 1)
		if bytes.Equal(changed, []byte(body)) {
			t.Fatalf("nothing to change: %s", c.from)
		}
		if agree(t, changed) {
			t.Errorf("sure of %s", c.to)
		}
	}
	for _, c := range []struct{ from, to string }{
		{`"sent": 2`, `"sent": 18446744073709551615`},
		{`"sent": 2`, `"new": [1e9, -0.5, {"a": null}, true, "\u00e9"], "sent": 2`},
		{`"received": 3`, `"received": 9`},
	} {
		if changed := bytes.Replace([]byte(body), []byte(c.from), []byte(c.to), 1); !agree(t, changed) {
			t.Errorf("not sure of %s", c.to)
		}
	}
}

func FuzzReport(f *testing.F) {
	for _, body := range goldens(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body) })
}

func BenchmarkReport(b *testing.B) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, goldens(b)["twamp.v1.rtt.json"]); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(compact.Len()))
	b.ReportAllocs()
	b.Run("peek", func(b *testing.B) {
		b.SetBytes(int64(compact.Len()))
		b.ReportAllocs()
		for b.Loop() {
			Report(compact.Bytes())
		}
	})
	b.Run("events", func(b *testing.B) {
		b.SetBytes(int64(compact.Len()))
		b.ReportAllocs()
		for b.Loop() {
			e, _ := events.Decode(compact.Bytes())
			e.Lines()
		}
	})
}
