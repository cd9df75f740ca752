package reflector

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"tinytwamp/shared/events"
	"tinytwamp/shared/stamp"
)

// noteQueue bounds the notes on their way from the packet loop. The rest is
// counted as omitted.
const noteQueue = 1024

// share bounds the records of a kind in one event, which goes out once a
// second: a flood of one kind leaves the others their room, and the event is
// not too large for a NATS server. The rest is counted as omitted.
func share(kind events.RecordKind) int {
	switch kind {
	case events.PacketReceived, events.ResponseSent:
		return 256
	case events.ResultReceived:
		return 128
	case events.ControlOpened, events.ControlRefused, events.ControlClosed, events.SessionRefused:
		return 32
	default:
		return 64
	}
}

// Logging says which packets the test log follows: the least time between two
// of a session, in ns.
type Logging int64

// What -log-packets can be.
const (
	LogAll     Logging = 0
	LogSampled Logging = Logging(900 * time.Millisecond) // all of a sender that sends one a second, more or less
	LogOff     Logging = math.MaxInt64
)

// UnmarshalText reads the setting.
func (l *Logging) UnmarshalText(b []byte) error {
	switch string(b) {
	case "off":
		*l = LogOff
	case "sampled":
		*l = LogSampled
	case "all":
		*l = LogAll
	default:
		return errors.New("must be off, sampled or all")
	}
	return nil
}

// note is a record as the packet loop hands it over: of a fixed size, so that
// it costs no allocation.
type note struct {
	time        int64
	kind        events.RecordKind
	peer, local netip.AddrPort
	ssid        uint16
	sequence    uint32
	size        int
	messageLen  int
	message     [stamp.MaxMessage]byte
}

func (n *note) record() events.Record {
	r := events.Record{
		Time: time.Unix(0, n.time).UTC(), Kind: n.kind, Peer: n.peer, Local: n.local, SSID: n.ssid,
		Size: n.size, Message: string(n.message[:n.messageLen]),
	}
	if n.kind != events.SessionOpened {
		r.Sequence = new(n.sequence)
	}
	return r
}

// testLog gathers records, writes each as a readable line, and sends them on
// in batches.
type testLog struct {
	line    func(at time.Time, kind, text string)
	publish func(at time.Time, l *events.Log)

	notes   chan *note
	free    chan *note // notes for reuse
	results chan events.Record
	omitted atomic.Uint64 // since the last flush
	cut     atomic.Uint64 // omitted before that
	opened  atomic.Int64  // sessions since the last flush

	// owned by run
	batch []events.Record
	of    map[events.RecordKind]int // records in batch by kind
}

func newTestLog(line func(time.Time, string, string), publish func(time.Time, *events.Log)) *testLog {
	l := &testLog{
		line:    line,
		publish: publish,
		notes:   make(chan *note, noteQueue),
		free:    make(chan *note, noteQueue),
		results: make(chan events.Record, noteQueue),
		of:      make(map[events.RecordKind]int),
	}
	for range noteQueue {
		l.free <- new(note)
	}
	return l
}

// session notes a new session, or says that there are too many to note this one
// and its first packet. Here, and not only when the notes are taken: a flood of
// new sessions is not to keep the packet loop busy with notes.
func (l *testLog) session(at int64, k key) bool {
	if l.opened.Add(1) > int64(share(events.SessionOpened)) {
		l.omitted.Add(1)
		return false
	}
	l.packet(events.SessionOpened, at, k, 0, nil, 0)
	return true
}

// packet notes a request, a reply, or (without octets) a new session. A
// message is behind the base packet. It never waits.
func (l *testLog) packet(kind events.RecordKind, at int64, k key, sequence uint32, pkt []byte, base int) {
	select {
	case n := <-l.free:
		n.time, n.kind, n.peer, n.local, n.ssid = at, kind, k.peer, k.local, k.ssid
		n.sequence, n.size = sequence, len(pkt)
		n.messageLen = 0
		if kind == events.PacketReceived {
			n.messageLen = copy(n.message[:], message(pkt, base))
		}
		l.notes <- n // has room: there are as many notes as places
	default:
		l.omitted.Add(1)
	}
}

// skipped counts a request and its reply that the log does not follow.
func (l *testLog) skipped() { l.omitted.Add(2) }

// record takes a record that does not come from the packet loop. It never
// waits.
func (l *testLog) record(r events.Record) {
	select {
	case l.results <- r:
	default:
		l.omitted.Add(1)
	}
}

// run writes and sends records until ctx ends, and then takes what is left;
// the last flush is the caller's. Once a second it asks more for the records of
// what was only counted.
func (l *testLog) run(ctx context.Context, more func(now time.Time, add func(events.Record))) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case n := <-l.notes:
			l.addNote(n)
		case r := <-l.results:
			l.add(r)
		case now := <-tick.C:
			more(now, l.add)
			l.flush(now)
		case <-ctx.Done():
			l.takeAll()
			return
		}
	}
}

// takeAll takes what waits.
func (l *testLog) takeAll() {
	for {
		select {
		case n := <-l.notes:
			l.addNote(n)
		case r := <-l.results:
			l.add(r)
		default:
			return
		}
	}
}

func (l *testLog) addNote(n *note) {
	if l.hasRoom(n.kind) {
		l.put(n.record())
	}
	l.free <- n
}

func (l *testLog) add(r events.Record) {
	if l.hasRoom(r.Kind) {
		l.put(r)
	}
}

// hasRoom says whether there is room for a record, and counts it as omitted
// where there is none.
func (l *testLog) hasRoom(kind events.RecordKind) bool {
	if l.of[kind] == share(kind) {
		l.omitted.Add(1)
		return false
	}
	return true
}

func (l *testLog) put(r events.Record) {
	l.of[r.Kind]++
	l.batch = append(l.batch, r)
	l.line(r.Time, string(r.Kind), r.Text())
}

func (l *testLog) flush(now time.Time) {
	l.opened.Store(0)
	omitted := l.omitted.Swap(0)
	l.cut.Add(omitted)
	if len(l.batch) == 0 && omitted == 0 {
		return
	}
	l.publish(now, &events.Log{Service: "reflector", Records: l.batch, Omitted: omitted})
	l.batch = l.batch[:0]
	clear(l.of)
}
