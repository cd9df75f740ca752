package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tinytwamp/shared/events"
)

// The test binary is a NATS server when this is set, for tests that have none
// built.
const serverMain = "E2E_SERVER"

// serve is its main, with the one flag of the real one that is used here.
func serve() error {
	options, err := server.ProcessConfigFile(os.Args[len(os.Args)-1])
	if err != nil {
		return err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}

// nats adds n NATS servers, which are a cluster if there is more than one. What
// they acknowledge they have synced, as in deploy/nats.
func (r *rig) nats(n int, path string, env ...string) {
	r.Helper()
	var routes []string
	for range n {
		routes = append(routes, "nats://"+freeAddress(r.T))
	}
	for i := range n {
		name := fmt.Sprintf("nats%d", i)
		address := freeAddress(r.T)
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			r.Fatal(err)
		}
		config := fmt.Sprintf("server_name: %s\nhost: %s\nport: %s\njetstream { store_dir: %q, sync_interval: always }\n",
			name, host, port, filepath.Join(r.dir, name))
		if n > 1 {
			config += fmt.Sprintf("cluster { name: test, listen: %q, routes: [%s] }\n",
				strings.TrimPrefix(routes[i], "nats://"), strings.Join(routes, ", "))
		}
		file := filepath.Join(r.dir, name+".conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			r.Fatal(err)
		}
		r.urls = append(r.urls, "nats://"+address)
		p := r.program(name, path, "-c", file)
		p.env = env
		r.servers = append(r.servers, p)
	}
}

// startServers starts the NATS servers, and makes the stream and the loggers'
// consumers.
func (r *rig) startServers(initArgs ...string) {
	r.Helper()
	for _, p := range r.servers {
		p.start()
	}
	for _, p := range r.loggers {
		args := append([]string{"-init", "-nats-url", r.url(), "-consumer", p.name}, initArgs...)
		output(r.T, exec.Command(binary("logger"), args...))
	}
}

// worsen has the stream forget the ids of its messages after a moment in place of
// two minutes, so that what is tried again is in the stream twice, as after a
// longer outage; and hand out again what is not acknowledged after 2 s in place of
// 30.
func (r *rig) worsen() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	js := r.jetStream()
	stream, err := js.Stream(ctx, events.StreamName)
	if err != nil {
		r.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Duplicates = 100 * time.Millisecond
	if _, err := js.UpdateStream(ctx, config); err != nil {
		r.Fatal(err)
	}
	for _, p := range r.loggers {
		consumer, err := stream.Consumer(ctx, p.name)
		if err != nil {
			r.Fatal(err)
		}
		config := consumer.CachedInfo().Config
		config.AckWait = 2 * time.Second
		if _, err := stream.UpdateConsumer(ctx, config); err != nil {
			r.Fatal(err)
		}
	}
}
