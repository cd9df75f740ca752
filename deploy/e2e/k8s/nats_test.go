package k8s

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	corev1 "k8s.io/api/core/v1"
)

// natsOptions is what nats-server reads of an overlay's ConfigMap, in the pod
// nats-0 and with users beside it.
func natsOptions(t *testing.T, overlay string) *server.Options {
	t.Helper()
	folder := t.TempDir()
	for _, object := range objects(t, overlay) {
		if m, ok := object.(*corev1.ConfigMap); ok && m.Name == "nats" {
			for file, text := range m.Data {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const users = `authorization { users = [ {nkey: UBOW46JFJBQJJGTVNMD5CLG3Z7GLGIRLFNZLQKJQKJGEMSROEN272OWX} ] }`
	if err := os.WriteFile(filepath.Join(folder, "users.conf"), []byte(users), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POD_NAME", "nats-0")
	o, err := server.ProcessConfigFile(filepath.Join(folder, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestNATS: the server takes its configuration, names itself after its pod, lets
// only users in, and acknowledges what is on the disk.
func TestNATS(t *testing.T) {
	for _, overlay := range []string{"burst", "nats-cluster"} {
		t.Run(overlay, func(t *testing.T) {
			o := natsOptions(t, overlay)
			if o.ServerName != "nats-0" || len(o.Nkeys) != 1 || !o.JetStream || !o.SyncAlways || o.StoreDir != "/data" || o.Port != 4222 || o.HTTPPort != 8222 {
				t.Errorf("name %q, %d users, JetStream %v in %s, sync always %v, ports %d and %d", o.ServerName, len(o.Nkeys), o.JetStream, o.StoreDir, o.SyncAlways, o.Port, o.HTTPPort)
			}
			routes := map[string]bool{}
			for _, r := range o.Routes {
				routes[r.Host] = true
			}
			want := []string{"nats-0.nats-servers:6222", "nats-1.nats-servers:6222", "nats-2.nats-servers:6222"}
			if overlay == "burst" {
				want = nil
			}
			if len(routes) != len(want) || (want != nil && (o.Cluster.Port != 6222 || o.Cluster.Name == "")) {
				t.Errorf("cluster is %+v, routes %v", o.Cluster, routes)
			}
			for _, w := range want {
				if !routes[w] {
					t.Errorf("no route to %s", w)
				}
			}
		})
	}
}
