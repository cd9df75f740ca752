package e2e

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// rig is the whole system on this machine, each part a process, and a ledger of
// the events that were accepted.
type rig struct {
	*testing.T
	dir        string
	urls       []string // of the NATS servers
	servers    []*program
	reflector  *program
	prober     *program
	loggers    []*program
	data       []string // the loggers' folders
	generators []*program

	mu       sync.Mutex
	accepted map[string]bool // by id
}

func newRig(t *testing.T) *rig {
	return &rig{T: t, dir: t.TempDir(), accepted: map[string]bool{}}
}

// url is where all NATS servers are.
func (r *rig) url() string { return strings.Join(r.urls, ",") }

// measure adds a reflector, and a prober that tests it on five addresses, both
// with much to tell.
func (r *rig) measure(proberArgs ...string) {
	r.Helper()
	port := freePort(r.T)
	targets := make([]string, 5)
	for i := range targets {
		targets[i] = "127.0.0." + strconv.Itoa(i+1) + ":" + port
	}
	r.reflector = r.service("reflector", "-listen", "0.0.0.0:"+port, "-control-listen=", "-log-packets", "all")
	r.prober = r.service("prober", append([]string{
		"-targets", strings.Join(targets, ","), "-continuous", "-report-interval", "1s", "-interval", "50ms", "-quiet",
	}, proberArgs...)...)
}

// service adds a service that publishes out of an outbox.
func (r *rig) service(name string, args ...string) *program {
	p := r.program(name, binary(name))
	p.admin, p.outbox = freeAddress(r.T), filepath.Join(r.dir, name)
	p.args = append([]string{
		"-name", name, "-nats-url", r.url(), "-outbox", p.outbox, "-admin", p.admin,
		"-log-file", filepath.Join(r.dir, name+".txt"),
	}, args...)
	return p
}

// logger adds a logger with a name, which is its durable's and its folder's, too.
func (r *rig) logger(name string, args ...string) *program {
	p := r.program(name, binary("logger"))
	data := filepath.Join(r.dir, name)
	p.admin = freeAddress(r.T)
	p.args = append([]string{
		"-name", name, "-consumer", name, "-nats-url", r.url(), "-data", data, "-admin", p.admin,
		"-rotate-size", "256KiB", "-compress-age", "1ms", "-log-file", filepath.Join(r.dir, name+".txt"),
	}, args...)
	r.loggers, r.data = append(r.loggers, p), append(r.data, data)
	return p
}

// publishers are all who have events to tell.
func (r *rig) publishers() []*program {
	list := slices.Clone(r.generators)
	for _, p := range []*program{r.prober, r.reflector} {
		if p != nil {
			list = append(list, p)
		}
	}
	return list
}

func (r *rig) all() []*program { return slices.Concat(r.servers, r.loggers, r.publishers()) }

// start starts all that does not run.
func (r *rig) start() {
	r.Helper()
	for _, p := range r.all() {
		p.start()
	}
}

// kill kills programs in one moment with SIGKILL, and takes down what their
// outboxes hold: all that had been accepted and not been delivered.
func (r *rig) kill(programs ...*program) {
	r.Helper()
	for _, p := range programs {
		p.strike()
	}
	for _, p := range programs {
		p.gone()
		if p.outbox != "" {
			for _, rec := range readOutbox(r.T, p.outbox) {
				r.accept(rec.id)
			}
		}
	}
}

func (r *rig) accept(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accepted[id] = true
}

// waitAccepted waits until n more events were accepted than now.
func (r *rig) waitAccepted(n int) {
	r.Helper()
	count := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.accepted)
	}
	want := count() + n
	eventually(r.T, time.Minute, strconv.Itoa(n)+" more events accepted", func() string {
		if got := count(); got < want {
			return strconv.Itoa(want-got) + " are missing"
		}
		return ""
	})
}

// seeded returns a random source, whose seed is told: E2E_SEED makes it anew.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("E2E_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("E2E_SEED must be a number: %v", err)
		}
	}
	t.Logf("FIGURE: E2E_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// pause waits for any time up to longest: what is killed then is at any point of
// its work.
func pause(random *rand.Rand, longest time.Duration) {
	time.Sleep(time.Duration(random.Int64N(int64(longest))))
}

// outboxRecord is a record in a publisher's outbox.
type outboxRecord struct {
	id   string
	done bool
}

// readOutbox reads the outbox of a process that has ended, by its format (see
// shared/bus/record.go). Only the last record may be torn.
func readOutbox(t *testing.T, dir string) (list []outboxRecord) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.events"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	for i, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			rec, rest, ok := cutRecord(b)
			if !ok {
				if i < len(files)-1 || bytes.Contains(b[1:], recordMark) {
					t.Errorf("%s is damaged: %d octets before its end there is no record, %.60q", file, len(b), b)
				}
				break
			}
			if b = rest; rec.id != "" { // an empty one only tries the disk
				list = append(list, rec)
			}
		}
	}
	return list
}

var recordMark = []byte("\xf5ev\x01")

func cutRecord(b []byte) (rec outboxRecord, rest []byte, ok bool) {
	const header = 28
	if len(b) < header || !bytes.HasPrefix(b, recordMark) {
		return rec, nil, false
	}
	number := func(b []byte) (n int) {
		for _, octet := range b {
			n = n<<8 | int(octet)
		}
		return n
	}
	end := header + number(b[4:8]) + number(b[20:22]) + number(b[22:23])
	if len(b) < end || number(b[16:20]) != int(crc32.Checksum(b[header:end], crc32.MakeTable(crc32.Castagnoli))) {
		return rec, nil, false
	}
	return outboxRecord{id: string(b[header : header+int(b[22])]), done: b[23] == 0xff}, b[end:], true
}
