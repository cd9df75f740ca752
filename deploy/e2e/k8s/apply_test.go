//go:build e2e

package k8s

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Each of these applies manifests to an API server of its own, and looks at what
// the controllers make of them.

func TestClusterBurst(t *testing.T) {
	c := startCluster(t)
	c.accepted("burst")
	c.schedule()
	c.exitCodes()
}

func TestClusterContinuous(t *testing.T) {
	c := startCluster(t)
	c.accepted("continuous")
	c.accepted("once")
	c.refused()
	c.reflectorsAreFound()
}

func TestClusterHostNetwork(t *testing.T) {
	c := startCluster(t)
	c.accepted("host-network")
	c.secrets()
}

func TestClusterOfNATS(t *testing.T) {
	startCluster(t).accepted("nats-cluster")
}

// accepted: strictly and without a warning, also from the overlay with the
// kustomize that kubectl has inside, which makes the same. Every pod is let in by
// the pod security of its namespace.
func (c *cluster) accepted(overlay string) {
	c.Helper()
	c.apply(overlay)
	before := c.generations(overlay)
	for _, way := range [][]string{{"-f", plain(overlay)}, {"-k", filepath.Join(manifests, "overlays", overlay)}} {
		out, err := c.kubectl(append([]string{"apply", "--validate=strict"}, way...)...)
		if after := c.generations(overlay); err != nil || strings.Contains(out, "created") || after != before {
			c.Errorf("applied again with %s: %v\n%s\nbefore:\n%safter:\n%s", way[0], err, out, before, after)
		}
	}
	for _, p := range pods(c.T, overlay) {
		if p.kind != "CronJob" {
			c.podOf(p)
		}
	}
}

// generations returns how often each object was changed.
func (c *cluster) generations(overlay string) string {
	c.Helper()
	out, err := c.kubectl("get", "-f", plain(overlay), "-o", "custom-columns=KIND:.kind,NAME:.metadata.name,GENERATION:.metadata.generation")
	if err != nil {
		c.Fatalf("%v\n%s", err, out)
	}
	return out
}

// refused: the API server does look at all this.
func (c *cluster) refused() {
	text, err := os.ReadFile(plain("once"))
	if err != nil {
		c.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"an unknown field":      {"restartPolicy: Never", "restartPolicy: Never\n      enableServiceLink: false"},
		"a host's network":      {"restartPolicy: Never", "restartPolicy: Never\n      hostNetwork: true"},
		"another user's rights": {"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
	} {
		file := filepath.Join(c.TempDir(), "changed.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), change[0], change[1], 1)), 0o644); err != nil {
			c.Fatal(err)
		}
		if out, err := c.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", file); err == nil {
			c.Errorf("%s is taken:\n%s", what, out)
		}
	}
}

// secrets: the script makes what the pods mount, and renews it.
func (c *cluster) secrets() {
	folder := c.TempDir()
	for _, name := range []string{"users-shared.conf", "reflector.nk", "prober.nk", "logger.nk", "init.nk"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("secret of "+name), 0o600); err != nil {
			c.Fatal(err)
		}
	}
	for range 2 {
		script := exec.Command(filepath.Join(manifests, "secrets.sh"), folder)
		script.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "PATH="+c.tools+":"+os.Getenv("PATH"))
		if out, err := script.CombinedOutput(); err != nil {
			c.Fatalf("%v\n%s", err, out)
		}
	}
	for _, p := range pods(c.T, "host-network") {
		for _, name := range secretsOf(p.Spec) {
			s, err := c.CoreV1().Secrets(p.owner.GetNamespace()).Get(c.Context(), name, metav1.GetOptions{})
			if err != nil {
				c.Errorf("%v: %v", p, err)
				continue
			}
			for file, content := range s.Data {
				if from := strings.Replace(file, "users.conf", "users-shared.conf", 1); string(content) != "secret of "+from || len(s.Data) != 1 || len(s.Annotations) != 0 {
					c.Errorf("secret %s is %v, annotations %v", name, s.Data, s.Annotations)
				}
			}
		}
	}
}

// secretsOf returns the names of those that a pod mounts.
func secretsOf(s corev1.PodSpec) []string {
	var names []string
	for _, v := range s.Volumes {
		if v.Secret != nil {
			names = append(names, v.Secret.SecretName)
		}
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				if source.Secret != nil {
					names = append(names, source.Secret.Name)
				}
			}
		}
	}
	return names
}

// reflectorsAreFound: each pod with an address is one of the Service's, whether
// it is ready or not, from the moment that it has one until it is gone.
func (c *cluster) reflectorsAreFound() {
	var reflector pod
	for _, p := range pods(c.T, "continuous") {
		if p.kind == "DaemonSet" {
			reflector = p
		}
	}
	found := func(want ...string) {
		c.Helper()
		c.eventually(30*time.Second, fmt.Sprintf("the Service has %q", want), func(ctx context.Context) string {
			list, err := c.DiscoveryV1().EndpointSlices("twamp").List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=reflector"})
			if err != nil {
				return err.Error()
			}
			var have []string
			for _, slice := range list.Items {
				for _, e := range slice.Endpoints {
					if e.Conditions.Ready != nil && *e.Conditions.Ready {
						have = append(have, e.Addresses...)
					}
				}
			}
			slices.Sort(have)
			if !slices.Equal(have, want) {
				return fmt.Sprintf("it has %q", have)
			}
			return ""
		})
	}
	first := c.podOf(reflector)
	c.status(first, corev1.PodStatus{Phase: corev1.PodPending, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}})
	found("10.0.0.1")
	c.node("node-2")
	second := c.podOf(reflector, first.Name)
	c.status(second, corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.2", PodIPs: []corev1.PodIP{{IP: "10.0.0.2"}}})
	found("10.0.0.1", "10.0.0.2")
	if err := c.CoreV1().Nodes().Delete(c.Context(), "node-2", metav1.DeleteOptions{}); err != nil {
		c.Fatal(err)
	}
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))} // as the collector of pods without a node
	if err := c.CoreV1().Pods("twamp").Delete(c.Context(), second.Name, now); err != nil {
		c.Fatal(err)
	}
	found("10.0.0.1")
}

// status is what kubelet would say of a pod.
func (c *cluster) status(p *corev1.Pod, s corev1.PodStatus) {
	c.Helper()
	p.Status = s
	if _, err := c.CoreV1().Pods(p.Namespace).UpdateStatus(c.Context(), p, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
}
