package history

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"math/bits"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/shared/events"
)

var quiet = slog.New(slog.DiscardHandler)

// site is a journal and the history that is made of it.
type site struct {
	testing.TB
	dir     string
	limit   int
	keep    time.Duration
	source  *events.Source
	seq     uint64
	journal *journal.Journal
	store   *Store
}

const month = 31 * 24 * time.Hour

func newSite(t testing.TB) *site {
	s := &site{TB: t, dir: t.TempDir(), keep: month, source: events.NewSource("prober", "p1")}
	s.open()
	t.Cleanup(func() { s.close() })
	return s
}

func (s *site) history() string { return filepath.Join(s.dir, "history") }

// open opens both, as a logger that starts.
func (s *site) open() {
	s.Helper()
	var err error
	s.journal, err = journal.Open(journal.Options{Dir: s.dir, RotateSize: 1 << 20, CompressAge: time.Nanosecond}, quiet)
	if err != nil {
		s.Fatal(err)
	}
	o := Options{Journal: s.journal, Keep: s.keep, Limit: s.limit, Metrics: prometheus.NewRegistry()}
	if s.store, err = Open(s.history(), o, quiet); err != nil {
		s.Fatal(err)
	}
}

func (s *site) close() {
	s.Helper()
	if s.store == nil {
		return
	}
	s.store.closeCursor()
	if err := s.store.Close(); err != nil {
		s.Error(err)
	}
	if err := s.journal.Close(); err != nil {
		s.Error(err)
	}
	s.store = nil
}

func (s *site) restart() {
	s.Helper()
	s.close()
	s.open()
}

// report makes a report that covers a time, with round-trip times of the
// received packets and the same one-way delays.
func report(start time.Time, length time.Duration, values ...int64) *events.RTT {
	r := &events.RTT{
		Target:  events.Target{Name: "core", Address: netip.MustParseAddrPort("192.0.2.1:862"), Labels: map[string]string{"site": "lab"}},
		Session: events.Session{Mode: "stamp", IntervalNs: int64(time.Second)},
		Report:  events.Report{Kind: events.ReportInterval, Start: start, End: start.Add(length)},
		Sent:    uint64(len(values)), Received: uint64(len(values)),
	}
	if len(values) > 0 {
		r.RTT = delayOf(values)
		r.Forward = &events.OneWay{Delay: *delayOf(values), Valid: true}
		r.Backward = &events.OneWay{Delay: *delayOf(values), Valid: true}
	}
	return r
}

// packer is one for all: it is large, and no two tests run at once.
var packer = zlib.NewWriter(nil)

// delayOf makes a delay whose histogram is written as the HdrHistogram libraries
// do, which takes a millisecond. shared/paths is tested with theirs.
func delayOf(values []int64) *events.Delay {
	values = slices.Sorted(slices.Values(values))
	base, at, plain := values[0], int64(0), []byte(nil)
	for len(values) > 0 {
		bucket := hdrBucket(values[0] - base)
		n := 1
		for n < len(values) && hdrBucket(values[n]-base) == bucket {
			n++
		}
		if bucket > at {
			plain = binary.AppendVarint(plain, at-bucket)
		}
		plain = binary.AppendVarint(plain, int64(n))
		at, values = bucket+1, values[n:]
	}
	header := binary.BigEndian.AppendUint32(nil, 0x1c849303|0x10)
	header = binary.BigEndian.AppendUint32(header, uint32(len(plain)))
	header = append(header, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1)
	header = append(header, make([]byte, 16)...)
	var packed bytes.Buffer
	packer.Reset(&packed)
	packer.Write(header)
	packer.Write(plain)
	packer.Close()
	outer := binary.BigEndian.AppendUint32(nil, 0x1c849304|0x10)
	outer = binary.BigEndian.AppendUint32(outer, uint32(packed.Len()))
	text := base64.StdEncoding.EncodeToString(append(outer, packed.Bytes()...))
	return &events.Delay{Histogram: &events.Histogram{BaseNs: base, HDR: text}}
}

// hdrBucket is the bucket of a value in an HDR histogram of 3 digits.
func hdrBucket(v int64) int64 {
	shift := max(bits.Len64(uint64(v))-11, 0)
	return int64(shift)*1024 + v>>shift
}

// entry is a report as the journal takes it.
func (s *site) entry(r *events.RTT) journal.Entry {
	s.Helper()
	e, err := s.source.Encode(time.Now(), r)
	if err != nil {
		s.Fatal(err)
	}
	s.seq++
	return journal.Entry{ID: e.ID, Record: journal.Record{Seq: s.seq, Time: time.Now(), Subject: e.Subject, Event: e.Body}}
}

// put has the journal take entries.
func (s *site) put(list ...journal.Entry) {
	s.Helper()
	if _, err := s.journal.Append(list); err != nil {
		s.Fatal(err)
	}
}

// add has the journal take reports.
func (s *site) add(list ...*events.RTT) {
	s.Helper()
	entries := make([]journal.Entry, len(list))
	for i, r := range list {
		entries[i] = s.entry(r)
	}
	for len(entries) > 0 {
		n := min(len(entries), 500)
		s.put(entries[:n]...)
		entries = entries[n:]
	}
}

// catchUp brings the history up to date.
func (s *site) catchUp() {
	s.Helper()
	for more := true; more; {
		var err error
		if more, _, err = s.store.step(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
}

// path is the only one.
func (s *site) path() Path {
	s.Helper()
	all := s.store.Paths()
	if len(all) != 1 {
		s.Fatalf("%d paths", len(all))
	}
	return all[0]
}

// series is that of the only path.
func (s *site) series(from, to time.Time, points int) Series {
	s.Helper()
	series, err := s.store.Series(s.path().ID, from, to, points)
	if err != nil {
		s.Fatal(err)
	}
	return series
}

// sum are the packets and reports of all points.
func sum(points []Point) (sent uint64, reports int) {
	for _, p := range points {
		sent += p.Sent
		reports += p.Reports
	}
	return sent, reports
}

func (s *site) left(reason string) float64 {
	return testutil.ToFloat64(s.store.metrics.left.WithLabelValues(reason))
}

// size is that of the database.
func (s *site) size() int64 {
	s.Helper()
	info, err := os.Stat(filepath.Join(s.history(), fileName))
	if err != nil {
		s.Fatal(err)
	}
	return info.Size()
}

func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
