//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tinytwamp/shared/events"
)

// buildServer builds the NATS server of the version that the module names.
var buildServer = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(bin, "nats-server")
	c := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the NATS server does not build: %w\n%s", err, out)
	}
	return path, nil
})

func natsServer(t *testing.T) string {
	t.Helper()
	path, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A cluster of three with a stream of three copies loses a node to SIGKILL: one
// that follows, then the one that leads the stream, and each comes back. Then all
// three go in one moment. Nothing is lost on the way.
func TestFaultsCluster(t *testing.T) {
	r := newRig(t)
	r.nats(3, natsServer(t))
	r.logger("logger")
	r.measure()
	r.generator("generator", 500)
	r.startServers("-stream-replicas", "3")
	r.start()
	r.waitAccepted(500)

	_, follower := r.caughtUp()
	r.kill(follower)
	r.waitAccepted(1000)
	follower.start()
	leader, _ := r.caughtUp()
	r.kill(leader)
	r.waitAccepted(1000)
	leader.start()
	r.caughtUp()
	r.kill(r.servers...)
	r.waitAccepted(500)
	r.start()
	r.caughtUp()
	r.waitAccepted(500)
	r.wantOnce(r.finish())
}

// caughtUp waits until all servers of the cluster have all of the stream, and
// returns the one that leads it and another.
func (r *rig) caughtUp() (leader, follower *program) {
	r.Helper()
	js := r.jetStream()
	eventually(r.T, time.Minute, "a stream that all servers have", func() string {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, events.StreamName)
		if err != nil {
			return err.Error()
		}
		cluster := stream.CachedInfo().Cluster
		if cluster == nil || cluster.Leader == "" || len(cluster.Replicas) != len(r.servers)-1 {
			return fmt.Sprintf("%+v", cluster)
		}
		leader, follower = r.server(cluster.Leader), r.server(cluster.Replicas[0].Name)
		for _, peer := range cluster.Replicas {
			if !peer.Current || peer.Offline {
				return fmt.Sprintf("%+v", peer)
			}
		}
		return ""
	})
	return leader, follower
}

func (r *rig) server(name string) *program {
	for _, p := range r.servers {
		if p.name == name {
			return p
		}
	}
	r.Fatalf("there is no server %q", name)
	return nil
}
