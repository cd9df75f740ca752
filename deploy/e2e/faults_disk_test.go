//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// smallDisk mounts a file system of so many octets on a folder, to the end of the
// test.
func smallDisk(t *testing.T, folder string, size int) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("NOT RUN: no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", folder, err)
		}
	})
}

// largerDisk makes room on a small disk.
func largerDisk(t *testing.T, folder string, size int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
}

// The logger's disk is full for a while, in which the logger is killed as well. It
// says so, acknowledges no more than it has kept, and goes on by itself once there
// is room. Nothing is lost, and nothing is there twice.
func TestFaultsLoggersDiskFull(t *testing.T) {
	r := newRig(t)
	smallDisk(t, r.dir+"/logger", 1<<20)
	r.nats(1, natsServer(t))
	logger := r.logger("logger", "-compress-age", "0")
	r.measure()
	r.generator("generator", 500)
	r.startServers()
	r.worsen()
	r.start()
	full := func() {
		t.Helper()
		eventually(t, 30*time.Second, "the logger says that its disk is full", func() string {
			if status, body := logger.ask("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no space left") {
				return body
			}
			return ""
		})
	}
	full()
	kept := len(r.export(r.data[0]))
	acknowledged := r.acknowledged("logger")
	t.Logf("FIGURE: disk full with %d events in the files, %d messages acknowledged", kept, acknowledged)
	if kept == 0 || acknowledged > uint64(kept) {
		t.Error("more is acknowledged than kept")
	}
	r.kill(logger)
	logger.start()
	full()
	r.waitAccepted(500)
	largerDisk(t, r.dir+"/logger", 256<<20)
	logger.ready()
	r.wantOnce(r.finish())
}

// The disk of a prober's outbox is full for a while, since NATS is away. The
// prober says so and keeps new events in memory. When NATS is back all of them are
// delivered, and the outbox is on the disk again, without anybody's help.
func TestFaultsOutboxDiskFull(t *testing.T) {
	r := newRig(t)
	smallDisk(t, r.dir+"/prober", 512<<10)
	r.nats(1, natsServer(t))
	r.logger("logger")
	r.measure("-samples", "200", "-interval", "5ms") // some 40 KB a report
	r.startServers()
	r.start()
	r.prober.ready()
	r.servers[0].stop()
	condition := func(want bool) {
		t.Helper()
		eventually(t, time.Minute, fmt.Sprintf("the prober says that its disk is full: %v", want), func() string {
			if _, body := r.prober.ask("/readyz"); strings.Contains(body, "cannot be written") != want {
				return body
			}
			return ""
		})
	}
	condition(true)
	t.Logf("FIGURE: disk full with %.0f events in the outbox", r.prober.metric("twamp_outbox_events"))
	r.servers[0].start()
	condition(false)

	r.servers[0].stop()
	eventually(t, time.Minute, "the outbox holds events again", func() string {
		if r.prober.metric("twamp_outbox_events") == 0 {
			return "none"
		}
		return ""
	})
	r.kill(r.prober) // what it has accepted is on the disk
	r.start()
	r.prober.ready()
	r.wantOnce(r.finish())
}

// acknowledged is how many messages a durable has dealt with from the beginning of
// the stream, without a gap.
func (r *rig) acknowledged(durable string) uint64 {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	consumer, err := r.jetStream().Consumer(ctx, events.StreamName, durable)
	if err != nil {
		r.Fatal(err)
	}
	return consumer.CachedInfo().AckFloor.Stream
}
