package bustest

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// account is the one that clients without a user are in.
const account = "$G"

// Cluster is a cluster of NATS servers with JetStream.
type Cluster struct {
	Nodes []*Server
	t     testing.TB
}

// NewCluster starts a cluster of n nodes that ends with the test. It returns
// once streams can be made on all of them.
func NewCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	var ports []int
	var routes []string
	for range n {
		ports = append(ports, freePort(t))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[len(ports)-1]))
	}
	for i, port := range ports {
		c.Nodes = append(c.Nodes, newServer(t, func(o *server.Options) {
			o.ServerName = fmt.Sprintf("node-%d", i)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port, NoAdvertise: true}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}))
	}
	for _, node := range c.Nodes {
		node.begin()
	}
	for _, node := range c.Nodes {
		node.ready()
	}
	c.await("a leader that knows all nodes", func() bool {
		for _, node := range c.Nodes {
			if node.running.JetStreamIsLeader() && len(node.running.JetStreamClusterPeers()) == n {
				return true
			}
		}
		return false
	})
	return c
}

// URL returns the URLs of all nodes.
func (c *Cluster) URL() string {
	var urls []string
	for _, node := range c.Nodes {
		urls = append(urls, node.URL())
	}
	return strings.Join(urls, ",")
}

// Leader waits until a stream has a leader, and returns its index.
func (c *Cluster) Leader(stream string) (leader int) {
	c.t.Helper()
	c.await("a leader of stream "+stream, func() bool {
		for i, node := range c.Nodes {
			if node.running.JetStreamIsStreamLeader(account, stream) {
				leader = i
				return true
			}
		}
		return false
	})
	return leader
}

// CaughtUp waits until a node that was started again has all of a stream.
func (c *Cluster) CaughtUp(node int, stream string) {
	c.t.Helper()
	c.await("node that has caught up with stream "+stream, func() bool {
		running := c.Nodes[node].running
		return running.JetStreamIsCurrent() && running.JetStreamIsStreamCurrent(account, stream)
	})
}

func (c *Cluster) await(what string, done func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(startTimeout); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("bustest: no %s after %v", what, startTimeout)
		}
	}
}

// freePort returns a port that nobody listens on: all nodes must know all before
// any of them starts.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
