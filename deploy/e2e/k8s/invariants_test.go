package k8s

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestPods: what every pod must and must not have.
func TestPods(t *testing.T) {
	each(t, func(t *testing.T, p pod) {
		s := p.Spec
		if s.EnableServiceLinks == nil || *s.EnableServiceLinks {
			t.Error("enableServiceLinks is not false: a Service would put NAME_PORT=udp://... into the environment")
		}
		if s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken {
			t.Error("automountServiceAccountToken is not false: none of them asks the API")
		}
		if s.TerminationGracePeriodSeconds == nil && p.job() == nil {
			t.Error("no terminationGracePeriodSeconds")
		}
		want := &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), RunAsGroup: new(int64(65532)), FSGroup: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
		got := corev1.PodSecurityContext{}
		if s.SecurityContext != nil {
			got = *s.SecurityContext
		}
		got.Sysctls, got.FSGroupChangePolicy = nil, nil
		if !reflect.DeepEqual(&got, want) {
			t.Errorf("security context is %+v", got)
		}
		for _, c := range append(s.InitContainers, s.Containers...) {
			checkContainer(t, c)
		}
		for _, v := range s.Volumes {
			if v.HostPath != nil {
				t.Errorf("volume %s is a path of the node", v.Name)
			}
			if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
				t.Errorf("volume %s may fill the node", v.Name)
			}
			// What is readable by all is refused by our services; the group is fsGroup.
			if v.Secret != nil && (v.Secret.DefaultMode == nil || *v.Secret.DefaultMode != 0o440) {
				t.Errorf("secret %s has not the mode 0440", v.Name)
			}
		}
	})
}

func checkContainer(t *testing.T, c corev1.Container) {
	t.Helper()
	want := &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	if !reflect.DeepEqual(c.SecurityContext, want) {
		t.Errorf("container %s: security context is %+v", c.Name, c.SecurityContext)
	}
	if _, tag, ok := strings.Cut(c.Image, ":"); !ok || tag == "latest" {
		t.Errorf("container %s: image %s has no fixed tag", c.Name, c.Image)
	}
	r := c.Resources
	if !r.Limits.Cpu().IsZero() {
		t.Errorf("container %s: a limit of CPU of %v would be measured", c.Name, r.Limits.Cpu())
	}
	if r.Requests.Cpu().IsZero() || r.Requests.Memory().IsZero() || r.Limits.Memory().IsZero() {
		t.Errorf("container %s: resources are %+v", c.Name, r)
	}
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("container %s: %s is a subPath, in which a changed file is not seen", c.Name, m.MountPath)
		}
	}
}

// TestProbes: what goes on for ever is asked how it is, on the port that it
// answers on; it is not killed for a reason of readiness.
func TestProbes(t *testing.T) {
	each(t, func(t *testing.T, p pod) {
		for _, c := range p.Spec.Containers {
			for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
				if p.job() != nil {
					if probe != nil {
						t.Errorf("a Job has a %s probe", name)
					}
					continue
				}
				if probe == nil || probe.HTTPGet == nil {
					t.Errorf("no %s probe", name)
					continue
				}
				port := probe.HTTPGet.Port.StrVal
				if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
					t.Errorf("the %s probe asks port %q, which is not there", name, port)
				}
				if ours(c) && (name == "readiness") != (probe.HTTPGet.Path == "/readyz") {
					t.Errorf("the %s probe asks %s", name, probe.HTTPGet.Path)
				}
			}
		}
	})
}

func ours(c corev1.Container) bool { return strings.HasPrefix(c.Image, "tinytwamp/") }

// TestMesh: no sidecar in what measures or ends.
func TestMesh(t *testing.T) {
	each(t, func(t *testing.T, p pod) {
		name := p.Labels["app.kubernetes.io/name"]
		if p.job() == nil && name != "reflector" && name != "prober" {
			return
		}
		if p.Labels["sidecar.istio.io/inject"] != "false" || p.Annotations["sidecar.istio.io/inject"] != "false" || p.Annotations["linkerd.io/inject"] != "disabled" {
			t.Error("a service mesh may put its proxy into it")
		}
	})
}

// TestScrape: what has an admin port and stays says where its metrics are.
func TestScrape(t *testing.T) {
	each(t, func(t *testing.T, p pod) {
		if p.job() != nil || !ours(p.Spec.Containers[0]) {
			return
		}
		a := p.Annotations
		if a["prometheus.io/scrape"] != "true" || a["prometheus.io/port"] != "9862" || a["prometheus.io/path"] != "/metrics" {
			t.Errorf("annotations are %v", a)
		}
	})
}

// TestSelectors: what selects pods finds those that it is for, and a policy or
// Service names ports that they have.
func TestSelectors(t *testing.T) {
	for _, overlay := range overlays {
		if overlay == "once" {
			continue // stands on another
		}
		t.Run(overlay, func(t *testing.T) {
			all := pods(t, overlay)
			for _, object := range objects(t, overlay) {
				switch o := object.(type) {
				case *corev1.Service:
					found := selected(t, all, o.Namespace, metav1.LabelSelector{MatchLabels: o.Spec.Selector})
					if len(found) == 0 {
						t.Errorf("Service %s selects nothing", o.Name)
					}
					for _, port := range o.Spec.Ports {
						needPort(t, "Service "+o.Name, found, port.TargetPort.StrVal)
					}
				case *networkingv1.NetworkPolicy:
					found := selected(t, all, o.Namespace, o.Spec.PodSelector)
					if len(found) == 0 && o.Namespace != "twamp-host" {
						t.Errorf("NetworkPolicy %s selects nothing", o.Name)
					}
				case *appsv1.Deployment:
					if len(selected(t, all, o.Namespace, *o.Spec.Selector)) != 1 {
						t.Errorf("Deployment %s selects the pods of others", o.Name)
					}
				}
			}
		})
	}
}

