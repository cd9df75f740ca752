//go:build e2e

package k8s

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// cluster is a control plane: an API server and its controllers, as users have
// them. It has a node by name, and nothing that runs pods or puts things away.
type cluster struct {
	*testing.T
	*kubernetes.Clientset
	tools      string // folder of its programs
	kubeconfig string
}

// controllers are those that make pods, and what finds them.
const controllers = "daemonset-controller,deployment-controller,replicaset-controller,statefulset-controller," +
	"job-controller,cronjob-controller,endpointslice-controller,disruption-controller"

// controlPlane builds the programs of one, once, and returns their folder.
var controlPlane = sync.OnceValues(func() (tools string, err error) {
	if tools, err = filepath.Abs(root + "/bin/kubernetes"); err != nil {
		return "", err
	}
	run := func(args ...string) error {
		c := exec.Command("go", args...)
		c.Dir = "cluster"
		c.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		var stderr bytes.Buffer
		c.Stderr = &stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("%v: %w: %s", c, err, &stderr)
		}
		return nil
	}
	if err := run("list", "-deps", "tool"); err != nil {
		return "", fmt.Errorf("%w: %w", errNoSource, err)
	}
	return tools, run("build", "-ldflags", "-s -w", "-o", tools+"/", "tool")
})

var errNoSource = errors.New("no source of Kubernetes")

func startCluster(t *testing.T) *cluster {
	t.Helper()
	tools, err := controlPlane()
	if errors.Is(err, errNoSource) {
		t.Skipf("NOT RUN: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{T: t, tools: tools, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	var env envtest.Environment
	env.ControlPlane.GetAPIServer().Path = filepath.Join(c.tools, "kube-apiserver")
	env.ControlPlane.Etcd = &envtest.Etcd{Path: filepath.Join(c.tools, "server")}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(c.kubeconfig, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Clientset, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	c.startControllers()
	c.node("node-1")
	return c
}

// node makes one that is as good as ready.
func (c *cluster) node(name string) {
	c.Helper()
	nodes := c.CoreV1().Nodes()
	made, err := nodes.Create(c.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		c.Fatal(err)
	}
	made.Spec.Taints = nil // not-ready
	if _, err := nodes.Update(c.Context(), made, metav1.UpdateOptions{}); err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) startControllers() {
	c.Helper()
	log, err := os.Create(filepath.Join(c.TempDir(), "controllers.log"))
	if err != nil {
		c.Fatal(err)
	}
	manager := exec.Command(filepath.Join(c.tools, "kube-controller-manager"), "--kubeconfig", c.kubeconfig,
		"--controllers", controllers, "--leader-elect=false", "--secure-port=0")
	manager.Stdout, manager.Stderr = log, log
	if err := manager.Start(); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		manager.Process.Kill()
		manager.Wait()
		if c.Failed() {
			text, _ := os.ReadFile(log.Name())
			c.Logf("controllers: %s", text[max(0, len(text)-4096):])
		}
		log.Close()
	})
}

// kubectl runs it, and returns what it prints. A warning fails as an error does.
func (c *cluster) kubectl(args ...string) (string, error) {
	command := exec.CommandContext(c.Context(), filepath.Join(c.tools, "kubectl"), append(args, "--warnings-as-errors", "--request-timeout=1m")...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig)
	out, err := command.CombinedOutput()
	return string(out), err
}

func (c *cluster) apply(overlay string) {
	c.Helper()
	if out, err := c.kubectl("apply", "--validate=strict", "-f", plain(overlay)); err != nil {
		c.Fatalf("%s is not taken: %v\n%s", overlay, err, out)
	}
}

// eventually waits until check has nothing more to say.
func (c *cluster) eventually(within time.Duration, what string, check func(ctx context.Context) (missing string)) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), within)
	defer cancel()
	every := time.NewTicker(250 * time.Millisecond)
	defer every.Stop()
	missing := ""
	for {
		now := check(ctx)
		if now == "" {
			return
		}
		if ctx.Err() == nil { // else it is what now says
			missing = now
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			c.Fatalf("%s: not within %v: %s", what, within, missing)
		}
	}
}

// podOf returns a pod that a controller made, other than those in not.
func (c *cluster) podOf(p pod, not ...string) *corev1.Pod {
	c.Helper()
	var found *corev1.Pod
	var by []string
	for name, value := range p.Labels {
		by = append(by, name+"="+value)
	}
	c.eventually(time.Minute, p.String()+" makes its pod", func(ctx context.Context) string {
		list, err := c.CoreV1().Pods(p.owner.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: strings.Join(by, ",")})
		if err != nil {
			return err.Error()
		}
		for _, pod := range list.Items {
			if pod.DeletionTimestamp == nil && !slices.Contains(not, pod.Name) {
				found = &pod
				return ""
			}
		}
		return c.events(ctx, p.owner.GetNamespace())
	})
	return found
}

// events returns what went wrong in a namespace.
func (c *cluster) events(ctx context.Context, namespace string) string {
	list, err := c.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return err.Error()
	}
	said := []string{"there is none"}
	for _, e := range list.Items {
		said = append(said, e.InvolvedObject.Kind+" "+e.InvolvedObject.Name+": "+e.Message)
	}
	return strings.Join(said, "; ")
}
