package k8s

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json" // as the API server, which tells serviceName from servicename
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write deploy/k8s/plain anew")

var overlays = []string{"burst", "continuous", "once", "host-network", "nats-cluster"}

// kinds are those that the manifests use. Another one is a mistake until it
// stands here.
var kinds = map[string]func() metav1.Object{
	"v1 Namespace":                       func() metav1.Object { return new(corev1.Namespace) },
	"v1 Service":                         func() metav1.Object { return new(corev1.Service) },
	"v1 ConfigMap":                       func() metav1.Object { return new(corev1.ConfigMap) },
	"v1 PersistentVolumeClaim":           func() metav1.Object { return new(corev1.PersistentVolumeClaim) },
	"apps/v1 DaemonSet":                  func() metav1.Object { return new(appsv1.DaemonSet) },
	"apps/v1 Deployment":                 func() metav1.Object { return new(appsv1.Deployment) },
	"apps/v1 StatefulSet":                func() metav1.Object { return new(appsv1.StatefulSet) },
	"batch/v1 CronJob":                   func() metav1.Object { return new(batchv1.CronJob) },
	"batch/v1 Job":                       func() metav1.Object { return new(batchv1.Job) },
	"networking.k8s.io/v1 NetworkPolicy": func() metav1.Object { return new(networkingv1.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":      func() metav1.Object { return new(policyv1.PodDisruptionBudget) },
}

// build makes the manifests of an overlay as kustomize does.
func build(t *testing.T, overlay string) []byte {
	t.Helper()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // namespaces first
	made, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), filepath.Join(manifests, "overlays", overlay))
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func plain(overlay string) string { return filepath.Join(manifests, "plain", overlay+".yaml") }

// TestPlain holds deploy/k8s/plain to what the overlays make.
func TestPlain(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			want := fmt.Appendf(nil, "# Made of deploy/k8s/overlays/%s by `make docs`: change that.\n%s", overlay, build(t, overlay))
			if *update {
				if err := os.WriteFile(plain(overlay), want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(plain(overlay))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what its overlay makes: run make docs", plain(overlay))
			}
		})
	}
}

// TestOverlaysAreTested: none is left out of these tests, and nothing plain is
// left of one that is gone.
func TestOverlaysAreTested(t *testing.T) {
	for pattern, name := range map[string]string{
		"overlays/*": "overlays/%s", "plain/*": "plain/%s.yaml",
	} {
		found, err := filepath.Glob(filepath.Join(manifests, pattern))
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]bool{}
		for _, overlay := range overlays {
			known[filepath.Join(manifests, fmt.Sprintf(name, overlay))] = true
		}
		for _, path := range found {
			if !known[path] {
				t.Errorf("%s is not tested", path)
			}
		}
	}
}

// objects reads the plain manifests of an overlay. A field that its kind does
// not have, or has twice, fails the test.
func objects(t *testing.T, overlay string) []metav1.Object {
	t.Helper()
	text, err := os.ReadFile(plain(overlay))
	if err != nil {
		t.Fatal(err)
	}
	var all []metav1.Object
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		blank, ok := kinds[kind.APIVersion+" "+kind.Kind]
		if !ok {
			t.Fatalf("unknown kind %q %q", kind.APIVersion, kind.Kind)
		}
		object := blank()
		fields, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			t.Fatal(err)
		}
		if strict, err := json.UnmarshalStrict(fields, object); err != nil || strict != nil {
			t.Fatalf("%s %s: %v %v", kind.Kind, object.GetName(), err, strict)
		}
		all = append(all, object)
	}
	return all
}

// TestStrict: every document is of a kind that is known, and has no field which
// that does not have.
func TestStrict(t *testing.T) {
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			if len(objects(t, overlay)) == 0 {
				t.Error("there is none")
			}
		})
	}
}
