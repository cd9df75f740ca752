package logger_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"tinytwamp/services/logger/internal/journal"
	"tinytwamp/services/logger/internal/logger"
	"tinytwamp/shared/bus"
	"tinytwamp/shared/events"
	"tinytwamp/shared/service"
)

// The test binary is a logger itself when these are set: one to be killed.
const (
	childDir = "LOGGER_TEST_DIR"
	childURL = "LOGGER_TEST_URL"
	childEnd = "LOGGER_TEST_END" // it kills itself after so many batches; 0: never
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		batches, _ := strconv.Atoi(os.Getenv(childEnd))
		fmt.Fprintln(os.Stderr, child(dir, os.Getenv(childURL), batches))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// doomed is a journal whose process is killed once a batch is written and
// before it is acknowledged.
type doomed struct {
	*journal.Journal
	left int
}

func (j *doomed) Append(batch []journal.Entry) ([]bool, error) {
	stored, err := j.Journal.Append(batch)
	if j.left--; j.left == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return stored, err
}

func child(dir, url string, batches int) error {
	j, err := journal.Open(journal.Options{Dir: dir, RotateSize: 32 << 10, CompressAge: time.Millisecond}, quiet)
	if err != nil {
		return err
	}
	client, err := bus.Open(bus.Settings{URL: service.URL(url), OutboxSize: 1 << 20}, "logger", "l1", quiet)
	if err != nil {
		return err
	}
	readable, err := service.OpenReadable(service.Settings{}, new(output))
	if err != nil {
		return err
	}
	return logger.New(logger.Options{
		Consumer: "killed", Bus: client, Journal: &doomed{j, batches}, Readable: readable, RetryWait: time.Second,
		Health: service.NewHealth(logger.CheckBus, logger.CheckJournal), Metrics: prometheus.NewRegistry(),
	}, quiet).Run(context.Background())
}

// shortWait makes a durable whose messages come again soon after a kill.
func (f *fleet) shortWait(durable string) {
	f.Helper()
	nc, err := nats.Connect(f.server.URL())
	if err != nil {
		f.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		f.Fatal(err)
	}
	_, err = js.CreateConsumer(f.Context(), events.StreamName, jetstream.ConsumerConfig{
		Durable: durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxDeliver: -1, MaxAckPending: 4096,
	})
	if err != nil {
		f.Fatal(err)
	}
}

// A real process is killed with SIGKILL, in turn between the write and the
// acknowledgement of a batch, and at whatever moment its files have grown, while
// events come in, files are ended, compressed and begun. Each event is in the
// files once.
func TestKillsLeaveNeitherGapNorDuplicate(t *testing.T) {
	f := newFleet(t)
	f.shortWait("killed")
	const rounds, perRound = 8, 150
	for round := range rounds {
		f.numbers(round*perRound+1, (round+1)*perRound)
		cmd := exec.Command(os.Args[0])
		batches := 0
		if round%2 == 0 {
			batches = 1 + round/2
		}
		var said strings.Builder
		cmd.Stderr = &said
		cmd.Env = append(os.Environ(), childDir+"="+f.dir, childURL+"="+f.server.URL(), childEnd+"="+strconv.Itoa(batches))
		before := f.size()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		n := 100_000 * (round + 1)
		f.until("the logger is killed", func() bool {
			if batches == 0 && f.size() > before {
				cmd.Process.Kill()
			}
			n++
			f.numbers(n, n) // so that there is a next batch
			return len(ended) > 0
		})
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: %v: %s", round, err, &said)
		}
	}
	r := f.start("killed", nil)
	var published uint64
	f.until("all is acknowledged", func() bool {
		published = f.lastSequence()
		return f.acknowledgedUpTo("killed") >= published
	})
	r.stop()
	seen := map[uint64]int{}
	for _, record := range f.records() {
		seen[record.Seq]++
	}
	for seq := uint64(1); seq <= published; seq++ {
		if seen[seq] != 1 {
			t.Errorf("message %d is %d times in the files", seq, seen[seq])
		}
	}
	if len(seen) != int(published) {
		t.Errorf("%d messages in the files, %d in the stream", len(seen), published)
	}
}

// size is how much the files hold.
func (f *fleet) size() (size int64) {
	f.Helper()
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // it may be gone by now
			size += info.Size()
		}
	}
	return size
}
