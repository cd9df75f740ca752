package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tinytwamp/services/logger/internal/export"
	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

// header is what programs of users rely on: it only grows, at its end.
const header = "time,prober,target,address,source,ssid,mode,report,start,end,planned,sent,received,late,lost,lost_forward,lost_backward,duplicates,reordered," +
	"rtt_min_ns,rtt_mean_ns,rtt_stddev_ns,rtt_p50_ns,rtt_p90_ns,rtt_p95_ns,rtt_p99_ns,rtt_p999_ns,rtt_max_ns,rtt_jitter_ns," +
	"forward_min_ns,forward_mean_ns,forward_stddev_ns,forward_p50_ns,forward_p90_ns,forward_p95_ns,forward_p99_ns,forward_p999_ns,forward_max_ns,forward_jitter_ns,forward_valid," +
	"backward_min_ns,backward_mean_ns,backward_stddev_ns,backward_p50_ns,backward_p90_ns,backward_p95_ns,backward_p99_ns,backward_p999_ns,backward_max_ns,backward_jitter_ns,backward_valid," +
	"processing_min_ns,processing_mean_ns,processing_stddev_ns,processing_p50_ns,processing_p90_ns,processing_p95_ns,processing_p99_ns,processing_p999_ns,processing_max_ns,processing_jitter_ns," +
	"hops_forward,hops_backward,remarked,suspect,reasons,id"

var begin = time.Date(2026, 3, 29, 14, 0, 0, 0, time.UTC)

