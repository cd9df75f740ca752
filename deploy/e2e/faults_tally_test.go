package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
)

// tally is where the events are in the end.
type tally struct {
	accepted map[string]bool     // by id
	files    map[string]int      // how often each is in the files
	events   []events.Event      // in the files
	stream   map[string][]string // the messages of the stream that hold each
	retried  int                 // messages that say that they are not the first try
}

// finish ends all but the servers, in the order in which nothing need be left
// undone.
func (r *rig) finish() tally {
	r.Helper()
	for _, p := range r.publishers() { // the reflector last: the prober waits for its answers
		if p.cmd == nil {
			continue
		}
		p.stop()
		if left := readOutbox(r.T, p.outbox); len(left) > 0 {
			r.Errorf("%s has ended well with %d records in its outbox", p.name, len(left))
		}
	}
	r.waitKept()
	t := tally{accepted: r.accepted, files: map[string]int{}}
	t.stream, t.retried = r.readStream()
	for i, p := range r.loggers {
		p.stop()
		for _, e := range r.export(r.data[i]) {
			t.files[e.ID]++
			t.events = append(t.events, e)
		}
	}
	return t
}

// wantOnce wants each event in the files once: what was accepted, what is in the
// stream, and every number of a process that has made later events.
func (r *rig) wantOnce(t tally) {
	r.Helper()
	twice := 0
	for id, n := range t.files {
		if n > 1 {
			r.Errorf("event %s is %d times in the files, and in the stream as %q", id, n, t.stream[id])
		}
	}
	for id := range t.accepted {
		if t.files[id] == 0 {
			r.Errorf("event %s was accepted, and is not in the files; in the stream it is %q", id, t.stream[id])
		}
	}
	for id, messages := range t.stream {
		twice += len(messages) - 1
		if t.files[id] == 0 {
			r.Errorf("event %s is in the stream, and not in the files", id)
		}
	}
	for process, numbers := range t.gaps() {
		r.Errorf("process %s: its events %v are not in the files, and later ones are", process, numbers)
	}
	r.Logf("FIGURE: %s: %d events accepted by the ledger, %d in the files once, %d retried, %d twice in the stream and dropped",
		r.Name(), len(t.accepted), len(t.files), t.retried, twice)
	if len(t.files) == 0 || len(t.accepted) == 0 {
		r.Error("nothing was tested")
	}
}

// atOnce is how many events a process may be making in one moment. A kill in that
// moment can leave one accepted, and not the one before it.
const atOnce = 4

// gaps are the numbers that are missing of each process, up to where those begin
// that it was making in its last moment.
func (t tally) gaps() map[string][]uint64 {
	numbers := map[string]map[uint64]bool{}
	for id := range t.files {
		process, n := cutID(id)
		if numbers[process] == nil {
			numbers[process] = map[uint64]bool{}
		}
		numbers[process][n] = true
	}
	gaps := map[string][]uint64{}
	for process, seen := range numbers {
		for n := uint64(1); len(seen) >= atOnce; n++ {
			if !seen[n] {
				gaps[process] = append(gaps[process], n)
			}
			delete(seen, n)
		}
	}
	return gaps
}

// cutID returns the part of an id that names the process, and the event's number.
func cutID(id string) (process string, number uint64) {
	i := strings.LastIndexByte(id, '-')
	number, err := strconv.ParseUint(id[i+1:], 10, 64)
	if err != nil {
		panic("id without a number: " + id)
	}
	return id[:i], number
}

// export returns the events in a logger's folder, as a person would get them.
func (r *rig) export(data string) (list []events.Event) {
	r.Helper()
	c := exec.Command(binary("logger"), "export", "-data", data)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil || stderr.Len() > 0 {
		r.Fatalf("logger export: %v: %s", err, &stderr)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 2<<20)
	for lines.Scan() {
		e, err := events.Decode(lines.Bytes())
		if err != nil {
			r.Fatal(err)
		}
		list = append(list, e)
	}
	if err := lines.Err(); err != nil {
		r.Fatal(err)
	}
	return list
}

// jetStream is a way to the stream beside that of the services.
func (r *rig) jetStream() jetstream.JetStream {
	r.Helper()
	nc, err := nats.Connect(r.url(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		r.Fatal(err)
	}
	return js
}

// waitKept waits until the loggers have acknowledged all that is in the stream
// for them.
func (r *rig) waitKept() {
	r.Helper()
	js := r.jetStream()
	for _, p := range r.loggers {
		eventually(r.T, time.Minute, "all messages acknowledged by "+p.name, func() string {
			ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
			defer cancel()
			consumer, err := js.Consumer(ctx, events.StreamName, p.name)
			if err != nil {
				return err.Error()
			}
			info := consumer.CachedInfo()
			if info.NumPending > 0 || info.NumAckPending > 0 {
				return fmt.Sprintf("%d were not handed out, %d not acknowledged", info.NumPending, info.NumAckPending)
			}
			return ""
		})
	}
}

// readStream reads the whole stream.
func (r *rig) readStream() (ids map[string][]string, retried int) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	js := r.jetStream()
	stream, err := js.Stream(ctx, events.StreamName)
	if err != nil {
		r.Fatal(err)
	}
	ids = map[string][]string{}
	total := stream.CachedInfo().State.Msgs
	if total == 0 {
		return ids, 0
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		r.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		r.Fatal(err)
	}
	defer messages.Stop()
	for range total {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			r.Fatalf("reading the stream: %v", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			r.Fatal(err)
		}
		id, attempt := m.Headers().Get(jetstream.MsgIDHeader), m.Headers().Get(bus.HeaderAttempt)
		ids[id] = append(ids[id], fmt.Sprintf("message %d, try %s", meta.Sequence.Stream, cmp.Or(attempt, "1")))
		if attempt != "" {
			retried++
		}
	}
	return ids, retried
}
