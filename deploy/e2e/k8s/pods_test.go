package k8s

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is a pod template and where it stands.
type pod struct {
	overlay, kind string
	owner         metav1.Object
	corev1.PodTemplateSpec
}

func (p pod) String() string {
	return p.overlay + ": " + p.kind + " " + p.owner.GetNamespace() + "/" + p.owner.GetName()
}

// job is the Job that a pod is of, or nil.
func (p pod) job() *batchv1.JobSpec {
	switch o := p.owner.(type) {
	case *batchv1.Job:
		return &o.Spec
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec
	}
	return nil
}

// pods returns the pod templates of an overlay.
func pods(t *testing.T, overlay string) []pod {
	t.Helper()
	var all []pod
	for _, object := range objects(t, overlay) {
		p := pod{overlay: overlay, owner: object}
		switch o := object.(type) {
		case *appsv1.DaemonSet:
			p.kind, p.PodTemplateSpec = "DaemonSet", o.Spec.Template
		case *appsv1.Deployment:
			p.kind, p.PodTemplateSpec = "Deployment", o.Spec.Template
		case *appsv1.StatefulSet:
			p.kind, p.PodTemplateSpec = "StatefulSet", o.Spec.Template
		case *batchv1.Job:
			p.kind, p.PodTemplateSpec = "Job", o.Spec.Template
		case *batchv1.CronJob:
			p.kind, p.PodTemplateSpec = "CronJob", o.Spec.JobTemplate.Spec.Template
		default:
			continue
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no pods", overlay)
	}
	return all
}

// each calls check for each pod template of all overlays.
func each(t *testing.T, check func(t *testing.T, p pod)) {
	t.Helper()
	for _, overlay := range overlays {
		for _, p := range pods(t, overlay) {
			t.Run(p.String(), func(t *testing.T) { check(t, p) })
		}
	}
}