func selected(t *testing.T, all []pod, namespace string, by metav1.LabelSelector) []pod {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&by)
	if err != nil {
		t.Fatal(err)
	}
	var found []pod
	for _, p := range all {
		if p.owner.GetNamespace() == namespace && selector.Matches(labels.Set(p.Labels)) {
			found = append(found, p)
		}
	}
	return found
}

func needPort(t *testing.T, who string, found []pod, name string) {
	t.Helper()
	for _, p := range found {
		if !slices.ContainsFunc(p.Spec.Containers[0].Ports, func(c corev1.ContainerPort) bool { return c.Name == name }) {
			t.Errorf("%s: %v has no port %q", who, p, name)
		}
	}
}

// TestJobs: each ends, is cleared away, and is not tried again for what a retry
// does not change.
func TestJobs(t *testing.T) {
	each(t, func(t *testing.T, p pod) {
		job := p.job()
		if job == nil {
			return
		}
		if job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			t.Error("restartPolicy is not Never, which podFailurePolicy asks for")
		}
		if job.BackoffLimit == nil || job.ActiveDeadlineSeconds == nil || job.TTLSecondsAfterFinished == nil {
			t.Error("backoffLimit, activeDeadlineSeconds or ttlSecondsAfterFinished is missing")
		}
		checkFailures(t, job)
		if c, ok := p.owner.(*batchv1.CronJob); ok {
			if c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || c.Spec.StartingDeadlineSeconds == nil || c.Spec.SuccessfulJobsHistoryLimit == nil || c.Spec.FailedJobsHistoryLimit == nil {
				t.Error("concurrencyPolicy Forbid, startingDeadlineSeconds or a history limit is missing")
			}
		}
	})
}

// checkFailures: a drained node is nobody's failure and bad settings are final.
func checkFailures(t *testing.T, job *batchv1.JobSpec) {
	t.Helper()
	if job.PodFailurePolicy == nil || len(job.PodFailurePolicy.Rules) != 2 {
		t.Fatal("podFailurePolicy is missing")
	}
	drained, final := job.PodFailurePolicy.Rules[0], job.PodFailurePolicy.Rules[1]
	if drained.Action != batchv1.PodFailurePolicyActionIgnore || len(drained.OnPodConditions) != 1 || drained.OnPodConditions[0].Type != corev1.DisruptionTarget {
		t.Errorf("the first rule does not ignore drained nodes: %+v", drained)
	}
	codes := final.OnExitCodes
	if final.Action != batchv1.PodFailurePolicyActionFailJob || codes == nil || !slices.Contains(codes.Values, 64) || slices.Contains(codes.Values, 70) {
		t.Fatalf("the second rule does not end the Job for bad settings, or does for internal errors: %+v", final)
	}
	if *codes.ContainerName != job.Template.Spec.Containers[0].Name {
		t.Errorf("it is about a container %s, which is not there", *codes.ContainerName)
	}
	// Events that could not be delivered: final where a volume keeps them for the
	// next run.
	kept := slices.ContainsFunc(job.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })
	if slices.Contains(codes.Values, 75) != kept {
		t.Errorf("exit code 75: final %v, events kept %v", !kept, kept)
	}
}

// TestNamespaces: all is restricted but for the reflectors in the host's network,
// which are alone in theirs.
func TestNamespaces(t *testing.T) {
	for _, overlay := range overlays {
		for _, object := range objects(t, overlay) {
			n, ok := object.(*corev1.Namespace)
			if !ok {
				if object.GetNamespace() == "" {
					t.Errorf("%s: %s has no namespace", overlay, object.GetName())
				}
				continue
			}
			level := n.Labels["pod-security.kubernetes.io/enforce"]
			if (n.Name == "twamp-host") != (level == "privileged") || (n.Name == "twamp") != (level == "restricted") {
				t.Errorf("%s: namespace %s is %s", overlay, n.Name, level)
			}
		}
		for _, p := range pods(t, overlay) {
			if p.Spec.HostNetwork != (p.owner.GetNamespace() == "twamp-host") {
				t.Errorf("%v: hostNetwork is %v", p, p.Spec.HostNetwork)
			}
			if p.Spec.HostNetwork && len(p.Spec.SecurityContext.Sysctls) > 0 {
				t.Errorf("%v: kubelet refuses sysctls of the network with hostNetwork", p)
			}
		}
	}
}

// TestDefaultDeny: each namespace has it.
func TestDefaultDeny(t *testing.T) {
	for _, overlay := range overlays {
		denied, used := map[string]bool{}, map[string]bool{}
		for _, object := range objects(t, overlay) {
			if n, ok := object.(*networkingv1.NetworkPolicy); ok && n.Name == "default-deny" {
				denied[n.Namespace] = reflect.DeepEqual(n.Spec, networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Ingress", "Egress"}})
			}
			if n, ok := object.(*corev1.Namespace); ok {
				used[n.Name] = true
			}
		}
		for n := range used {
			if !denied[n] {
				t.Errorf("%s: namespace %s is open", overlay, n)
			}
		}
	}
}