// day is a folder of 60 events, one a minute: reports of two probers on two
// targets in turn, and every third one a test log. The first files of it are
// compressed, the last one is being written.
func day(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		o := journal.Options{Dir: dir, RotateSize: 30_000, CompressAge: 10 * time.Minute}
		j, err := journal.Open(o, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		for n := range 60 {
			at := begin.Add(time.Duration(n) * time.Minute)
			name := fmt.Sprintf("p%d", n%2)
			var data events.Data = &events.RTT{
				Prober: name,
				Target: events.Target{Name: fmt.Sprintf("core-%d", n/2%2), Host: "core.example", Address: netip.MustParseAddrPort(fmt.Sprintf("[2001:db8::%d]:862", n/2%2))},
				Report: events.Report{Kind: events.ReportRun, Start: at, End: at},
				Sent:   10, Received: uint64(n),
			}
			if n%3 == 2 {
				data = &events.Log{Service: "prober"}
			}
			e, err := events.NewSource("prober", name).Encode(at, data)
			if err != nil {
				t.Fatal(err)
			}
			record := journal.Record{Seq: uint64(n + 1), Time: at.Add(time.Second), Subject: e.Subject, Event: e.Body}
			if _, err := j.Append([]journal.Entry{{Record: record, ID: e.ID}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if err := j.Compress(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := j.Stats(); s.Compressed == 0 || s.Compressed >= s.Files-1 {
			t.Fatalf("%+v: not of every kind", s)
		}
	})
	return dir
}

func run(t *testing.T, dir string, q export.Query, format string) (string, export.Result) {
	t.Helper()
	var out bytes.Buffer
	result, err := export.Run(t.Context(), dir, q, format, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), result
}

func TestWhatIsAskedForIsPrinted(t *testing.T) {
	dir := day(t)
	hour := begin.Add(time.Hour)
	for _, c := range []struct {
		name  string
		query export.Query
		want  int
	}{
		{"all", export.Query{}, 60},
		{"reports", export.Query{Types: []string{events.TypeRTT}}, 40},
		{"reports and logs", export.Query{Types: []string{events.TypeRTT, events.TypeLog}}, 60},
		{"dead letters", export.Query{Types: []string{events.TypeDeadLetter}}, 0},
		{"of a prober", export.Query{Name: "p1"}, 30},
		{"on a target, by name", export.Query{Target: "core-1"}, 20},
		{"on a target, by address", export.Query{Target: "2001:db8::1"}, 20},
		{"on a target, by address and port", export.Query{Target: "[2001:db8::1]:862"}, 20},
		{"on a target, by host", export.Query{Target: "core.example"}, 40},
		{"from", export.Query{From: begin.Add(50 * time.Minute)}, 10},
		{"to", export.Query{To: begin.Add(10 * time.Minute)}, 10},
		{"between", export.Query{From: begin.Add(10 * time.Minute), To: begin.Add(20 * time.Minute)}, 10},
		{"later", export.Query{From: hour}, 0},
		{"all of it", export.Query{From: begin, To: hour, Types: []string{events.TypeRTT}, Name: "p0", Target: "core-0"}, 10},
	} {
		text, result := run(t, dir, c.query, export.NDJSON)
		if n := strings.Count(text, "\n"); n != c.want || result.Events != uint64(c.want) || result.Damaged != 0 {
			t.Errorf("%s: %d lines, %+v; want %d", c.name, n, result, c.want)
		}
		for line := range strings.Lines(text) {
			if _, err := events.Decode([]byte(line)); err != nil {
				t.Fatalf("%s: %v: %s", c.name, err, line)
			}
		}
	}
}

// one is a folder of one report, as given.
func one(t *testing.T, body []byte) string {
	t.Helper()
	dir := t.TempDir()
	var event bytes.Buffer
	if err := json.Compact(&event, body); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`{"seq":1,"time":"2026-03-29T14:09:02Z","subject":"x","event":%s}`+"\n", event.Bytes())
	if err := os.WriteFile(filepath.Join(dir, "20260329T140901.000Z-00000000000000000001.ndjson"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../../../shared/events/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestColumns(t *testing.T) {
	text, _ := run(t, one(t, golden(t, "twamp.v1.rtt.json")), export.Query{}, export.CSV)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	if got := strings.Join(rows[0], ","); !strings.HasPrefix(got, header) {
		t.Errorf("columns changed:\n%s\nwant\n%s", got, header)
	}
	var e struct {
		Data struct {
			RTT, Forward map[string]any
			Sent         json.Number
			LostForward  json.Number `json:"lost_forward"`
		}
	}
	d := json.NewDecoder(bytes.NewReader(golden(t, "twamp.v1.rtt.json")))
	d.UseNumber()
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	for i, name := range rows[0] {
		got := rows[1][i]
		want, check := "", true
		switch name {
		case "time":
			want = "2026-03-29T14:09:01.123456789Z"
		case "address":
			want = "[2001:db8::7]:862"
		case "sent":
			want = e.Data.Sent.String()
		case "lost_forward":
			want = e.Data.LostForward.String()
		case "rtt_p99_ns":
			want = fmt.Sprint(e.Data.RTT["p99_ns"])
		case "forward_max_ns":
			want = fmt.Sprint(e.Data.Forward["max_ns"])
		case "id":
			want = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-42"
		default:
			check = false
		}
		if check && got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		if got == "" {
			t.Errorf("%s is empty in an event that has everything", name)
		}
	}
}

func TestWhatWasNotMeasuredIsEmpty(t *testing.T) {
	text, _ := run(t, one(t, golden(t, "twamp.v1.rtt.no-reply.json")), export.Query{}, export.CSV)
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	for i, name := range rows[0] {
		if strings.HasPrefix(name, "rtt_") && rows[1][i] != "" {
			t.Errorf("%s is %q without a reply", name, rows[1][i])
		}
	}
}

func TestWhatCameFromTheNetworkIsEscapedInCSV(t *testing.T) {
	body := bytes.Replace(golden(t, "twamp.v1.rtt.json"), []byte(`"core.lab"`), []byte(`"=cmd()\u001b[2J\n"`), 1)
	text, _ := run(t, one(t, body), export.Query{}, export.CSV)
	if strings.Contains(text, "\x1b") || !strings.Contains(text, `""=cmd()\x1b[2J\n""`) || strings.Count(text, "\n") != 2 {
		t.Errorf("%q", text)
	}
}

func TestDamagedLinesAreCounted(t *testing.T) {
	dir := day(t)
	files, err := journal.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(files[len(files)-2], os.O_WRONLY, 0) // a plain one
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("\x00\x00"), 10)
	f.Close()
	text, result := run(t, dir, export.Query{}, export.NDJSON)
	if result.Damaged != 1 || !errors.Is(result.Fault, journal.ErrLine) || strings.Count(text, "\n") != 59 {
		t.Errorf("%+v, %d lines", result, strings.Count(text, "\n"))
	}
}

// A file that cannot be read is no damaged line: who asked has not got it all.
func TestFileThatCannotBeReadIsAFault(t *testing.T) {
	dir := day(t)
	all, _ := run(t, dir, export.Query{}, export.NDJSON)
	files, err := journal.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], []byte("no zstd"), 0o600); err != nil { // a compressed one
		t.Fatal(err)
	}
	text, result := run(t, dir, export.Query{}, export.NDJSON)
	if result.Unread == nil || result.Damaged != 0 {
		t.Errorf("%+v", result)
	}
	if text == "" || !strings.HasSuffix(all, text) {
		t.Error("the other files are not there")
	}
}
